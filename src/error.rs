//! The crate's one error: a kind that a caller can act on, and a message for people.
//!
//! The message says what was done, to which name, what the system said, and the next step. Outcomes are not errors:
//! a lock whose owner died is [`LockError::OwnerDied`](crate::sync::LockError), with the way on inside.

use std::{fmt, io};

/// The exit status of a program that could not share its variables: `EX_CONFIG` of `sysexits.h`. systemd's
/// `RestartPreventExitStatus=78` keeps such a program from being started over and over.
pub const EXIT_STATUS: i32 = 78;

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, in terms of what a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No room for the memory: a full tmpfs, a quota, a file-size limit. Make room and try again.
    NoSpace,
    /// The system does not let this user do it.
    PermissionDenied,
    /// Something that is not ours lies where the segment should: another user's, or a file of another kind.
    Foreign,
    /// The segment's own bytes make no sense: truncated or damaged.
    Corrupt,
    /// The segment holds variables of another layout than this program's.
    Mismatch,
    /// As many participants as the segment has slots are attached.
    Full,
    /// This system, file system or program image cannot do what was asked.
    Unsupported,
    /// There is no segment or object of that name.
    NotFound,
    /// There is one already.
    AlreadyExists,
    /// A name, scope or option that is not allowed.
    InvalidInput,
    /// Other processes kept changing the segment at the same moment, longer than we try.
    Busy,
    /// This thread would wait for itself.
    WouldDeadlock,
    /// Of a lock: somebody else has it, or is at it. Of `try_` calls.
    WouldBlock,
    /// What was waited for did not happen in the time that was given. Of `_timeout` calls.
    TimedOut,
    /// Of a lock: whoever held it died or panicked, and the value was not repaired.
    OwnerDied,
    /// Sharing was switched off for this process (by `COTENANT_PRIVATE`, or because privileges were raised).
    Private,
    /// Anything else that the system said.
    System,
}

/// Why something could not be done.
pub struct Error {
    kind: ErrorKind,
    message: String,
    os_error: Option<i32>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), os_error: None }
    }

    /// `doing` reads on after "cannot", for example ``"create the segment `/x`"``.
    pub(crate) fn system(doing: impl fmt::Display, cause: &io::Error) -> Error {
        let kind = match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                ErrorKind::NoSpace
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::PermissionDenied,
            io::ErrorKind::Unsupported => ErrorKind::Unsupported,
            // A lease on a file, that somebody has not given back yet.
            io::ErrorKind::WouldBlock => ErrorKind::Busy,
            io::ErrorKind::OutOfMemory => ErrorKind::NoSpace,
            _ => ErrorKind::System,
        };
        Error { kind, message: format!("cannot {doing}: {cause}"), os_error: cause.raw_os_error() }
    }

    /// What the system's error means here, where its number alone does not tell.
    #[allow(dead_code)] // Not on every system.
    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Error {
        self.kind = kind;
        self
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, next_step: impl fmt::Display) -> Error {
        self.message = format!("{}; {next_step}", self.message);
        self
    }

    /// Adds a line of explanation.
    pub(crate) fn line(mut self, more: impl fmt::Display) -> Error {
        self.message = format!("{}\n  {more}", self.message);
        self
    }

    /// What a caller can act on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The system's error number (`errno`, or `GetLastError` on Windows), where a system call failed.
    pub fn os_error(&self) -> Option<i32> {
        self.os_error
    }
}

/// The kind, and the message with its line breaks: what a `main` that returns the error prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_for_people_too() {
        let error = Error::new(ErrorKind::Mismatch, "`x` differs").line("field by field").hint("rename it");
        assert_eq!(format!("{error:?}"), "Mismatch: `x` differs\n  field by field; rename it");
    }
}
