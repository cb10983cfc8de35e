//! The robust lock: a mutex of the kernel's excludes and notices deaths, a word in the segment says who and in what
//! state.
//!
//! ```text
//! 63        52 51          33   32  | 31  30 29              0
//!   slot (12)  generation (19)  INC |  0   0   thread id (30)        the same places as on Linux
//! ```
//!
//! The word is written only under the kernel's mutex, which is named after the segment's instance id and the word's
//! place. The kernel gives the mutex to the next one when a thread ends; but a guard that was leaked may still be
//! used by other threads of its process. So the word decides: a thread id in it, with the mutex in our hands, is an
//! owner that never unlocked. Its process is dead: the value may be half changed. It lives: we go on waiting.
//! The kernel's mutex is recursive: a second wait of the owner succeeds, and finds its own name in the word.
//!
//! Killed before the word is written, or after it was cleared: nobody is named, and the value is whole.

#![allow(unsafe_code)]

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use super::attached::{self, Range};
use super::kernel_mutex::KernelMutex;
use super::participants::OwnerHalf;
use super::{private_lock, process};
use crate::error::{Error, ErrorKind};
use crate::lock::word::{INCONSISTENT, LOW, Locked, NOT_RECOVERABLE, NotLocked, OWNER, THREAD_ID};

/// How often one looks again at a lock whose owner leaked its guard and ended, in a process that lives.
const FIRST_SLEEP: Duration = Duration::from_micros(500);
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// Whether to wait for a lock that somebody holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    Yes,
    No,
}

/// The lock word, in shared or private memory.
#[repr(transparent)]
pub(crate) struct RawLock {
    word: AtomicU64,
}

/// What a guard keeps: the word that names its owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket(pub(crate) u64);

impl RawLock {
    pub(crate) const fn new() -> RawLock {
        RawLock { word: AtomicU64::new(0) }
    }

