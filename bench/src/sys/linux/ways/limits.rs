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
