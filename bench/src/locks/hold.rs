//! What is measured of a lock: loops over it, alone and with a second worker.
//!
//! ```text
//! alone    lock, count, unlock   many times; nanoseconds for one
//! two      both in such a loop for a while; millions a second of both together
//! ```
//!
//! Every lock guards a counter that is no atomic. After two have worked, it must have counted every entry: a fast lock
//! that lets two in at once is no lock.

#![allow(unsafe_code)]

use std::arch::asm;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::sys;

/// A lock over a counter, as one worker (a thread, a process) has it.
pub(crate) trait Lock {
    /// Locks, adds one, unlocks.
    fn add(&self);
    /// As `add`, unless somebody else holds the lock. Whether it was free.
    fn try_add(&self) -> bool;
    /// The counter, while nobody works.
    fn count(&self) -> u64;
}

/// A lock that readers share, over a counter.
pub(crate) trait Read {
    /// Locks for reading, reads, unlocks.
    fn read(&self) -> u64;
}

/// Gives a worker its own hold on the lock.
pub(crate) type Make<L> = fn() -> anyhow::Result<L>;

/// Places of a loop within a cache line, as in `statics`.
pub(super) const PLACES: u32 = 4;

macro_rules! at_four_places {
    ($name:ident, $one:ident, $what:path, |$lock:ident| $operation:expr) => {
        /// Nanoseconds for one operation in a loop.
        pub(super) fn $name<L: $what>(lock: &L, place: u32, passes: u64) -> f64 {
            match place % PLACES {
                0 => $one::<L, 0>(lock, passes),
                1 => $one::<L, 16>(lock, passes),
                2 => $one::<L, 32>(lock, passes),
                _ => $one::<L, 48>(lock, passes),
            }
        }

        #[inline(never)]
        fn $one<L: $what, const SKIP: u32>($lock: &L, passes: u64) -> f64 {
            let start = Instant::now();
            // SAFETY: instructions that do nothing, as many as it takes to move what follows.
            unsafe { asm!(".p2align 6", ".rept {skip}", "nop", ".endr", skip = const SKIP, options(nomem, nostack)) };
            for _ in 0..passes {
                $operation;
            }
            start.elapsed().as_nanos() as f64 / passes as f64
        }
    };
}

at_four_places!(uncontended, uncontended_at, Lock, |lock| lock.add());
at_four_places!(tried, tried_at, Lock, |lock| black_box(lock.try_add()));
at_four_places!(reading, reading_at, Read, |lock| black_box(lock.read()));

/// Between two looks at the clock.
const BURST: u64 = 64;

/// Works for `time`; entries, and the seconds that they took.
fn work<L: Lock>(lock: &L, time: Duration) -> [f64; 2] {
    let start = Instant::now();
    let mut entries = 0;
    loop {
        for _ in 0..BURST {
            lock.add();
        }
        entries += BURST;
        let elapsed = start.elapsed();
        if elapsed >= time {
            return [entries as f64, elapsed.as_secs_f64()];
        }
    }
}

/// Entries of two threads together, in millions a second.
pub(super) fn two_threads<L: Lock>(make: Make<L>, time: Duration) -> anyhow::Result<f64> {
    let before = make()?.count();
    let start = Barrier::new(2);
    let worker = || {
        let lock = make();
        start.wait();
        lock.map(|lock| work(&lock, time))
    };
    let answers = std::thread::scope(|scope| {
        let other = scope.spawn(worker);
        let mine = worker();
        [mine, other.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the second thread panicked")))]
    });
    let [mine, other] = answers;
    throughput([mine?, other?], make()?.count() - before)
}

/// Entries of two processes together, in millions a second.
pub(super) fn two_processes<L: Lock>(make: Make<L>, time: Duration) -> anyhow::Result<f64> {
    let lock = make()?;
    let before = lock.count();
    let answers = sys::in_two_processes(&|start| {
        let lock = make()?;
        // A new process takes a slot and the like at its first lock, which is not what is measured.
        lock.add();
        start()?;
        Ok(work(&lock, time))
    });
    throughput(answers.context("work in two processes")?, lock.count() - before - 2)
}

fn throughput(answers: [[f64; 2]; 2], counted: u64) -> anyhow::Result<f64> {
    let entered: f64 = answers.iter().map(|[entries, _]| entries).sum();
    ensure!(entered == counted as f64, "{entered} entries, but {counted} were counted: it let two in at once");
    Ok(answers.iter().map(|[entries, seconds]| entries / seconds / 1e6).sum())
}
