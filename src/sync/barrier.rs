//! `Barrier<N>`: N threads wait until all of them have come, and a dead one does not count.
//!
//! ```text
//! +-----------+------------+-----------------------+---------+ ... +---------+
//! | lock word | generation | cleared generation    | arrived |     |  free   |     N cells
//! +-----------+------------+-----------------------+---------+ ... +---------+
//!
//! arrive: lock | cells of an older generation? clear them | claim one | the last: generation + 1 | unlock, wait
//! ```
//!
//! Arrivals are cells that name who waits, so whoever would be the last gives back those of the dead first, and waits
//! for others in their place. The change of `generation` is the commit, and what waiters sleep on. Who is killed
//! between it and the clearing of the cells leaves `cleared_generation` behind: the next arrival clears them.

#![allow(unsafe_code)]

use std::fmt;
use std::mem::offset_of;
use std::time::Duration;

use super::cells::{Cells, Claimed};
use super::lock_error::{BarrierWait, LockError, TryLockError};
use super::patience::{LONGEST_SLEEP, Patience};
use crate::lock::atomic::AtomicU32;
use crate::lock::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::lock::naps::Note;
use crate::lock::{Locked, NotLocked, RawLock, Ticket, futex};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// Makes N threads, of all processes that share it, wait for each other; as often as they like.
///
/// `N` is at least 1. A process that is killed while it waits has not arrived: the others wait until another comes in
/// its place. One that is killed after all had come is nobody's loss. 16 bytes, and 8 for each of the N.
///
/// ```
/// use cotenant::{shared, sync::Barrier};
///
/// shared! {
///     static LOADED: Barrier<2> = Barrier::new();
/// }
///
/// std::thread::scope(|scope| {
///     scope.spawn(|| LOADED.wait());
///     LOADED.wait().map(|_| println!("both have loaded"))
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In memory that is not shared it works between the threads of one process.
#[repr(C)]
pub struct Barrier<const N: usize> {
    lock: RawLock,
    /// How often all have come.
    generation: AtomicU32,
    /// The generation whose cells the cells are.
    cleared_generation: AtomicU32,
    cells: Cells<N>,
}

const _: () = assert!(size_of::<Barrier<3>>() == 40);

