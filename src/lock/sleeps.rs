//! `Sleeps`: how who waits for a lock sleeps on its word, and what it asks about the owner then.

use std::time::Instant;

use super::atomic::AtomicU64;
use super::futex;
use super::naps::Naps;
use super::raw_lock::Asks;
use super::word::{LOW, NotLocked};

/// How long a call waits.
#[derive(Clone, Copy)]
pub(super) enum Waits {
    Never,
    Until(Instant),
    Forever,
}

/// The sleeps of one wait, none beyond the deadline.
pub(super) struct Sleeps {
    naps: Naps,
    pub(super) waits: Waits,
    /// The last one was ended by its timeout.
    pub(super) nobody_woke: bool,
    /// Whom the word named when this thread last fell asleep.
    owner_half: u32,
}

/// A wait that is worth telling people, who ask what held a program up.
const LONG_MS: u32 = 100;

impl Sleeps {
    pub(super) fn new(waits: Waits) -> Sleeps {
        Sleeps { naps: Naps::new(), waits, nobody_woke: false, owner_half: 0 }
    }

    /// Sleeps while the word's low half is that of `seen`. If that takes long, notes for people which lock is waited
    /// for.
    pub(super) fn sleep(&mut self, word: &AtomicU64, seen: u64) -> Result<(), NotLocked> {
        let bound = match self.waits {
            Waits::Never => return Err(NotLocked::WouldBlock),
            Waits::Forever => self.naps.next(),
            Waits::Until(deadline) => match deadline.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => self.naps.next().min(left),
                _ => return Err(NotLocked::TimedOut),
            },
        };
        if self.nobody_woke {
            self.naps.note(word);
        }
        self.owner_half = (seen >> 32) as u32;
        self.nobody_woke = !futex::wait(word, seen as u32, bound);
        self.naps.slept(bound, !self.nobody_woke);
        Ok(())
    }

    /// What is asked about the owner that the word names after a sleep.
    pub(super) fn asks(&mut self, word: &AtomicU64, seen: u64) -> Asks {
        let is_asked = self.nobody_woke && (seen & LOW == 0 || self.naps.is_our_turn(word, (seen >> 32) as u32));
        if is_asked { Asks::Always } else { Asks::UnlessMarked }
    }

    /// Of a wait that was long: who had the lock when this thread last fell asleep, and for how many milliseconds it
    /// was waited for. That is counted from the end of the first sleep that nobody ended.
    pub(super) fn long_wait(&self) -> Option<(u32, u32)> {
        self.naps.noted_ms().filter(|ms| *ms >= LONG_MS).map(|ms| (self.owner_half, ms))
    }

    /// The wait is over, whatever came of it.
    pub(super) fn end(&mut self, word: &AtomicU64) {
        self.naps.end(word);
    }
}
