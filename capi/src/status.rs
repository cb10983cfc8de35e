//! Statuses: what every function returns, and the message for people behind it.
//!
//! A call that fails leaves its message with the thread that made it. Success leaves the last message alone, as errno.

use std::cell::RefCell;
use std::convert::Infallible;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use cotenant_rust::sync::{LockError, TryLockError};
use cotenant_rust::{Error, ErrorKind};

/// What a call came to. The numbers are fixed: they stay what they are in every version, and are not those of errno.
///
/// Only COTENANT_OK and, of calls that lock, COTENANT_OWNER_DIED mean that the call did what it was asked to.
/// cotenant_error_message() says more.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)] // C compares them all.
pub enum cotenant_status {
    /// It is done.
    COTENANT_OK = 0,
    /// No room for the memory: a full tmpfs, a quota, a limit. Make room and try again.
    COTENANT_NO_SPACE = 1,
    /// The system does not let this user do it.
    COTENANT_PERMISSION_DENIED = 2,
    /// Something that is not ours lies where the segment should.
    COTENANT_FOREIGN = 3,
    /// The segment's own bytes make no sense: truncated or damaged.
    COTENANT_CORRUPT = 4,
    /// The segment holds variables of another layout than this program's.
    COTENANT_MISMATCH = 5,
    /// As many participants as the segment has slots are attached.
    COTENANT_FULL = 6,
    /// This system, file system or program image cannot do what was asked.
    COTENANT_UNSUPPORTED = 7,
    /// There is no segment or object of that name.
    COTENANT_NOT_FOUND = 8,
    /// There is one already.
    COTENANT_ALREADY_EXISTS = 9,
    /// A name, scope, option, or an argument that is not allowed.
    COTENANT_INVALID_INPUT = 10,
    /// Other processes kept changing the segment at the same moment, longer than we try.
    COTENANT_BUSY = 11,
    /// This thread would wait for itself.
    COTENANT_WOULD_DEADLOCK = 12,
    /// Somebody else has it. Of calls that do not wait.
    COTENANT_WOULD_BLOCK = 13,
    /// What was waited for did not happen in the time that was given.
    COTENANT_TIMED_OUT = 14,
    /// The lock is held now, by this thread. Its owner died, or unlocked it unrepaired: what it guards may be half
    /// changed. Put it right, then say so (cotenant_mutex_consistent); until then the next one is told the same.
    COTENANT_OWNER_DIED = 15,
    /// Sharing was switched off for this process (COTENANT_PRIVATE, raised privileges), or the block is not attached.
    COTENANT_PRIVATE = 16,
    /// Anything else that the system said.
    COTENANT_SYSTEM = 17,
    /// Whoever was to repair what the lock guards gave up. The lock is not held.
    COTENANT_NOT_RECOVERABLE = 18,
    /// This thread does not hold what it was to release. Nothing was changed.
    COTENANT_NOT_OWNER = 19,
    /// A defect of this library: it panicked, and went no further. Please report the message.
    COTENANT_INTERNAL = 20,
    /// A callback said that it cannot: nothing was made.
    COTENANT_CANCELLED = 21,
    /// Nobody writes into the pipe any more, and all that was written has been read.
    COTENANT_END_OF_STREAM = 22,
    /// Nobody reads from the pipe any more.
    COTENANT_BROKEN_PIPE = 23,
}

use cotenant_status::*;

/// Why a call does not give COTENANT_OK.
pub(crate) struct Failure {
    pub(crate) status: cotenant_status,
    pub(crate) message: String,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

thread_local! {
    static LAST: RefCell<Option<CString>> = const { RefCell::new(None) };
}

/// Why the last call of this thread that failed did: what it did, to what, what the system said and what to do about
/// it, in UTF-8, some with several lines. "" if none has failed yet.
///
/// The text stays until the next call of this thread that fails. Does not block.
#[unsafe(no_mangle)]
pub extern "C" fn cotenant_error_message() -> *const c_char {
    // A thread that ends has none any more.
    let message = |last: &RefCell<Option<CString>>| last.borrow().as_ref().map(|message| message.as_ptr());
    LAST.try_with(message).ok().flatten().unwrap_or(c"".as_ptr())
}

/// The name of a status, for logs: "COTENANT_NO_SPACE". Of a number that is none: "unknown". Does not block.
#[unsafe(no_mangle)]
pub extern "C" fn cotenant_status_name(status: i32) -> *const c_char {
    name(status).as_ptr()
}

/// The version of the library that runs, as "0.1.0". That of the header is COTENANT_VERSION. Does not block.
#[unsafe(no_mangle)]
pub extern "C" fn cotenant_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version without a zero byte"),
    };
    VERSION.as_ptr()
}

