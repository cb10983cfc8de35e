//! `Semaphore<MAX>`: so many at a time, and a dead holder's permit comes back.
//!
//! ```text
//! +---------+-------+------+-------+--------+--------+ ... +--------+
//! | permits | freed | hint | asked | holder |  free  |     |  free  |     a permit is a cell that names its holder;
//! +---------+-------+------+-------+--------+--------+ ... +--------+     the first `permits` of the MAX are used
//! ```

#![allow(unsafe_code)]

use std::fmt;
use std::mem::offset_of;
use std::time::Duration;

use super::bell::Bell;
use super::cells::{Cells, Claimed};
use super::lock_error::{LockError, PermitWait, TryLockError};
use super::patience::Patience;
use crate::lock::NotLocked;
use crate::lock::atomic::AtomicU32;
use crate::lock::atomic::Ordering::Relaxed;
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// A number of permits that threads of all processes that share it take and give back.
///
/// At most `MAX` permits, 8 bytes each and 16 more. A permit names its process: one that is killed, or ends, gives its
/// permits back (whoever waits notices within about 20 ms of the system giving back its memory; if more than 32
/// processes hold them, 20 ms for each 32). Nothing is told to the next one: what the permits stand for is the
/// program's business.
///
/// A permit may be taken by one thread and dropped by another, so taking several is no mistake that is noticed: a
/// thread that waits for a permit that only it could give back waits for ever. Not fair.
///
/// ```
/// use cotenant::{shared, sync::Semaphore};
///
/// shared! {
///     /// At most three processes convert at a time.
///     static CONVERTING: Semaphore<8> = Semaphore::new(3);
/// }
///
/// let permit = CONVERTING.acquire()?;
/// assert_eq!(CONVERTING.available(), 2);
/// drop(permit);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// After a fork, dropping the child's copy of a permit does nothing: it is the parent's. In memory that is not shared
/// it works between the threads of one process. A leaked permit comes back when its process ends.
#[repr(C)]
pub struct Semaphore<const MAX: usize> {
    /// At most MAX; written once.
    permits: AtomicU32,
    /// Who found no permit sleeps here.
    pub(super) freed: Bell,
    /// The cell that was given back last.
    pub(super) hint: AtomicU32,
    /// The cell from which on holders are asked about next.
    asked: AtomicU32,
    pub(super) cells: Cells<MAX>,
}

const _: () = assert!(size_of::<Semaphore<3>>() == 40);

