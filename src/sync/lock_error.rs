//! Why a lock was not had, in std's shapes: `LockError`, and `TryLockError` for calls that do not wait for ever.
//!
//! A dead owner is an outcome rather than an error: what [`LockError::OwnerDied`] carries is the lock, with the way to
//! go on (`repair`). Locks that guard no value carry nothing ([`Infallible`]) there: it does not happen to them.

use std::convert::Infallible;
use std::fmt;

use crate::error::Error;
use crate::lock::NotLocked;

/// Why a lock was not given clean. `D` is what goes on with the lock of a dead owner.
pub enum LockError<D = Infallible> {
    /// The owner died or panicked while it held the lock: the value may be half changed. The lock is held now, by this
    /// thread, through what is inside; `repair` goes on with it.
    OwnerDied(D),
    /// This thread holds the lock already.
    WouldDeadlock,
    /// Somebody got `OwnerDied` and gave up. `lock_or_repair` and `reset` are the ways out.
    NotRecoverable,
    /// This process could not become a participant of the segment, so it cannot own the lock: all slots are taken, or
    /// a child of a fork may not open the segment any more.
    NotParticipant(Error),
}

/// Why a lock was not given at once, or in time.
pub enum TryLockError<D = Infallible> {
    /// Somebody else, who lives, holds it. Of `try_` calls only.
    WouldBlock,
    /// Somebody else, who lives, held it all the time. Of `_timeout` calls only.
    TimedOut,
    /// As for the call that waits.
    Lock(LockError<D>),
}

/// The process that died, or whose thread panicked, under a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadOwner {
    /// Its process id, in its own PID namespace.
    pub pid: u32,
    /// Its program's name.
    pub program: String,
}

impl<D> TryLockError<D> {
    /// For calls that wait for ever: neither of the other two happens to them.
    #[inline]
    pub(crate) fn of_one_who_waits(self) -> LockError<D> {
        match self {
            TryLockError::Lock(error) => error,
            TryLockError::WouldBlock | TryLockError::TimedOut => {
                unreachable!("a call that waits for ever neither returns at once nor in time")
            }
        }
    }
}

impl<D> From<NotLocked> for TryLockError<D> {
    #[inline]
    fn from(why: NotLocked) -> Self {
        TryLockError::Lock(match why {
            NotLocked::WouldBlock => return TryLockError::WouldBlock,
            NotLocked::TimedOut => return TryLockError::TimedOut,
            NotLocked::WouldDeadlock => LockError::WouldDeadlock,
            NotLocked::NotRecoverable => LockError::NotRecoverable,
            NotLocked::NoSlot(error) => LockError::NotParticipant(*error),
        })
    }
}

impl<D> From<NotLocked> for LockError<D> {
    #[inline]
    fn from(why: NotLocked) -> Self {
        TryLockError::from(why).of_one_who_waits()
    }
}

impl<D: fmt::Display> fmt::Display for LockError<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::OwnerDied(died) => died.fmt(f),
            LockError::WouldDeadlock => f.write_str("this thread holds the lock already"),
            LockError::NotRecoverable => f.write_str("whoever was to repair the locked value gave up"),
            LockError::NotParticipant(error) => error.fmt(f),
        }
    }
}

impl<D> fmt::Debug for LockError<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::OwnerDied(_) => f.write_str("OwnerDied(..)"),
            LockError::WouldDeadlock => f.write_str("WouldDeadlock"),
            LockError::NotRecoverable => f.write_str("NotRecoverable"),
            LockError::NotParticipant(error) => f.debug_tuple("NotParticipant").field(error).finish(),
        }
    }
}

impl<D: fmt::Display> std::error::Error for LockError<D> {}

impl<D: fmt::Display> fmt::Display for TryLockError<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryLockError::WouldBlock => f.write_str("somebody else holds the lock"),
            TryLockError::TimedOut => f.write_str("somebody else held the lock for the whole time"),
            TryLockError::Lock(error) => error.fmt(f),
        }
    }
}

impl<D> fmt::Debug for TryLockError<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryLockError::WouldBlock => f.write_str("WouldBlock"),
            TryLockError::TimedOut => f.write_str("TimedOut"),
            TryLockError::Lock(error) => error.fmt(f),
        }
    }
}

impl<D: fmt::Display> std::error::Error for TryLockError<D> {}

/// What `OwnerDied` says of itself.
pub(crate) fn describe(owner: Option<DeadOwner>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match owner {
        Some(owner) => write!(f, "process {} ({}) died or panicked while it held the lock", owner.pid, owner.program),
        None => f.write_str("a process died or panicked while it held the lock"),
    }
}