fn name(status: i32) -> &'static CStr {
    macro_rules! names {
        ($($status:ident)*) => {
            $(if status == $status as i32 {
                const NAME: &str = concat!(stringify!($status), "\0");
                return CStr::from_bytes_with_nul(NAME.as_bytes()).unwrap_or_default();
            })*
        };
    }
    names! {
        COTENANT_OK COTENANT_NO_SPACE COTENANT_PERMISSION_DENIED COTENANT_FOREIGN COTENANT_CORRUPT COTENANT_MISMATCH
        COTENANT_FULL COTENANT_UNSUPPORTED COTENANT_NOT_FOUND COTENANT_ALREADY_EXISTS COTENANT_INVALID_INPUT
        COTENANT_BUSY COTENANT_WOULD_DEADLOCK COTENANT_WOULD_BLOCK COTENANT_TIMED_OUT COTENANT_OWNER_DIED
        COTENANT_PRIVATE COTENANT_SYSTEM COTENANT_NOT_RECOVERABLE COTENANT_NOT_OWNER COTENANT_INTERNAL
        COTENANT_CANCELLED COTENANT_END_OF_STREAM COTENANT_BROKEN_PIPE
    }
    c"unknown"
}

/// Runs the body of a C function: gives its status, keeps its message, and lets no panic out.
pub(crate) fn call(body: impl FnOnce() -> Result<()>) -> cotenant_status {
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(Failure { status: COTENANT_INTERNAL, message: format!("cotenant panicked: {text}") })
    });
    match result {
        Ok(()) => COTENANT_OK,
        Err(failure) => {
            remember(&failure.message);
            failure.status
        }
    }
}

/// Makes `message` what [`cotenant_error_message`] gives.
pub(crate) fn remember(message: &str) {
    let text = CString::new(message.replace('\0', " ")).unwrap_or_default();
    let _ = LAST.try_with(|last| last.replace(Some(text)));
}

/// An argument that the caller must not pass.
pub(crate) fn invalid(what: &str) -> Failure {
    Failure { status: COTENANT_INVALID_INPUT, message: what.to_owned() }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let status = match error.kind() {
            ErrorKind::NoSpace => COTENANT_NO_SPACE,
            ErrorKind::PermissionDenied => COTENANT_PERMISSION_DENIED,
            ErrorKind::Foreign => COTENANT_FOREIGN,
            ErrorKind::Corrupt => COTENANT_CORRUPT,
            ErrorKind::Mismatch => COTENANT_MISMATCH,
            ErrorKind::Full => COTENANT_FULL,
            ErrorKind::Unsupported => COTENANT_UNSUPPORTED,
            ErrorKind::NotFound => COTENANT_NOT_FOUND,
            ErrorKind::AlreadyExists => COTENANT_ALREADY_EXISTS,
            ErrorKind::InvalidInput => COTENANT_INVALID_INPUT,
            ErrorKind::Busy => COTENANT_BUSY,
            ErrorKind::WouldDeadlock => COTENANT_WOULD_DEADLOCK,
            ErrorKind::WouldBlock => COTENANT_WOULD_BLOCK,
            ErrorKind::TimedOut => COTENANT_TIMED_OUT,
            ErrorKind::OwnerDied => COTENANT_OWNER_DIED,
            ErrorKind::Private => COTENANT_PRIVATE,
            // Kinds that a later library has, and this ABI has no number for.
            _ => COTENANT_SYSTEM,
        };
        Failure { status, message: error.to_string() }
    }
}

/// Of locks without a guard: a dead owner is told by [`Taken`](cotenant_rust::__c::Taken), not here.
impl From<LockError> for Failure {
    fn from(error: LockError) -> Failure {
        match error {
            LockError::NotRecoverable => Failure {
                status: COTENANT_NOT_RECOVERABLE,
                message: LockError::<Infallible>::NotRecoverable.to_string(),
            },
            other => Error::from(other).into(),
        }
    }
}

impl From<TryLockError> for Failure {
    fn from(error: TryLockError) -> Failure {
        match error {
            TryLockError::Lock(error) => error.into(),
            other => Error::from(other).into(),
        }
    }
}
