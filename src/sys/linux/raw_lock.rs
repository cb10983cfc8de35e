//! The robust lock: one 64-bit word that is the lock, the futex, and the owner's name.
//!
//! ```text
//! 63        52 51          33   32  | 31        30          29              0
//!   slot (12)  generation (19)  INC | WAITERS   OWNER_DIED  thread id (30)      <- low half: the futex
//! ```
//!
//! The low half is laid out as the kernel's robust futexes want it
//! ([Documentation/locking/robust-futex-ABI](https://docs.kernel.org/locking/robust-futex-ABI.html)).
//! One compare-and-swap takes the lock and names the owner, so a killed owner can always be found. Free is a low half
//! of zero, whatever the high half says: unlocking with waiters clears only the futex.
//!
//! No sleep is without a timeout and every sleeper looks at the word again: whoever was woken may be killed before it
//! takes the lock. An owner is asked about before the first sleep, then after 0.5 ms, doubling to 20 ms.

#![allow(unsafe_code)]

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use super::{futex, owner};
use crate::segment::lock_word::{
    INCONSISTENT, LOW, Locked, NOT_RECOVERABLE, NotLocked, OWNER, OWNER_DIED, THREAD_ID, WAITERS,
};

const SPINS: u32 = 100;
const FIRST_SLEEP: Duration = Duration::from_micros(500);
const LONGEST_SLEEP: Duration = Duration::from_millis(20);

/// The lock word, in shared or private memory.
#[repr(transparent)]
pub(crate) struct RawLock {
    word: AtomicU64,
}

/// What a guard keeps: the word that names its owner. In a child of a fork it names somebody else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket(u64);

