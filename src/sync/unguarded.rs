//! Locks without guards, for C: whoever unlocks says so, and is known by what its thread is.
//!
//! A guard of Rust keeps a ticket that says who took the lock. C has no place for one: here the ticket is what the
//! thread is now, and unlocking compares it with the word. So a thread that does not hold the lock cannot release it,
//! and a child of a fork cannot release its parent's. What belongs to a process instead, permits and leaderships, is
//! kept as numbers ([`Kept`]), and compared with the cell when it is given back.

#![allow(unsafe_code)]
#![allow(missing_docs)] // Hidden: the header's names are in docs/c.md.

use std::convert::Infallible;
use std::time::Duration;

use super::cells::{Claimed, claim_or_take_over};
use super::condvar::Condvar;
use super::leader::{Leader, Leadership};
use super::lock_error::{DeadOwner, LockError, OnceWait, TryLockError};
use super::once::Once;
use super::patience::Patience;
use super::raw_rwlock::{RawRwLock, Read, Write};
use super::semaphore::{Permit, Semaphore};
use crate::lock::atomic::AtomicU32;
use crate::lock::atomic::Ordering::Relaxed;
use crate::lock::{Locked, NotLocked, RawLock, Ticket};

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

    /// Releases the lock as if its owner had died.
    ///
    /// # Errors
    /// This thread does not hold it.
    pub fn abandon(&self) -> Result<(), NotOwner> {
        let ticket = self.lock.own_ticket().ok_or(NotOwner)?;
        self.lock.mark_inconsistent(ticket);
        self.lock.unlock(ticket);
        Ok(())
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

/// The words of a [`RwLock`](super::RwLock), whatever value lies behind them.
#[repr(transparent)]
pub struct UnguardedRwLock<const READERS: usize = 64> {
    raw: RawRwLock<READERS>,
}

impl<const READERS: usize> UnguardedRwLock<READERS> {
    /// As [`RwLock::read`](super::RwLock::read), and with a timeout its kin (0: does not wait). After
    /// [`Taken::OwnerDied`] the lock is held for writing.
    ///
    /// # Errors
    /// As there.
    pub fn read(&self, timeout: Option<Duration>) -> TryResult {
        match self.raw.read_at_once()? {
            Some(_) => Ok(Taken::Clean),
            None => Ok(match self.raw.read(patience(timeout))? {
                Read::In(_) => Taken::Clean,
                Read::WriterDied(_, owner_half) => self.died_in_writing(owner_half),
            }),
        }
    }

    /// As [`RwLock::write`](super::RwLock::write) and its kin; `even_given_up`: waits for ever, and takes also what was
    /// given up.
    ///
    /// # Errors
    /// As there.
    pub fn write(&self, timeout: Option<Duration>, even_given_up: bool) -> TryResult {
        let taken = if even_given_up { self.raw.write_given_up() } else { self.raw.write(patience(timeout)) };
        Ok(match taken? {
            Write::In(_) => Taken::Clean,
            Write::WriterDied(_, owner_half) => self.died_in_writing(owner_half),
        })
    }

    /// Ends reading or writing, whichever this thread does. What was not said to be consistent is left as it was found.
    ///
    /// # Errors
    /// It does neither.
    pub fn unlock(&self) -> Result<(), NotOwner> {
        let writer = &self.raw.head.writer;
        match writer.own_ticket() {
            // Killed in it, or left so: the word says that the value may be half changed.
            Some(ticket) if matches!(writer.left(), Ok(Locked::Inconsistent(_))) => writer.unlock(ticket),
            Some(ticket) => self.raw.leave_writing(ticket, true),
            None => self.raw.leave_reading(self.raw.own_reading().ok_or(NotOwner)?),
        }
        Ok(())
    }

    /// As [`UnguardedMutex::mark_consistent`].
    ///
    /// # Errors
    /// This thread does not write.
    pub fn mark_consistent(&self) -> Result<(), NotOwner> {
        let writer = &self.raw.head.writer;
        writer.mark_consistent(writer.own_ticket().ok_or(NotOwner)?);
        Ok(())
    }

    /// As [`UnguardedMutex::abandon`].
    ///
    /// # Errors
    /// This thread does not write.
    pub fn abandon(&self) -> Result<(), NotOwner> {
        let ticket = self.raw.head.writer.own_ticket().ok_or(NotOwner)?;
        self.raw.leave_writing(ticket, false);
        Ok(())
    }

    /// As [`UnguardedMutex::give_up`].
    ///
    /// # Errors
    /// This thread does not write.
    pub fn give_up(&self) -> Result<(), NotOwner> {
        let writer = &self.raw.head.writer;
        writer.give_up(writer.own_ticket().ok_or(NotOwner)?);
        Ok(())
    }

    fn died_in_writing(&self, owner_half: u32) -> Taken {
        let owner = self.raw.head.writer.describe_owner(owner_half);
        Taken::OwnerDied(owner.map(|(pid, program)| DeadOwner { pid, program }))
    }
}

/// `None`: for ever.
fn patience(timeout: Option<Duration>) -> Patience {
    match timeout {
        None => Patience::Endless,
        Some(Duration::ZERO) => Patience::None,
        Some(timeout) => Patience::of(timeout),
    }
}

/// A permit or a leadership as numbers, which C can keep: the word that it was claimed with, and which of many it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    pub word: u64,
    pub index: u32,
}