    fn range(&self) -> Option<&'static Range> {
        attached::range_at(std::ptr::from_ref(self) as usize)
    }

    /// Waits for the lock.
    pub(crate) fn lock(&self) -> Result<(Ticket, Locked), NotLocked> {
        self.lock_as(Waits::Yes, false)
    }

    /// Takes the lock if nobody has it, or if its owner is dead.
    pub(crate) fn try_lock(&self) -> Result<(Ticket, Locked), NotLocked> {
        self.lock_as(Waits::No, false)
    }

    /// Waits for the lock, and takes it also when it was given up as not recoverable.
    pub(crate) fn lock_abandoned(&self) -> Result<(Ticket, Locked), NotLocked> {
        self.lock_as(Waits::Yes, true)
    }

    fn lock_as(&self, waits: Waits, take_given_up: bool) -> Result<(Ticket, Locked), NotLocked> {
        let Some(range) = self.range() else { return private_lock::lock(&self.word, waits, take_given_up) };
        let no_slot = |doing: &str, cause| NotLocked::NoSlot(Error::system(doing, &cause));
        let mine = range.segment.owner().0;
        if mine == 0 {
            let why = format!("this image has detached from {}", range.segment.path);
            return Err(NotLocked::NoSlot(Error::new(ErrorKind::Unsupported, why)));
        }
        let mine = u64::from(mine) << 32 | u64::from(process::thread_id()) & THREAD_ID;
        let mutex = range.mutex(std::ptr::from_ref(self) as usize).map_err(NotLocked::NoSlot)?;
        let mut sleep = FIRST_SLEEP;
        loop {
            if waits == Waits::Yes {
                mutex.lock().map_err(|cause| no_slot("wait for the kernel's mutex", cause))?;
            } else if !mutex.try_lock().map_err(|cause| no_slot("try the kernel's mutex", cause))? {
                return Err(NotLocked::WouldBlock);
            }
            match self.enter(mine, range, take_given_up) {
                Err(NotLocked::WouldBlock) if waits == Waits::Yes => {
                    mutex.unlock();
                    std::thread::sleep(sleep);
                    sleep = (sleep * 2).min(LONGEST_SLEEP);
                }
                Err(why) => {
                    mutex.unlock();
                    return Err(why);
                }
                Ok(locked) => return Ok((Ticket(mine), locked)),
            }
        }
    }

    /// Writes our name into the word, if it says that we may; the kernel's mutex is in our hands.
    fn enter(&self, mine: u64, range: &Range, take_given_up: bool) -> Result<Locked, NotLocked> {
        // Acquire pairs with the Release in `store_and_unlock`.
        let seen = self.word.load(Acquire);
        let thread = seen & THREAD_ID;
        let inconsistent = if thread == 0 {
            seen & INCONSISTENT != 0
        } else if thread == NOT_RECOVERABLE {
            if !take_given_up {
                return Err(NotLocked::NotRecoverable);
            }
            true
        } else if seen & OWNER == mine {
            return Err(NotLocked::WouldDeadlock);
        } else if range.segment.owner_is_dead((seen >> 32) as u32) {
            true
        } else {
            return Err(NotLocked::WouldBlock);
        };
        if !inconsistent {
            self.word.store(mine, Relaxed);
            return Ok(Locked::Clean);
        }
        self.word.store(mine | INCONSISTENT, Relaxed);
        Ok(Locked::Inconsistent((seen >> 32) as u32))
    }

    /// Says that the value is whole again. Only the owner calls it.
    pub(crate) fn mark_consistent(&self, _ticket: Ticket) {
        // Release: who sees the flag gone sees the repaired value.
        self.word.fetch_and(!INCONSISTENT, Release);
    }

    /// Says that the value may be half changed, as if the owner had died here. Only the owner calls it.
    pub(crate) fn mark_inconsistent(&self, ticket: Ticket) {
        if self.word.load(Relaxed) & OWNER == ticket.0 {
            self.word.fetch_or(INCONSISTENT, Relaxed);
        }
    }

    /// Releases the lock.
    pub(crate) fn unlock(&self, ticket: Ticket) {
        // Who left the value half changed stays named in the high half.
        self.store_and_unlock(ticket, |seen| if seen & INCONSISTENT == 0 { 0 } else { seen & !LOW });
    }

    /// Releases the lock for ever: until `lock_abandoned`, everybody gets `NotRecoverable`.
    pub(crate) fn give_up(&self, ticket: Ticket) {
        self.store_and_unlock(ticket, |seen| seen & !(LOW | INCONSISTENT) | NOT_RECOVERABLE);
    }

    /// Releases a lock that was taken over as it was found: inconsistent, and naming who left it so.
    pub(crate) fn leave(&self, ticket: Ticket, owner_half: u32) {
        self.store_and_unlock(ticket, |_| u64::from(owner_half) << 32 | INCONSISTENT);
    }

    fn store_and_unlock(&self, ticket: Ticket, left: impl Fn(u64) -> u64) {
        let Some(range) = self.range() else { return private_lock::unlock(&self.word, ticket, left) };
        let seen = self.word.load(Relaxed);
        if seen & OWNER != ticket.0 {
            return; // The value under the guard was exchanged.
        }
        // Release pairs with the Acquire in `enter`. Killed after it: the kernel frees the mutex.
        self.word.store(left(seen), Release);
        if let Ok(mutex) = range.mutex(std::ptr::from_ref(self) as usize) {
            mutex.unlock();
        }
    }

    /// Process id and program of the owner that a take-over met, unless its slot has another tenant by now.
    pub(crate) fn describe_owner(&self, owner_half: u32) -> Option<(u32, String)> {
        self.range()?.segment.describe_owner(OwnerHalf(owner_half))
    }
}

/// Named after the segment's instance and the lock's place in it, so that every process finds the same one.
pub(crate) fn open_mutex(objects: &str, at: usize) -> Result<KernelMutex, Error> {
    KernelMutex::open(&format!("{objects}-lock-{at:x}"))
}
