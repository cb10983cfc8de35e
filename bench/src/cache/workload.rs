//! The operations: worked out before they are measured, so that nobody's figures hold the drawing of keys.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::zipf::{Dice, Zipf};
use crate::sys;

pub(crate) const ENTRIES: usize = 100_000;
pub(crate) const KEY_BYTES: usize = 16;
pub(crate) const VALUE_BYTES: usize = 100;
const SKEW: f64 = 0.99;
/// Of so many operations, one writes.
const WRITE_EVERY: u64 = 20;
/// Of each worker, one after the other, again and again.
const OPERATIONS: usize = 1 << 20;
/// Between two looks at the clock.
const BURST: usize = 512;

pub(crate) type Key = [u8; KEY_BYTES];
pub(crate) type Value = [u8; VALUE_BYTES];

/// Something that keeps values by their keys.
pub(crate) trait Store {
    /// Copies the value into the buffer. Whether it is there.
    fn get(&self, key: &Key, value: &mut Vec<u8>) -> bool;
    fn set(&self, key: &Key, value: &Value);
}

pub(crate) struct Workload {
    pub(crate) keys: Vec<Key>,
    /// Of each of two workers: the key in the lower bits, and whether it writes in the highest.
    operations: [Vec<u32>; 2],
}

const WRITES: u32 = 1 << 31;

impl Workload {
    pub(crate) fn new() -> Workload {
        let zipf = Zipf::new(ENTRIES, SKEW);
        let mut dice = Dice::new(7);
        let mut order: Vec<u32> = (0..ENTRIES as u32).collect();
        for at in (1..ENTRIES).rev() {
            order.swap(at, (dice.next() % (at as u64 + 1)) as usize);
        }
        let keys = (0..ENTRIES).map(|number| {
            let mut key = [0; KEY_BYTES];
            key.copy_from_slice(format!("key:{number:012}").as_bytes());
            key
        });
        let keys = keys.collect();
        let operations = [1, 2].map(|seed| {
            let mut dice = Dice::new(seed);
            (0..OPERATIONS)
                .map(|_| {
                    let writes = if dice.next() % WRITE_EVERY == 0 { WRITES } else { 0 };
                    order[zipf.rank(dice.part())] | writes
                })
                .collect()
        });
        Workload { keys, operations }
    }

    /// Every key has a value.
    pub(crate) fn fill(&self, store: &impl Store) {
        self.keys.iter().for_each(|key| store.set(key, &value_of(key, 0)));
    }

    /// Which key the `nth` operation of the first worker is for.
    pub(crate) fn key(&self, nth: usize) -> &Key {
        &self.keys[(self.operations[0][nth % OPERATIONS] & !WRITES) as usize]
    }

    /// Works for a time; operations, and the seconds that they took.
    fn work(&self, store: &impl Store, worker: usize, time: Duration) -> [f64; 2] {
        let mut value = Vec::with_capacity(2 * VALUE_BYTES);
        let (mut done, mut missed) = (0, 0_u64);
        let start = Instant::now();
        loop {
            for nth in done..done + BURST {
                let operation = self.operations[worker][nth % OPERATIONS];
                let key = &self.keys[(operation & !WRITES) as usize];
                if operation & WRITES == 0 {
                    missed += u64::from(!store.get(key, &mut value));
                    black_box(&value);
                } else {
                    store.set(key, &value_of(key, nth as u8));
                }
            }
            done += BURST;
            let elapsed = start.elapsed();
            if elapsed >= time {
                assert!(missed * 100 <= done as u64, "{missed} of {done} reads missed: it does not hold them");
                return [done as f64, elapsed.as_secs_f64()];
            }
        }
    }

    /// Millions of operations a second.
    pub(crate) fn alone(&self, store: &impl Store, time: Duration) -> f64 {
        let [done, seconds] = self.work(store, 0, time);
        done / seconds / 1e6
    }

    /// Of two threads together.
    pub(crate) fn two_threads(&self, store: &(impl Store + Sync), time: Duration) -> f64 {
        let start = Barrier::new(2);
        let work = |worker| {
            start.wait();
            self.work(store, worker, time)
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| work(1));
            let mine = work(0);
            rate([mine, other.join().expect("no panic")])
        })
    }

    /// Of two processes together, each with what `open` gives it.
    pub(crate) fn two_processes<S: Store>(
        &self,
        open: impl Fn() -> anyhow::Result<S>,
        time: Duration,
    ) -> anyhow::Result<f64> {
        let parent = std::process::id();
        let answers = sys::in_two_processes(&|start| {
            let store = open()?;
            // A new process takes a slot and meets its pages at first, which is not what is measured.
            let mut value = Vec::new();
            for key in self.keys.iter().step_by(8) {
                store.get(key, &mut value);
            }
            start()?;
            Ok(self.work(&store, usize::from(std::process::id() != parent), time))
        });
        answers.context("work in two processes").map(rate)
    }
}

impl<S: Store> Store for &S {
    fn get(&self, key: &Key, value: &mut Vec<u8>) -> bool {
        (*self).get(key, value)
    }

    fn set(&self, key: &Key, value: &Value) {
        (*self).set(key, value);
    }
}

fn rate(answers: [[f64; 2]; 2]) -> f64 {
    answers.iter().map(|[done, seconds]| done / seconds / 1e6).sum()
}

pub(crate) fn value_of(key: &Key, round: u8) -> Value {
    let mut value = [round; VALUE_BYTES];
    value[..KEY_BYTES].copy_from_slice(key);
    value
}
