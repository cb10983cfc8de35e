//! Between the threads of one process: arc-swap, parking_lot's `RwLock`, and the bare seqlock, the limit.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::path::Path;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};
use std::sync::{Arc, LazyLock};

use super::{Apart, Hold, Value};

/// `arc_swap::ArcSwap`
pub(super) struct Swapped(&'static arc_swap::ArcSwap<Value>);

pub(super) fn arc_swap(_: &Path) -> anyhow::Result<Swapped> {
    static SWAP: LazyLock<Apart<arc_swap::ArcSwap<Value>>> =
        LazyLock::new(|| Apart(arc_swap::ArcSwap::from_pointee([0; 25])));
    Ok(Swapped(&SWAP.0))
}

impl Hold for Swapped {
    #[inline]
    fn load(&mut self) -> (u64, u64) {
        let value = self.0.load();
        (value[0], value[24])
    }

    #[inline]
    fn publish(&mut self, number: u64) {
        self.0.store(Arc::new([number; 25]));
    }
}

/// `parking_lot::RwLock`
pub(super) struct Locked(&'static parking_lot::RwLock<Value>);

pub(super) fn rw_lock(_: &Path) -> anyhow::Result<Locked> {
    static LOCK: Apart<parking_lot::RwLock<Value>> = Apart(parking_lot::RwLock::new([0; 25]));
    Ok(Locked(&LOCK.0))
}

impl Hold for Locked {
    #[inline]
    fn load(&mut self) -> (u64, u64) {
        let value = self.0.read();
        (value[0], value[24])
    }

    #[inline]
    fn publish(&mut self, number: u64) {
        *self.0.write() = [number; 25];
    }
}

/// One writer, a counter that is odd while it writes, and readers that begin anew.
#[repr(align(128))]
struct SeqLock {
    sequence: AtomicU64,
    value: UnsafeCell<Value>,
}

// SAFETY: read and written by volatile copies, which the counter tells apart. (That it is a race by the letter of the
// language is one of the reasons not to use it.)
unsafe impl Sync for SeqLock {}

pub(super) struct Bare(&'static SeqLock);

pub(super) fn seqlock(_: &Path) -> anyhow::Result<Bare> {
    static LOCK: SeqLock = SeqLock { sequence: AtomicU64::new(0), value: UnsafeCell::new([0; 25]) };
    Ok(Bare(&LOCK))
}

impl Hold for Bare {
    #[inline]
    fn load(&mut self) -> (u64, u64) {
        loop {
            let before = self.0.sequence.load(Acquire);
            // SAFETY: a static; see above.
            let value = unsafe { self.0.value.get().read_volatile() };
            fence(Acquire);
            if before % 2 == 0 && self.0.sequence.load(Relaxed) == before {
                return (value[0], value[24]);
            }
        }
    }

    #[inline]
    fn publish(&mut self, number: u64) {
        let before = self.0.sequence.load(Relaxed);
        self.0.sequence.store(before + 1, Relaxed);
        fence(Release);
        // SAFETY: one thread writes; see above.
        unsafe { self.0.value.get().write_volatile([number; 25]) };
        self.0.sequence.store(before + 2, Release);
    }
}
