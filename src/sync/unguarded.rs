//! The mutex without a guard, for C: whoever unlocks it says so, and is known by what its thread is.
//!
//! A guard of Rust keeps a ticket that says who took the lock. C has no place for one: here the ticket is what the
//! thread is now, and unlocking compares it with the word. So a thread that does not hold the lock cannot release it,
//! and a child of a fork cannot release its parent's.

use std::convert::Infallible;
use std::time::Duration;

use super::condvar::Condvar;
use super::lock_error::{DeadOwner, LockError, TryLockError};
use super::patience::Patience;
use crate::lock::{Locked, NotLocked, RawLock};

/// The lock word of a [`Mutex`](super::Mutex), or one that guards what lies elsewhere.
#[repr(transparent)]
pub struct UnguardedMutex {
    lock: RawLock,
}

/// How the lock was found by who has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// What it guards is whole.
    Clean,
    /// Its owner died, or unlocked it unrepaired: what it guards may be half changed.
    OwnerDied(Option<DeadOwner>),
}

/// The calling thread does not hold the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotOwner;

type TryResult = Result<Taken, TryLockError>;

impl UnguardedMutex {
    /// Takes the lock if that takes one step: it is free and whole. `false` says nothing.
    #[inline(always)]
    pub fn lock_at_once(&self) -> bool {
        self.lock.lock_at_once().is_some()
    }

    /// As [`Mutex::lock`](super::Mutex::lock).
    ///
    /// # Errors
    /// As there; a dead owner is no error here.
    pub fn lock(&self) -> Result<Taken, LockError> {
        self.taken(self.lock.lock()).map_err(TryLockError::of_one_who_waits)
    }

    /// As [`lock`](UnguardedMutex::lock), and takes also what was given up as not recoverable: it is found as from the
    /// dead.
    ///
    /// # Errors
    /// As of `lock`, without `NotRecoverable`.
    pub fn lock_given_up(&self) -> Result<Taken, LockError> {
        self.taken(self.lock.lock_given_up()).map_err(TryLockError::of_one_who_waits)
    }

    /// As [`Mutex::try_lock`](super::Mutex::try_lock).
    ///
    /// # Errors
    /// As there.
    pub fn try_lock(&self) -> TryResult {
        self.taken(self.lock.try_lock())
    }

    /// As [`Mutex::lock_timeout`](super::Mutex::lock_timeout).
    ///
    /// # Errors
    /// As there.
    pub fn lock_timeout(&self, timeout: Duration) -> TryResult {
        match self.lock.try_lock() {
            Err(NotLocked::WouldBlock) => self.taken(Patience::of(timeout).lock(&self.lock)),
            other => self.taken(other),
        }
    }

    /// Releases the lock. What was not said to be consistent is left to the next one as it was found.
    ///
    /// # Errors
    /// This thread does not hold it; nothing was changed.
    #[inline(always)]
    pub fn unlock(&self) -> Result<(), NotOwner> {
        if self.lock.unlock_own() { Ok(()) } else { Err(NotOwner) }
    }

    /// Says that what the lock guards is whole again, after [`Taken::OwnerDied`].
    ///
    /// # Errors
    /// This thread does not hold it.
    pub fn mark_consistent(&self) -> Result<(), NotOwner> {
        let ticket = self.lock.own_ticket().ok_or(NotOwner)?;
        self.lock.mark_consistent(ticket);
        Ok(())
    }

    /// Releases the lock and says that what it guards cannot be repaired: all get `NotRecoverable` from now on, but
    /// who calls [`lock_given_up`](UnguardedMutex::lock_given_up).
    ///
    /// # Errors
    /// This thread does not hold it.
    pub fn give_up(&self) -> Result<(), NotOwner> {
        let ticket = self.lock.own_ticket().ok_or(NotOwner)?;
        self.lock.give_up(ticket);
        Ok(())
    }

    /// Unlocks, waits for a notification of `condvar` for at most `timeout` (never longer than 0.1 s), and locks again:
    /// [`Condvar::wait`]. `Err(None)`: this thread does not hold the lock.
    ///
    /// # Errors
    /// The lock could not be had again, and is not held.
    pub fn wait(&self, condvar: &Condvar, timeout: Duration) -> Result<Taken, Option<LockError>> {
        if self.lock.own_ticket().is_none() {
            return Err(None);
        }
        let unlock = || {
            let _is_owner = self.unlock();
        };
        condvar.sleep_unlocked(unlock, timeout);
        self.lock().map_err(Some)
    }

    fn taken(&self, locked: Result<(crate::lock::Ticket, Locked), NotLocked>) -> TryResult {
        match locked {
            Ok((_, Locked::Clean)) => Ok(Taken::Clean),
            Ok((_, Locked::Inconsistent(owner_half))) => {
                let owner = self.lock.describe_owner(owner_half);
                Ok(Taken::OwnerDied(owner.map(|(pid, program)| DeadOwner { pid, program })))
            }
            Err(why) => Err(TryLockError::<Infallible>::from(why)),
        }
    }
}
