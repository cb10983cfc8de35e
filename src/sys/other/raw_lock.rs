//! A lock between the threads of one process.
//!
//! ```text
//! 63      33   32  | 31 30 29              0
//!     0       INC  |  0  0  thread number (30)
//! ```
//!
//! Threads are numbered as they come: two that live have different numbers until 2^30 threads were started. Waiting is
//! sleeping, from 50 us doubling to 2 ms: good enough for values that nobody shares.

use std::cell::Cell;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use crate::lock::word::{INCONSISTENT, Locked, NOT_RECOVERABLE, NotLocked, THREAD_ID};

const FIRST_SLEEP: Duration = Duration::from_micros(50);
const LONGEST_SLEEP: Duration = Duration::from_millis(2);

/// The lock word.
#[repr(transparent)]
pub(crate) struct RawLock {
    word: AtomicU64,
}

/// What a guard keeps: its thread's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket(u64);

fn thread_number() -> u64 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    thread_local! { static NUMBER: Cell<u32> = const { Cell::new(0) } }
    if NUMBER.get() == 0 {
        NUMBER.set(COUNT.fetch_add(1, Relaxed) % (THREAD_ID as u32 - 1) + 1);
    }
    u64::from(NUMBER.get())
}

impl RawLock {
    pub(crate) const fn new() -> RawLock {
        RawLock { word: AtomicU64::new(0) }
    }

    /// Waits for the lock.
    pub(crate) fn lock(&self) -> Result<(Ticket, Locked), NotLocked> {
        self.lock_patiently(false)
    }

    /// Waits for the lock, and takes it also when it was given up as not recoverable.
    pub(crate) fn lock_abandoned(&self) -> Result<(Ticket, Locked), NotLocked> {
        self.lock_patiently(true)
    }

    fn lock_patiently(&self, take_given_up: bool) -> Result<(Ticket, Locked), NotLocked> {
        let mut sleep = FIRST_SLEEP;
        loop {
            match self.take(take_given_up) {
                Err(NotLocked::WouldBlock) => std::thread::sleep(sleep),
                other => return other,
            }
            sleep = (sleep * 2).min(LONGEST_SLEEP);
        }
    }

    /// Takes the lock if nobody has it.
    pub(crate) fn try_lock(&self) -> Result<(Ticket, Locked), NotLocked> {
        self.take(false)
    }

    fn take(&self, take_given_up: bool) -> Result<(Ticket, Locked), NotLocked> {
        let mine = thread_number();
        let mut seen = self.word.load(Relaxed);
        loop {
            let given_up = seen & THREAD_ID == NOT_RECOVERABLE;
            if given_up && !take_given_up {
                return Err(NotLocked::NotRecoverable);
            }
            if seen & THREAD_ID == mine {
                return Err(NotLocked::WouldDeadlock);
            }
            if seen & THREAD_ID != 0 && !given_up {
                return Err(NotLocked::WouldBlock);
            }
            let inconsistent = if given_up { INCONSISTENT } else { seen & INCONSISTENT };
            // Acquire pairs with the Release in `leave_word`.
            match self.word.compare_exchange_weak(seen, mine | inconsistent, Acquire, Relaxed) {
                Ok(_) if inconsistent == 0 => return Ok((Ticket(mine), Locked::Clean)),
                Ok(_) => return Ok((Ticket(mine), Locked::Inconsistent(0))),
                Err(now) => seen = now,
            }
        }
    }

    /// Says that the value is whole again. Only the owner calls it.
    pub(crate) fn mark_consistent(&self, _ticket: Ticket) {
        self.word.fetch_and(!INCONSISTENT, Release);
    }

    /// Says that the value may be half changed. Only the owner calls it.
    pub(crate) fn mark_inconsistent(&self, ticket: Ticket) {
        if self.word.load(Relaxed) & THREAD_ID == ticket.0 {
            self.word.fetch_or(INCONSISTENT, Relaxed);
        }
    }

    /// Releases the lock.
    pub(crate) fn unlock(&self, ticket: Ticket) {
        self.leave_word(ticket, self.word.load(Relaxed) & INCONSISTENT);
    }

    /// Releases the lock for ever: until `lock_abandoned`, everybody gets `NotRecoverable`.
    pub(crate) fn give_up(&self, ticket: Ticket) {
        self.leave_word(ticket, NOT_RECOVERABLE);
    }

    /// Releases a lock that was taken over as it was found.
    pub(crate) fn leave(&self, ticket: Ticket, _owner_half: u32) {
        self.leave_word(ticket, INCONSISTENT);
    }

    /// The owner alone changes a word that names it.
    fn leave_word(&self, ticket: Ticket, left: u64) {
        if self.word.load(Relaxed) & THREAD_ID == ticket.0 {
            self.word.store(left, Release); // Pairs with the Acquire in `take`.
        }
    }

    /// No process dies in a lock that is shared with none.
    pub(crate) fn describe_owner(&self, _owner_half: u32) -> Option<(u32, String)> {
        None
    }
}
