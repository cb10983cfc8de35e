//! A value that shows when two are inside at once, or when a death was not told.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use cotenant::ProcessSync;

use crate::stress::worker::Worker;

/// Atomics, so that two who are in at once do what they did, and are found out.
#[derive(ProcessSync)]
#[repr(C)]
pub(super) struct Watched {
    /// Who is inside; 0: nobody.
    owner: AtomicU64,
    /// Equal while nobody is inside.
    first: AtomicU64,
    second: AtomicU64,
}

impl Watched {
    pub(super) const fn new() -> Watched {
        Watched { owner: AtomicU64::new(0), first: AtomicU64::new(0), second: AtomicU64::new(0) }
    }

    pub(super) fn entries(&self) -> u64 {
        self.first.load(Relaxed)
    }

    /// By whoever was told that nothing is wrong.
    pub(super) fn expect_clean(&self, worker: &Worker, what: &str) {
        let [owner, first, second] = [&self.owner, &self.first, &self.second].map(|word| word.load(Relaxed));
        if owner != 0 || first != second {
            worker.violation(&format!("entered {what} clean, with {owner} inside and {first}, {second}"));
        }
    }

    /// By the next owner after a death; it waited since `began_ns`.
    pub(super) fn expect_half_done(&self, worker: &Worker, number: u64, began_ns: u64, what: &str) {
        let [victim, first, second] = [&self.owner, &self.first, &self.second].map(|word| word.load(Relaxed));
        if first != second && first != second + 1 {
            worker.violation(&format!("{victim} left {what} with {first}, {second}"));
        }
        worker.recovered(number, victim, began_ns);
    }

    pub(super) fn repair(&self, me: u64) {
        // First, so that whoever repairs after this process knows whom it follows.
        self.owner.store(me, Relaxed);
        self.second.store(self.first.load(Relaxed), Relaxed);
    }

    /// The work of whoever is inside alone.
    pub(super) fn change(&self, worker: &mut Worker, what: &str) {
        self.owner.store(worker.me, Relaxed);
        let [first, second] = [&self.first, &self.second].map(|word| word.load(Relaxed));
        self.first.store(first + 1, Relaxed);
        worker.linger();
        self.second.store(second + 1, Relaxed);
        if let Err(owner) = self.owner.compare_exchange(worker.me, 0, Relaxed, Relaxed) {
            worker.violation(&format!("{owner} came into {what}, too"));
        }
    }

    /// By one of those who are inside together.
    pub(super) fn expect_quiet(&self, worker: &mut Worker, what: &str) {
        let before = self.entries();
        worker.linger();
        let [owner, first, second] = [&self.owner, &self.first, &self.second].map(|word| word.load(Relaxed));
        if owner != 0 || [first, second] != [before; 2] {
            worker.violation(&format!("read {what} with {owner} inside and {first}, {second} after {before}"));
        }
    }
}
