//! What the models check with: a pair that is half changed for a step, and a room that knows who is in.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use crate::world::step;

/// Two numbers that are alike whenever nobody changes them.
#[derive(Default)]
pub(crate) struct Pair {
    first: AtomicU64,
    second: AtomicU64,
}

impl Pair {
    /// A death between the two leaves it half changed.
    pub(crate) fn change(&self) {
        self.change_and(step);
    }

    /// What is called halfway may panic.
    pub(crate) fn change_and(&self, halfway: impl FnOnce()) {
        step();
        self.first.fetch_add(1, SeqCst);
        halfway();
        self.second.fetch_add(1, SeqCst);
        step();
    }

    pub(crate) fn repair(&self) {
        step();
        self.second.store(self.first.load(SeqCst), SeqCst);
        step();
    }

    /// How often it was changed.
    pub(crate) fn look(&self) -> u64 {
        let first = self.first.load(SeqCst);
        step();
        assert_eq!(first, self.second.load(SeqCst), "half changed, and nobody said so");
        first
    }
}

/// Who is in, seen from outside of the lock: no step of the library's.
#[derive(Default)]
pub(crate) struct Room {
    readers: AtomicU32,
    writers: AtomicU32,
    /// Tasks that died inside as writers.
    pub(crate) died: AtomicU32,
}

pub(crate) struct Inside<'a> {
    room: &'a Room,
    count: &'a AtomicU32,
}

impl Room {
    pub(crate) fn write(&self) -> Inside<'_> {
        self.enter(&self.writers, 1, 0)
    }

    pub(crate) fn read(&self, most: u32) -> Inside<'_> {
        self.enter(&self.readers, 0, most)
    }

    fn enter<'a>(&'a self, count: &'a AtomicU32, most_writers: u32, most_readers: u32) -> Inside<'a> {
        count.fetch_add(1, SeqCst);
        let (writers, readers) = (self.writers.load(SeqCst), self.readers.load(SeqCst));
        assert!(writers <= most_writers && readers <= most_readers, "{writers} writers and {readers} readers inside");
        Inside { room: self, count }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, SeqCst);
        if std::thread::panicking() && std::ptr::eq(self.count, &self.room.writers) {
            self.room.died.fetch_add(1, SeqCst);
        }
    }
}