impl RawLock {
    pub(crate) const fn new() -> RawLock {
        RawLock { word: AtomicU64::new(0) }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// Waits for the lock.
    #[inline]
    pub(crate) fn lock(&self) -> Result<(Ticket, Locked), NotLocked> {
        let mine = owner::mine(self.address()).map_err(NotLocked::NoSlot)?;
        // Acquire pairs with the Release in `unlock`.
        match self.word.compare_exchange(0, mine, Acquire, Relaxed) {
            Ok(_) => Ok((Ticket(mine), Locked::Clean)),
            Err(seen) => self.lock_contended(mine, seen, true, false),
        }
    }

    /// Takes the lock if nobody has it, or if its owner is dead.
    pub(crate) fn try_lock(&self) -> Result<(Ticket, Locked), NotLocked> {
        let mine = owner::mine(self.address()).map_err(NotLocked::NoSlot)?;
        match self.word.compare_exchange(0, mine, Acquire, Relaxed) {
            Ok(_) => Ok((Ticket(mine), Locked::Clean)),
            Err(seen) => self.lock_contended(mine, seen, false, false),
        }
    }

    /// Waits for the lock, and takes it also when it was given up as not recoverable.
    pub(crate) fn lock_abandoned(&self) -> Result<(Ticket, Locked), NotLocked> {
        let mine = owner::mine(self.address()).map_err(NotLocked::NoSlot)?;
        self.lock_contended(mine, self.word.load(Relaxed), true, true)
    }

    #[cold]
    fn lock_contended(
        &self,
        mine: u64,
        mut seen: u64,
        may_wait: bool,
        take_given_up: bool,
    ) -> Result<(Ticket, Locked), NotLocked> {
        let mut spins = if may_wait && futex::has_many_processors() { SPINS } else { 0 };
        let mut sleep = FIRST_SLEEP;
        let mut have_slept = 0;
        loop {
            if seen & LOW == 0 {
                // Free; the high half may be stale, and its INCONSISTENT counts. Who has slept leaves WAITERS set:
                // others may sleep still.
                let ours = mine | seen & INCONSISTENT | have_slept;
                match self.take(seen, ours) {
                    Ok(locked) => return Ok(locked),
                    Err(now) => seen = now,
                }
                continue;
            }
            let given_up = seen & THREAD_ID == NOT_RECOVERABLE;
            if given_up && !take_given_up {
                return Err(NotLocked::NotRecoverable);
            }
            if seen & OWNER == mine & OWNER || self.is_this_thread(seen, mine) {
                return Err(NotLocked::WouldDeadlock);
            }
            if given_up || seen & OWNER_DIED != 0 || (spins == 0 && self.owner_is_dead(seen)) {
                // Killed after this step: the word names us, and the next one finds us dead.
                match self.take(seen, mine | INCONSISTENT | seen & WAITERS | have_slept) {
                    Ok(locked) => {
                        self.count_death();
                        return Ok(locked);
                    }
                    Err(now) => seen = now,
                }
                continue;
            }
            if spins > 0 {
                spins -= 1;
                std::hint::spin_loop();
                seen = self.word.load(Relaxed);
                continue;
            }
            if !may_wait {
                return Err(NotLocked::WouldBlock);
            }
            if seen & WAITERS == 0 {
                if let Err(now) = self.word.compare_exchange(seen, seen | WAITERS, Relaxed, Relaxed) {
                    seen = now;
                    continue;
                }
                seen |= WAITERS;
            }
            // Killed asleep: WAITERS stays set, which costs the unlocker one needless wake.
            futex::wait(&self.word, seen as u32, sleep);
            have_slept = WAITERS;
            sleep = (sleep * 2).min(LONGEST_SLEEP);
            seen = self.word.load(Relaxed);
        }
    }

    fn take(&self, seen: u64, ours: u64) -> Result<(Ticket, Locked), u64> {
        self.word.compare_exchange(seen, ours, Acquire, Relaxed)?;
        let locked = if ours & INCONSISTENT == 0 { Locked::Clean } else { Locked::Inconsistent((seen >> 32) as u32) };
        Ok((Ticket(ours & OWNER), locked))
    }

    fn owner_is_dead(&self, seen: u64) -> bool {
        owner::segment_at(self.address()).is_some_and(|segment| segment.owner_is_dead((seen >> 32) as u32))
    }

    /// Whether this thread holds the lock through another slot of its process: one named block may be declared twice
    /// in a process, by a program and its plug-in.
    fn is_this_thread(&self, seen: u64, mine: u64) -> bool {
        seen & THREAD_ID == mine & THREAD_ID
            && owner::segment_at(self.address()).is_some_and(|segment| segment.is_this_process((seen >> 32) as u32))
    }

    fn count_death(&self) {
        if let Some(segment) = owner::segment_at(self.address()) {
            segment.live.deaths().fetch_add(1, Relaxed);
        }
    }

    /// Says that the value is whole again. Only the owner calls it.
    pub(crate) fn mark_consistent(&self, ticket: Ticket) {
        if self.is_ours(ticket) {
            // Release: who sees the flag gone sees the repaired value.
            self.word.fetch_and(!INCONSISTENT, Release);
        }
    }

    /// Says that the value may be half changed, as if the owner had died here. Only the owner calls it.
    pub(crate) fn mark_inconsistent(&self, ticket: Ticket) {
        if self.is_ours(ticket) {
            self.word.fetch_or(INCONSISTENT, Relaxed);
        }
    }

    /// Whether `ticket`'s thread, in this very process, holds the lock.
    fn is_ours(&self, ticket: Ticket) -> bool {
        // A ticket without a slot is for private memory, which a fork copied together with the guard.
        ticket.0 >> 32 == 0 || owner::mine_if_known(self.address()).is_some_and(|mine| mine & OWNER == ticket.0)
    }

    /// Releases the lock; nothing in a child of a fork, where the guard is a copy of the parent's.
    #[inline]
    pub(crate) fn unlock(&self, ticket: Ticket) {
        if !self.is_ours(ticket) {
            return;
        }
        // Release pairs with the Acquire in `lock`.
        if self.word.compare_exchange(ticket.0, 0, Release, Relaxed).is_err() {
            self.unlock_contended(ticket);
        }
    }

    /// Releases the lock for ever: until `lock_abandoned`, everybody gets `NotRecoverable`.
    pub(crate) fn give_up(&self, ticket: Ticket) {
        if !self.is_ours(ticket) {
            return;
        }
        let mut seen = self.word.load(Relaxed);
        while seen & OWNER == ticket.0 {
            let left = seen & !(LOW | INCONSISTENT) | NOT_RECOVERABLE;
            match self.word.compare_exchange(seen, left, Release, Relaxed) {
                // Killed before they are woken: they look again within LONGEST_SLEEP.
                Ok(_) => return futex::wake_all(&self.word),
                Err(now) => seen = now,
            }
        }
    }

    /// Releases a lock that was taken over as it was found: inconsistent, and naming who left it so.
    pub(crate) fn leave(&self, ticket: Ticket, owner_half: u32) {
        if !self.is_ours(ticket) {
            return;
        }
        let left = u64::from(owner_half) << 32 | INCONSISTENT;
        let mut seen = self.word.load(Relaxed);
        while seen & OWNER == ticket.0 {
            match self.word.compare_exchange(seen, left, Release, Relaxed) {
                // Killed before they are woken: they look again within LONGEST_SLEEP.
                Ok(_) if seen & WAITERS != 0 => return futex::wake_all(&self.word),
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Waiters, or a flag in the high half.
    #[cold]
    fn unlock_contended(&self, ticket: Ticket) {
        let mut seen = self.word.load(Relaxed);
        // Otherwise not ours: the value under the guard was exchanged (`attach` by call).
        while seen & OWNER == ticket.0 {
            if seen & WAITERS != 0 {
                // Killed before it, the word still names us; after it, somebody is awake.
                return futex::clear_and_wake(&self.word);
            }
            // Who left the value half changed stays named in the high half.
            let left = if seen & INCONSISTENT == 0 { 0 } else { seen & !LOW };
            match self.word.compare_exchange(seen, left, Release, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Process id and program of the owner that a take-over met, unless its slot has another tenant by now.
    pub(crate) fn describe_owner(&self, owner_half: u32) -> Option<(u32, String)> {
        owner::segment_at(self.address())?.describe_owner(owner_half)
    }
}
