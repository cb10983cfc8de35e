//! The shared variables of `demo counter`: for each way of counting a counter, with the number of increments beside it.
//!
//! ```text
//! word:  | increments, 32 bits | counter, 32 bits |
//! ```
//!
//! Both in one word, so that every change and every reading is of both at once. A reading while others count shows no
//! difference that is only an instant's, and a process that is killed has counted in both or in neither: what is lost
//! is lost to overwriting, to nothing else. The counter never exceeds the increments, because an overwriting process
//! writes one more than it has read, and counts as an increment itself.

#![allow(unsafe_code)] // the implementation of `ProcessSync`

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use cotenant::schema::{Kind, Part, Schema};
use cotenant::sync::Mutex;
use cotenant::{ProcessSync, shared};

/// How an instance adds one.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum How {
    /// One atomic addition
    Atomic,
    /// Read, add one and write, under a lock
    Mutex,
    /// Read, pause, write: what another instance wrote meanwhile is lost
    Unsynchronised,
}

#[repr(transparent)]
pub(crate) struct Tally {
    /// Relaxed throughout: no other memory is published through it.
    word: AtomicU64,
}

const fn half(name: &'static str, at: u64, doc: &'static str) -> Part {
    let at = if cfg!(target_endian = "little") { at } else { 4 - at };
    Part { name, at, doc, schema: Some(u32::SCHEMA) }
}

// SAFETY: one atomic, all of whose values are values. Its halves are described as what they are, for those who look.
unsafe impl ProcessSync for Tally {
    const SCHEMA: &'static Schema = &Schema::compound::<Tally>(
        "Tally",
        Kind::Struct,
        &[half("counter", 0, "what is counted"), half("increments", 4, "how often")],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

/// Both numbers of a tally at one instant.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) increments: u64,
    pub(crate) counter: u64,
}

// A variable for each way: processes that count on one without its lock would lose updates for those who take it.
shared! {
    // By call: the command's other parts have to work where nothing can be shared.
    #![shared(attach = by_call)]
    /// Counted by `--how atomic`.
    static ATOMIC: Tally = Tally::new();
    /// Counted by `--how mutex`.
    static GUARDED: Mutex<Tally> = Mutex::new(Tally::new());
    /// Counted by `--how unsynchronised`.
    static UNSYNCHRONISED: Tally = Tally::new();
}

/// Joins the processes that count, or starts afresh if there is none.
pub(crate) fn attach() -> Result<()> {
    cotenant::attach().context("cannot share the counter, so there is nothing to show")
}

impl How {
    /// Adds one and gives the new value. `pause` is for those who let others come between.
    pub(crate) fn add_one(self, pause: Duration) -> u64 {
        match self {
            How::Atomic => ATOMIC.add_one(),
            How::Mutex => {
                // Nothing to repair after an owner's death: the tally changes in one step.
                let tally = GUARDED.lock_or_repair(|_| ());
                let seen = tally.read().counter;
                tally.overwrite(seen + 1)
            }
            How::Unsynchronised => {
                let seen = UNSYNCHRONISED.read().counter;
                sleep(pause);
                UNSYNCHRONISED.overwrite(seen + 1)
            }
        }
    }

    /// What everybody has counted this way since the first of those who are there.
    pub(crate) fn read(self) -> Reading {
        match self {
            How::Atomic => ATOMIC.read(),
            How::Mutex => GUARDED.lock_or_repair(|_| ()).read(),
            How::Unsynchronised => UNSYNCHRONISED.read(),
        }
    }
}

const ONE_INCREMENT: u64 = 1 << 32;
const COUNTER_MASK: u64 = ONE_INCREMENT - 1;

impl Tally {
    const fn new() -> Tally {
        Tally { word: AtomicU64::new(0) }
    }

    fn read(&self) -> Reading {
        Reading::of(self.word.load(Relaxed))
    }

    /// Adds one to the counter whatever others do.
    fn add_one(&self) -> u64 {
        Reading::of(self.word.fetch_add(ONE_INCREMENT + 1, Relaxed)).counter + 1
    }

    /// Sets the counter, as a plain store would; only the increment beside it is counted whatever others do.
    fn overwrite(&self, counter: u64) -> u64 {
        let mut seen = self.word.load(Relaxed);
        loop {
            let next = ((seen & !COUNTER_MASK) + ONE_INCREMENT) | counter;
            match self.word.compare_exchange_weak(seen, next, Relaxed, Relaxed) {
                Ok(_) => return counter,
                Err(now) => seen = now,
            }
        }
    }
}

impl Reading {
    fn of(word: u64) -> Reading {
        Reading { increments: word >> 32, counter: word & COUNTER_MASK }
    }

    pub(crate) fn lost(self) -> u64 {
        self.increments - self.counter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overwriting_loses_the_counter_and_keeps_the_increments() {
        let tally = Tally::new();
        let seen = tally.read().counter;
        assert_eq!((tally.add_one(), tally.add_one()), (1, 2));
        assert_eq!(tally.overwrite(seen + 1), 1);
        let reading = tally.read();
        assert_eq!((reading.increments, reading.counter, reading.lost()), (3, 1, 2));
    }
}