// SAFETY: atomic words; a permit is taken and given back by one operation each.
unsafe impl<const MAX: usize> ProcessSync for Semaphore<MAX> {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Semaphore",
        Kind::Semaphore,
        &[
            Part { name: "permits", at: 0, doc: "", schema: Some(u32::SCHEMA) },
            Part { name: "freed", at: offset_of!(Self, freed) as u64, doc: "", schema: Some(u32::SCHEMA) },
            Part { name: "hint", at: offset_of!(Self, hint) as u64, doc: "", schema: Some(u32::SCHEMA) },
            Part { name: "cells", at: offset_of!(Self, cells) as u64, doc: "", schema: Some(<[u64; MAX]>::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

/// A permit. Dropping it gives it back; any thread of the process may.
#[must_use = "the permit is given back at once if it is not kept"]
pub struct Permit<'a, const MAX: usize> {
    semaphore: &'a Semaphore<MAX>,
    pub(super) claimed: Claimed,
}

// SAFETY: a cell may be released by any thread of the process.
unsafe impl<const MAX: usize> Send for Permit<'_, MAX> {}
// SAFETY: shared references to it give nothing.
unsafe impl<const MAX: usize> Sync for Permit<'_, MAX> {}

impl<const MAX: usize> Semaphore<MAX> {
    /// With so many permits.
    ///
    /// # Panics
    /// If `permits` is more than `MAX`; in a constant, that is an error while compiling.
    pub const fn new(permits: usize) -> Semaphore<MAX> {
        assert!(permits <= MAX, "a semaphore has at most MAX permits");
        Semaphore {
            permits: AtomicU32::new(permits as u32),
            freed: Bell::new(),
            hint: AtomicU32::new(0),
            asked: AtomicU32::new(0),
            cells: Cells::new(),
        }
    }

    /// Takes a permit; waits until there is one.
    ///
    /// # Errors
    /// `NotParticipant` if the process cannot hold one.
    #[inline]
    pub fn acquire(&self) -> Result<Permit<'_, MAX>, LockError<PermitWait>> {
        self.acquire_within(|| Patience::Endless).map_err(LockError::from)
    }

    /// Takes a permit if there is one, or if a dead process holds one. A process that lived when this thread last asked
    /// about it, about a millisecond ago, counts as alive; if more than 32 processes hold permits, each call asks about
    /// the next 32.
    ///
    /// ```
    /// # use cotenant::sync::{Semaphore, TryLockError};
    /// let semaphore = Semaphore::<1>::new(1);
    /// let _permit = semaphore.try_acquire()?;
    /// assert!(matches!(semaphore.try_acquire(), Err(TryLockError::WouldBlock)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if there is none; else as [`acquire`](Semaphore::acquire).
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_, MAX>, TryLockError<PermitWait>> {
        self.acquire_within(|| Patience::None).map_err(TryLockError::from)
    }

    /// Takes a permit; waits at most `timeout`.
    ///
    /// # Errors
    /// [`TryLockError::TimedOut`] after `timeout`; else as [`acquire`](Semaphore::acquire).
    #[inline]
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit<'_, MAX>, TryLockError<PermitWait>> {
        self.acquire_within(|| Patience::of(timeout)).map_err(TryLockError::from)
    }

    /// Permits that nobody holds at the moment. A dead holder's count as held until somebody needs one.
    pub fn available(&self) -> usize {
        self.permits() - self.cells.held(self.permits())
    }

    /// How many permits there are, held or not.
    pub fn permits(&self) -> usize {
        // Shared bytes, so the bound holds here and not by trust.
        (self.permits.load(Relaxed) as usize).min(MAX)
    }

    #[inline]
    fn acquire_within(&self, patience: impl FnOnce() -> Patience) -> Result<Permit<'_, MAX>, NotLocked> {
        let hint = self.hint.load(Relaxed) as usize;
        let claimed = if hint < self.permits() { self.cells.claim_at(hint)? } else { None };
        let claimed = match claimed {
            Some(claimed) => claimed,
            None => self.acquire_slowly(hint, patience)?,
        };
        Ok(Permit { semaphore: self, claimed })
    }

    #[cold]
    fn acquire_slowly(&self, hint: usize, patience: impl FnOnce() -> Patience) -> Result<Claimed, NotLocked> {
        let permits = self.permits();
        // One behind the other: the next one goes on where this one found something.
        let start = if hint + 1 < permits { hint + 1 } else { 0 };
        if let Some(claimed) = self.cells.claim(start, permits)? {
            self.hint.store(if claimed.index as usize + 1 < permits { claimed.index + 1 } else { 0 }, Relaxed);
            return Ok(claimed);
        }
        self.cells.wait_and_claim(&self.freed, &self.asked, start, permits, patience())
    }
}

impl<const MAX: usize> Drop for Permit<'_, MAX> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.cells.release(&self.semaphore.freed, self.claimed);
        self.semaphore.hint.store(self.claimed.index, Relaxed);
    }
}

impl<const MAX: usize> fmt::Debug for Permit<'_, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl<const MAX: usize> fmt::Debug for Semaphore<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (available, permits) = (self.available(), self.permits());
        f.debug_struct("Semaphore").field("available", &available).field("permits", &permits).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn try_that_fails_costs_the_next_release_no_wake() {
        let semaphore = Semaphore::<2>::new(1);
        let permit = semaphore.try_acquire().expect("a permit");
        assert!(semaphore.try_acquire().is_err());
        assert!(!semaphore.freed.has_a_listener());
        drop(permit);
        assert!(semaphore.try_acquire().is_ok());
    }
}
