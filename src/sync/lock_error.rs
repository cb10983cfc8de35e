//! Why a lock was not had, in std's shapes: `LockError`, and `TryLockError` for calls that do not wait for ever.
//!
//! A dead owner is an outcome rather than an error: what [`LockError::OwnerDied`] carries is the lock, with the way to
//! go on (`repair`). Locks that guard no value carry nothing ([`Infallible`]) there: it does not happen to them.

use std::convert::Infallible;
use std::fmt;

use crate::error::{Error, ErrorKind};
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

/// For `?` in functions that give this crate's error, and to keep an error longer than the lock that it came from: an
/// [`OwnerDied`](LockError::OwnerDied) is dropped here, which leaves the value unrepaired to the next one.
///
/// ```
/// use cotenant::sync::Mutex;
///
/// fn add(total: &Mutex<u64>) -> cotenant::Result<()> {
///     *total.lock()? += 1;
///     Ok(())
/// }
/// # add(&Mutex::new(1))?;
/// # Ok::<(), cotenant::Error>(())
/// ```
impl<D: fmt::Display> From<LockError<D>> for Error {
    fn from(error: LockError<D>) -> Error {
        let kind = match error {
            LockError::NotParticipant(error) => return error,
            LockError::WouldDeadlock => ErrorKind::WouldDeadlock,
            LockError::OwnerDied(_) | LockError::NotRecoverable => ErrorKind::OwnerDied,
        };
        Error::new(kind, error.to_string())
    }
}

/// As for [`LockError`].
impl<D: Awaited> From<TryLockError<D>> for Error {
    fn from(error: TryLockError<D>) -> Error {
        match error {
            TryLockError::Lock(error) => error.into(),
            TryLockError::WouldBlock => Error::new(ErrorKind::WouldBlock, error.to_string()),
            TryLockError::TimedOut => Error::new(ErrorKind::TimedOut, error.to_string()),
        }
    }
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

/// For people, too: it is what a `main` that returns the error prints.
impl<D> fmt::Debug for LockError<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::OwnerDied(_) => f.write_str("OwnerDied: whoever held the lock died or panicked"),
            LockError::WouldDeadlock => f.write_str("WouldDeadlock: this thread holds the lock already"),
            LockError::NotRecoverable => f.write_str("NotRecoverable: whoever was to repair the locked value gave up"),
            LockError::NotParticipant(error) => write!(f, "NotParticipant: {error:?}"),
        }
    }
}

impl<D: fmt::Display> std::error::Error for LockError<D> {}

impl<D: Awaited> fmt::Display for TryLockError<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryLockError::WouldBlock => f.write_str(D::NOT_AT_ONCE),
            TryLockError::TimedOut => f.write_str(D::NOT_IN_TIME),
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

impl<D: Awaited> std::error::Error for TryLockError<D> {}

/// What was waited for in vain, in words. For this crate's types only: nobody else can name it.
pub trait Awaited: fmt::Display {
    /// Of `try_` calls.
    const NOT_AT_ONCE: &'static str = "somebody else holds the lock";
    /// Of `_timeout` calls.
    const NOT_IN_TIME: &'static str = "somebody else held the lock for the whole time";
}

impl Awaited for Infallible {}

/// Types without values, each for a lock that guards no value: they only say which words a [`TryLockError`] has.
macro_rules! awaited {
    ($($(#[$doc:meta])* $name:ident: $not_at_once:literal, $not_in_time:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// It has no values: no death is told here. A [`TryLockError`] has it for its words.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {}

        impl fmt::Display for $name {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {}
            }
        }

        impl Awaited for $name {
            const NOT_AT_ONCE: &'static str = $not_at_once;
            const NOT_IN_TIME: &'static str = $not_in_time;
        }
    )*};
}

awaited! {
    /// Of the errors of [`Semaphore`](super::Semaphore).
    PermitWait: "all permits are taken", "no permit became free in time";
    /// Of the errors of [`Barrier`](super::Barrier).
    BarrierWait: "the others have not come yet", "the others have not come in time";
    /// Of the errors of [`Once`](super::Once) and [`OnceCell`](super::OnceCell).
    OnceWait: "somebody else is at it", "whoever is at it has not finished in time";
    /// Of the errors of [`Leader`](super::Leader).
    LeaderWait: "somebody else leads", "somebody else led for the whole time";
}

/// What `OwnerDied` says of itself.
pub(crate) fn describe(owner: Option<DeadOwner>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match owner {
        Some(owner) => write!(f, "process {} ({}) died or panicked while it held the lock", owner.pid, owner.program),
        None => f.write_str("a process died or panicked while it held the lock"),
    }
}
