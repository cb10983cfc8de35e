//! A ring as people write it by hand.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use crate::channels::way::Way;
use crate::sys::map_anonymous;

/// A ring of one sender and one receiver as in textbooks: slots of one size, two indices, each side remembers what it
/// last saw of the other's. It knows no death, no sleep and no other length.
pub(super) struct BareRing {
    memory: NonNull<u8>,
    slot_bytes: usize,
    /// This side's index, and the other's when it was last looked at.
    mine: u64,
    theirs: u64,
}

impl BareRing {
    const SLOTS: u64 = 4096;
    /// The sender's index, the receiver's, the slots: on lines of their own.
    const RECEIVED_AT: usize = 128;
    const SLOTS_AT: usize = 256;

    fn index(&self, at: usize) -> &AtomicU64 {
        // SAFETY: inside the mapping.
        let index = unsafe { self.memory.add(at) };
        // SAFETY: mapped for ever, and aligned.
        unsafe { index.cast().as_ref() }
    }

    fn slot(&self, nth: u64) -> NonNull<u8> {
        // SAFETY: one of the slots.
        unsafe { self.memory.add(Self::SLOTS_AT + (nth % Self::SLOTS) as usize * self.slot_bytes) }
    }
}

impl Way for BareRing {
    fn make(bytes: usize) -> anyhow::Result<Self> {
        let memory = map_anonymous(Self::SLOTS_AT + Self::SLOTS as usize * bytes)?.cast();
        Ok(BareRing { memory, slot_bytes: bytes, mine: 0, theirs: 0 })
    }

    #[inline]
    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        while self.mine - self.theirs == Self::SLOTS {
            // Acquire pairs with the receiver's Release.
            self.theirs = self.index(Self::RECEIVED_AT).load(Acquire);
            std::hint::spin_loop();
        }
        // SAFETY: the slot has so many bytes, and is the sender's until it moves its index.
        unsafe { self.slot(self.mine).copy_from_nonoverlapping(NonNull::from(message).cast(), self.slot_bytes) };
        self.mine += 1;
        self.index(0).store(self.mine, Release);
        Ok(())
    }

    #[inline]
    fn receive(&mut self) -> anyhow::Result<u64> {
        while self.mine == self.theirs {
            // Acquire pairs with the sender's Release.
            self.theirs = self.index(0).load(Acquire);
            std::hint::spin_loop();
        }
        // SAFETY: the slot was written, and is the receiver's until it moves its index; its bytes need no alignment.
        let number = unsafe { self.slot(self.mine).cast::<u64>().read_unaligned() };
        self.mine += 1;
        self.index(Self::RECEIVED_AT).store(self.mine, Release);
        Ok(number)
    }

    /// Some times round.
    fn warm_up(_bytes: usize) -> u64 {
        5 * Self::SLOTS
    }
}