// SAFETY: atomic words; whatever a death leaves of them, the next arrival puts right.
unsafe impl<const N: usize> ProcessSync for Barrier<N> {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Barrier",
        Kind::Barrier,
        &[
            Part { name: "lock", at: 0, doc: "", schema: Some(u64::SCHEMA) },
            Part { name: "generation", at: offset_of!(Self, generation) as u64, doc: "", schema: Some(u32::SCHEMA) },
            Part {
                name: "cleared_generation",
                at: offset_of!(Self, cleared_generation) as u64,
                doc: "",
                schema: Some(u32::SCHEMA),
            },
            Part { name: "cells", at: offset_of!(Self, cells) as u64, doc: "", schema: Some(<[u64; N]>::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

/// Whether this thread was the last to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Whether it was: of the N it is one, or none if the last was killed as it let the others go.
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

/// Held while somebody arrives or gives up. Nobody's code runs under it.
struct Arrivals<'a, const N: usize> {
    barrier: &'a Barrier<N>,
    ticket: Ticket,
}

impl<const N: usize> Barrier<N> {
    /// Nobody has come.
    pub const fn new() -> Barrier<N> {
        Barrier {
            lock: RawLock::new(),
            generation: AtomicU32::new(0),
            cleared_generation: AtomicU32::new(0),
            cells: Cells::new(),
        }
    }

    /// Waits until N threads have come, this one included.
    ///
    /// # Errors
    /// `NotParticipant` if the process cannot take part; then it has not arrived.
    pub fn wait(&self) -> Result<BarrierWaitResult, LockError<BarrierWait>> {
        self.wait_within(Patience::Endless).map_err(LockError::from)
    }

    /// Waits until N threads have come, at most `timeout`; then this one has not come, and another may in its place.
    /// (If a process is stopped just as it arrives, longer: until it goes on or ends.)
    ///
    /// ```
    /// # use cotenant::sync::{Barrier, TryLockError};
    /// # use std::time::Duration;
    /// let barrier = Barrier::<2>::new();
    /// assert!(matches!(barrier.wait_timeout(Duration::from_millis(1)), Err(TryLockError::TimedOut)));
    /// ```
    ///
    /// # Errors
    /// [`TryLockError::TimedOut`] after `timeout`; else as [`wait`](Barrier::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<BarrierWaitResult, TryLockError<BarrierWait>> {
        self.wait_within(Patience::of(timeout)).map_err(TryLockError::from)
    }

    fn wait_within(&self, patience: Patience) -> Result<BarrierWaitResult, NotLocked> {
        let arrivals = self.arrivals(patience)?;
        let generation = self.generation.load(Relaxed);
        let Some(arrived) = arrivals.arrive()? else { return Ok(BarrierWaitResult(true)) };
        drop(arrivals);
        let mut note = Note::new();
        let result = self.sleep_until_all_have_come(generation, arrived, patience, &mut note);
        note.erase(&self.generation);
        result
    }

    fn sleep_until_all_have_come(
        &self,
        generation: u32,
        arrived: Claimed,
        patience: Patience,
        note: &mut Note,
    ) -> Result<BarrierWaitResult, NotLocked> {
        // Killed from here on: our cell names the dead, and who would be the last gives it back.
        while self.is_still(generation) {
            match patience.sleep(LONGEST_SLEEP) {
                // The last one may be killed before it wakes us: no sleep is longer.
                Ok(sleep) => {
                    note.write(&self.generation);
                    futex::wait32(&self.generation, generation, sleep);
                }
                Err(why) => {
                    let arrivals = self.arrivals(Patience::Endless)?;
                    if self.is_still(generation) {
                        arrivals.withdraw(arrived);
                        return Err(why);
                    }
                }
            }
        }
        Ok(BarrierWaitResult(false))
    }

    fn is_still(&self, generation: u32) -> bool {
        // Acquire pairs with the Release of the last one.
        self.generation.load(Acquire) == generation
    }

    /// Locks the arrivals, and clears those of an older generation if a death left them.
    fn arrivals(&self, patience: Patience) -> Result<Arrivals<'_, N>, NotLocked> {
        let (ticket, locked) = patience.lock_even_given_up(&self.lock)?;
        let arrivals = Arrivals { barrier: self, ticket };
        if matches!(locked, Locked::Inconsistent(_)) {
            // All that could be wrong is put right below.
            self.lock.mark_consistent(ticket);
        }
        arrivals.clear_older();
        Ok(arrivals)
    }
}

impl<const N: usize> Arrivals<'_, N> {
    /// Arrives, and lets all go if this one is the last: then there is no cell to wait with.
    fn arrive(&self) -> Result<Option<Claimed>, NotLocked> {
        let Barrier { cells, generation, .. } = self.barrier;
        if cells.held(N) + 1 >= N {
            for cell in cells.all() {
                cell.reclaim();
            }
        }
        // Cells are claimed under the lock, so there is a free one, unless somebody writes what is no arrival: then
        // they are counted again.
        while cells.held(N) + 1 < N {
            if let Some(arrived) = cells.claim(0, N)? {
                return Ok(Some(arrived));
            }
        }
        // The commit. Release pairs with the Acquire of who waits: what all did before is seen by all after.
        generation.fetch_add(1, Release);
        // Killed here: those who wait look again by their timeouts, the next to arrive clears the cells.
        self.clear_older();
        futex::wake32(generation, u32::MAX);
        Ok(None)
    }

    /// Frees the cells of those who came in an older generation: they have gone, or are about to.
    fn clear_older(&self) {
        let Barrier { cells, generation, cleared_generation, .. } = self.barrier;
        let now = generation.load(Relaxed);
        if cleared_generation.load(Relaxed) != now {
            cells.all().iter().for_each(RawLock::clear);
            // Killed before it: they are cleared once more, before anybody arrives.
            cleared_generation.store(now, Relaxed);
        }
    }

    fn withdraw(&self, arrived: Claimed) {
        self.barrier.cells.all()[arrived.index as usize].release(arrived.ticket);
    }
}

impl<const N: usize> Drop for Arrivals<'_, N> {
    fn drop(&mut self) {
        self.barrier.lock.unlock(self.ticket);
    }
}

impl<const N: usize> Default for Barrier<N> {
    fn default() -> Barrier<N> {
        Barrier::new()
    }
}

impl<const N: usize> fmt::Debug for Barrier<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").field("generation", &self.generation.load(Relaxed)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_that_says_given_up_keeps_nobody_out() {
        let barrier = Barrier::<1>::new();
        let Ok((ticket, _)) = barrier.lock.lock() else { panic!("a free lock") };
        barrier.lock.give_up(ticket);
        for _ in 0..2 {
            assert!(barrier.wait().is_ok_and(|result| result.is_leader()));
        }
    }
}