/// A permit, to be given back with [`give_permit_back`] by any thread of this process.
pub fn keep_permit<const MAX: usize>(permit: Permit<'_, MAX>) -> Kept {
    let kept = Kept { word: permit.claimed.ticket.word(), index: permit.claimed.index };
    std::mem::forget(permit);
    kept
}

/// Gives back what was kept.
///
/// # Errors
/// It is none of this process's, or was given back already.
pub fn give_permit_back<const MAX: usize>(semaphore: &Semaphore<MAX>, kept: Kept) -> Result<(), NotOwner> {
    let cell = semaphore.cells.all().get(kept.index as usize).ok_or(NotOwner)?;
    let ticket = cell.ticket_of(kept.word).ok_or(NotOwner)?;
    semaphore.cells.release(&semaphore.freed, Claimed { index: kept.index, ticket });
    semaphore.hint.store(kept.index, Relaxed);
    Ok(())
}

/// A leadership, to be ended with [`step_down`] by any thread of this process.
pub fn keep_leadership(leadership: Leadership<'_>) -> Kept {
    let kept = Kept { word: leadership.ticket.word(), index: 0 };
    std::mem::forget(leadership);
    kept
}

/// Steps down.
///
/// # Errors
/// This process does not lead under what was kept.
pub fn step_down(leader: &Leader, kept: Kept) -> Result<(), NotOwner> {
    let ticket = leader.lock.ticket_of(kept.word).ok_or(NotOwner)?;
    leader.lock.release(ticket);
    Ok(())
}

/// A cell of one's own among those with these owners, to be let go of with [`release_cell`] by any thread of this
/// process. `None`: the living have them all, or this process can have none.
pub fn claim_cell(owners: &[UnguardedMutex], asked: &AtomicU32) -> Option<Kept> {
    let claimed = claim_or_take_over(raw(owners), asked)?;
    Some(Kept { word: claimed.ticket.word(), index: claimed.index })
}

/// Whether what was kept is a claim of this process.
pub fn is_own_cell(owners: &[UnguardedMutex], kept: Kept) -> bool {
    ticket_of_cell(owners, kept).is_some()
}

/// Lets the next one claim the cell.
///
/// # Errors
/// It is none of this process's, or was let go of already.
pub fn release_cell(owners: &[UnguardedMutex], kept: Kept) -> Result<(), NotOwner> {
    let ticket = ticket_of_cell(owners, kept).ok_or(NotOwner)?;
    // Release pairs with the Acquire of the next one's claim: it sees the value to add on to.
    owners[kept.index as usize].lock.release(ticket);
    Ok(())
}

fn ticket_of_cell(owners: &[UnguardedMutex], kept: Kept) -> Option<Ticket> {
    owners.get(kept.index as usize)?.lock.ticket_of(kept.word)
}

fn raw(owners: &[UnguardedMutex]) -> &[RawLock] {
    // SAFETY: an `UnguardedMutex` is a `RawLock`, laid out as that.
    unsafe { std::slice::from_raw_parts(owners.as_ptr().cast(), owners.len()) }
}

/// As [`Once::call_once`], with a function that may say that it could not: then `false`, and the next one does it.
///
/// # Errors
/// As there.
pub fn try_once(once: &Once, function: impl FnOnce() -> bool) -> Result<bool, LockError<OnceWait>> {
    if once.is_completed() {
        return Ok(true);
    }
    once.call_slowly_if(Patience::Endless, || function().then_some(()), |()| ()).map_err(LockError::from)
}
