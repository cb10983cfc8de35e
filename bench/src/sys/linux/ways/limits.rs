//! What no message can be faster than: a word in a cache line, polled or slept for.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::channels::way::Way;
use crate::sys::map_anonymous;

/// A word in a line of its own; its reader polls.
pub(super) struct Line {
    word: NonNull<AtomicU64>,
    sent: u64,
}

impl Way for Line {
    fn make(_bytes: usize) -> anyhow::Result<Self> {
        Ok(Line { word: map_anonymous(64)?.cast(), sent: 0 })
    }

    fn begin_sending(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn begin_receiving(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    #[inline]
    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        let mut number = [0; 8];
        number.copy_from_slice(&message[..8]);
        self.sent += 1;
        // SAFETY: mapped for ever.
        unsafe { self.word.as_ref() }.store(self.sent << 32 | u64::from_ne_bytes(number), Release);
        Ok(())
    }

    #[inline]
    fn receive(&mut self) -> anyhow::Result<u64> {
        self.sent += 1;
        loop {
            // SAFETY: mapped for ever.
            let seen = unsafe { self.word.as_ref() }.load(Acquire);
            if seen >> 32 == self.sent {
                return Ok(seen & 0xffff_ffff);
            }
            std::hint::spin_loop();
        }
    }
}

/// A word whose reader sleeps until it changes.
pub(super) struct Futex {
    word: NonNull<AtomicU32>,
    sent: u32,
}

impl Futex {
    fn word(&self) -> &AtomicU32 {
        // SAFETY: mapped for ever.
        unsafe { self.word.as_ref() }
    }
}

impl Way for Futex {
    fn make(_bytes: usize) -> anyhow::Result<Self> {
        Ok(Futex { word: map_anonymous(64)?.cast(), sent: 0 })
    }

    fn begin_sending(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn begin_receiving(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        let mut number = [0; 4];
        number.copy_from_slice(&message[..4]);
        self.word().store(u32::from_ne_bytes(number) + 1, Release);
        // SAFETY: the word is mapped.
        unsafe { libc::syscall(libc::SYS_futex, self.word.as_ptr(), libc::FUTEX_WAKE, 1) };
        Ok(())
    }

    fn receive(&mut self) -> anyhow::Result<u64> {
        let before = self.sent;
        loop {
            let seen = self.word().load(Acquire);
            if seen != before {
                self.sent = seen;
                return Ok(u64::from(seen) - 1);
            }
            // SAFETY: the word is mapped; no timeout.
            unsafe {
                libc::syscall(libc::SYS_futex, self.word.as_ptr(), libc::FUTEX_WAIT, before, std::ptr::null::<u8>())
            };
            let _ = self.word().load(Relaxed);
        }
    }
}

/// A ring of one sender and one receiver as in textbooks: slots of one size, two indices, each side remembers what it
/// last saw of the other's. It knows no death, no sleep and no other length.
pub(super) struct Ring {
    memory: NonNull<u8>,
    slot_bytes: usize,
    /// This side's index, and the other's when it was last looked at.
    mine: u64,
    theirs: u64,
}

impl Ring {
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

impl Way for Ring {
    fn make(bytes: usize) -> anyhow::Result<Self> {
        let memory = map_anonymous(Self::SLOTS_AT + Self::SLOTS as usize * bytes)?.cast();
        Ok(Ring { memory, slot_bytes: bytes, mine: 0, theirs: 0 })
    }

    fn begin_sending(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn begin_receiving(&mut self) -> anyhow::Result<()> {
        Ok(())
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
