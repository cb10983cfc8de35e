//! Why a message was not sent or not received, in words.

use std::fmt;

use super::places::Refusal;
use super::ring::Ring;
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
pub(super) fn of_lock(ring: &Ring, why: NotLocked) -> Error {
    match why {
        NotLocked::NoSlot(error) => *error,
        NotLocked::WouldDeadlock => {
            let what = format!("this thread is the sole sender or receiver of the queue {} already", ring.name());
            Error::new(ErrorKind::WouldDeadlock, what).hint("use that one, or drop it first")
        }
        NotLocked::WouldBlock | NotLocked::TimedOut => held_all_the_time(ring),
        NotLocked::NotRecoverable => ring.corrupt("a lock word says given up"),
    }
}

#[cold]
pub(super) fn of_refusal(ring: &Ring, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Lock(why) => of_lock(ring, why),
        Refusal::Error(error) => error,
    }
}

#[cold]
pub(super) fn role_is_taken(role: &str, ring: &Ring, lock: &RawLock, why: NotLocked) -> Error {
    if !matches!(why, NotLocked::TimedOut | NotLocked::WouldBlock) {
        return of_lock(ring, why);
    }
    let owner = lock.owner().and_then(|half| lock.describe_owner(half));
    let who = owner.map_or("another process".into(), |(pid, program)| format!("process {pid} ({program})"));
    let what = format!("cannot be the sole {role} of the queue {}: {who} is, or is stopped at it", ring.name());
    Error::new(ErrorKind::Busy, what).hint(format!("end it, or use `{role}()`: any number of those may be there"))
}

#[cold]
pub(super) fn role_is_the_parents(role: &str, ring: &Ring) -> Error {
    let what = format!("the sole {role} of the queue {} is the parent of this process, which was forked", ring.name());
    Error::new(ErrorKind::Busy, what).hint(format!("make a {role} in the child"))
}

#[cold]
pub(super) fn too_long(ring: &Ring, bytes: u64) -> Error {
    let (queue, most) = (ring.name(), ring.message_max_bytes());
    let what = format!("a message of {bytes} bytes is too long for the queue {queue}, which takes at most {most}");
    Error::new(ErrorKind::InvalidInput, what).hint("make it anew with a larger `capacity_bytes`: twice the message")
}

/// Also of an endless wait that ended.
#[cold]
pub(super) fn held_all_the_time(ring: &Ring) -> Error {
    let what = format!("another process holds the queue {} all the time", ring.name());
    Error::new(ErrorKind::Busy, what).hint("see which one, and whether it is stopped (`cotenant show`)")
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
