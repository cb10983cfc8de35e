//! Why a message was not sent or not received, in words.

use std::fmt;

use super::places::Refusal;
use crate::error::{Error, ErrorKind};
use crate::lock::{NotLocked, RawLock};

/// Why a message was not sent. It gives the message back.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError<M> {
    /// There is no room now (`try_send`).
    Full(M),
    /// There was no room in the time that was given (`send_timeout`).
    TimedOut(M),
    /// It cannot be sent, however long one waits: the error says why.
    Refused(M, Error),
}

impl<M> SendError<M> {
    /// The message that was not sent.
    pub fn into_message(self) -> M {
        match self {
            SendError::Full(message) | SendError::TimedOut(message) | SendError::Refused(message, _) => message,
        }
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Full(_) => full().fmt(f),
            SendError::TimedOut(_) => full_all_the_time().fmt(f),
            SendError::Refused(_, error) => error.fmt(f),
        }
    }
}

impl<M: fmt::Debug> std::error::Error for SendError<M> {}

impl<M> From<SendError<M>> for Error {
    fn from(error: SendError<M>) -> Error {
        match error {
            SendError::Full(_) => full(),
            SendError::TimedOut(_) => full_all_the_time(),
            SendError::Refused(_, error) => error,
        }
    }
}

#[cold]
fn full() -> Error {
    Error::new(ErrorKind::WouldBlock, "the queue is full")
        .hint("send it when messages were received, or wait with `send_timeout`")
}

#[cold]
fn full_all_the_time() -> Error {
    Error::new(ErrorKind::TimedOut, "the queue was full all the time")
        .hint("see whether its receivers run, and acknowledge (`cotenant show`), or wait longer")
}

/// Why not all messages of [`Sender::send_all`](super::Sender::send_all) were sent.
#[derive(Debug)]
pub struct SendAllError {
    /// How many were, those before the first that was not.
    pub sent: usize,
    /// Why that one was not.
    pub error: Error,
}

impl fmt::Display for SendAllError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages = if self.sent == 1 { "message was" } else { "messages were" };
        write!(f, "{} {messages} sent; {}", self.sent, self.error)
    }
}

impl std::error::Error for SendAllError {}

#[cold]
pub(super) fn of_lock(why: NotLocked) -> Error {
    match why {
        NotLocked::NoSlot(error) => *error,
        NotLocked::WouldDeadlock => {
            Error::new(ErrorKind::WouldDeadlock, "this thread is the queue's sole sender or receiver already")
                .hint("use that one, or drop it first")
        }
        NotLocked::WouldBlock | NotLocked::TimedOut => {
            Error::new(ErrorKind::Busy, "another process holds the queue all the time")
        }
        NotLocked::NotRecoverable => Error::new(ErrorKind::Corrupt, "a queue is damaged: a lock word says given up"),
    }
}

#[cold]
pub(super) fn of_refusal(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Lock(why) => of_lock(why),
        Refusal::Error(error) => error,
    }
}

#[cold]
pub(super) fn role_is_taken(role: &str, lock: &RawLock, why: NotLocked) -> Error {
    if !matches!(why, NotLocked::TimedOut | NotLocked::WouldBlock) {
        return of_lock(why);
    }
    let owner = lock.owner().and_then(|half| lock.describe_owner(half));
    let who = owner.map_or("another process".into(), |(pid, program)| format!("process {pid} ({program})"));
    Error::new(ErrorKind::Busy, format!("cannot be the sole {role} of this queue: {who} is, or is stopped at it"))
        .hint(format!("end it, or use `{role}()`: any number of those may be there"))
}

#[cold]
pub(super) fn role_is_the_parents(role: &str) -> Error {
    let what = format!("the sole {role} of this queue is the parent of this process, which was forked");
    Error::new(ErrorKind::Busy, what).hint(format!("make a {role} in the child"))
}

#[cold]
pub(super) fn too_long(bytes: u64, most: u64) -> Error {
    let what = format!("a message of {bytes} bytes is too long for this queue, which takes at most {most}");
    Error::new(ErrorKind::InvalidInput, what).hint("make it anew with a larger `capacity_bytes`: twice the message")
}

/// An endless wait that ended.
#[cold]
pub(super) fn interrupted() -> Error {
    Error::new(ErrorKind::Busy, "another process holds the queue all the time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_sent_says_what_to_do_as_itself_and_as_an_error() {
        assert!(SendError::Full(()).to_string().contains("`send_timeout`"));
        let error = Error::from(SendError::TimedOut(()));
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::TimedOut, SendError::TimedOut(()).to_string()));
        assert!(error.to_string().contains("see whether its receivers run"));
        let one = SendAllError { sent: 1, error };
        assert!(one.to_string().starts_with("1 message was sent; "), "{one}");
    }
}
