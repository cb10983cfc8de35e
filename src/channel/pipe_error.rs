//! Errors of pipes and FIFOs: what was done, to which one, what the system said, what to do.
//!
//! They are `io::Error`s of the kind that the system's were, with a [`cotenant::Error`](Error) inside, which has the
//! system's number.

use std::fmt::{self, Display};
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::sys::pipe as system;

/// How errors name the pipe of an end: by the path of a FIFO.
#[derive(Debug, Clone, Default)]
pub(super) struct PipeName(Option<Arc<Path>>);

impl PipeName {
    pub(super) fn of_fifo(path: &Path) -> PipeName {
        PipeName(Some(path.into()))
    }
}

impl Display for PipeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(path) => write!(f, "the FIFO {}", path.display()),
            None => f.write_str("the pipe"),
        }
    }
}

/// What was to be done with an end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Reading,
    Writing,
}

/// The system's error, told. `doing` reads on after "cannot". One that only says "again" stays as it is.
#[cold]
pub(super) fn told(side: Side, doing: impl Display, cause: io::Error) -> io::Error {
    let kind = cause.kind();
    if kind == io::ErrorKind::Interrupted || cause.get_ref().is_some_and(|inner| inner.is::<Error>()) {
        return cause;
    }
    let is_out_of_files = cause.raw_os_error() == Some(system::TOO_MANY_FILES);
    let error = Error::system(doing, &cause);
    let error = match kind {
        io::ErrorKind::WouldBlock => error.of_kind(ErrorKind::WouldBlock),
        _ => error,
    };
    match next_step(side, kind) {
        "" if is_out_of_files => {
            io::Error::new(kind, error.hint("close files that are not used, or have the limit raised (ulimit -n)"))
        }
        "" => io::Error::new(kind, error),
        next => io::Error::new(kind, error.hint(next)),
    }
}

fn next_step(side: Side, kind: io::ErrorKind) -> &'static str {
    match (side, kind) {
        (Side::Reading, io::ErrorKind::WouldBlock) => "nothing is there now; `wait` for it, or ask again later",
        (Side::Writing, io::ErrorKind::WouldBlock) => {
            "it is full; write again when its reader has read, or let the write wait (`set_nonblocking`)"
        }
        (Side::Writing, io::ErrorKind::BrokenPipe) => {
            "nobody reads any more: see why its reader ended, and open it anew when there is one again"
        }
        (_, io::ErrorKind::PermissionDenied) => "an end is either read or written, by whom its permissions admit",
        _ => "",
    }
}

/// What did not happen: not now, or not in the time that was given.
#[cold]
pub(super) fn not_yet(kind: io::ErrorKind, what: String, next: &str) -> io::Error {
    let of_ours = if kind == io::ErrorKind::TimedOut { ErrorKind::TimedOut } else { ErrorKind::WouldBlock };
    io::Error::new(kind, Error::new(of_ours, what).hint(next))
}

/// What cannot be done at all.
#[cold]
pub(super) fn refused(kind: io::ErrorKind, what: String, next: &str) -> io::Error {
    let of_ours = if kind == io::ErrorKind::InvalidInput { ErrorKind::InvalidInput } else { ErrorKind::System };
    io::Error::new(kind, Error::new(of_ours, what).hint(next))
}
