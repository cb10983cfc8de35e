//! What the processes of one crash point tell each other: a page that they inherit.
//!
//! It is ordinary shared memory of fork's, so that nothing of what is tried is needed to say how it went.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

use crate::support::PATIENCE;

/// What can be said. Each is said once for each crash point.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(crate) enum Word {
    /// The child has done what comes before the operation.
    Prepared,
    /// The second process has done what comes before its own.
    Ready,
    /// The second process has come through.
    Done,
    /// The second process is to go on.
    Go,
}

#[repr(C)]
pub(crate) struct Board {
    said: [AtomicU32; 4],
    /// What one of them found, for another to judge.
    pub(crate) number: AtomicU64,
    text_bytes: AtomicU32,
    text: [AtomicU8; 2048],
}

impl Board {
    /// The page, shared with all children of this process.
    pub(crate) fn new() -> &'static Board {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, at no address of ours.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Board>(), prot, flags, -1, 0) };
        assert_ne!(page, libc::MAP_FAILED, "a shared page: {}", std::io::Error::last_os_error());
        // SAFETY: as large as a board, zero is valid for each of its atomics, and never unmapped.
        unsafe { &*page.cast::<Board>() }
    }

    /// As if nothing had been said.
    pub(crate) fn wipe(&self) {
        self.said.iter().for_each(|word| word.store(0, Relaxed));
        self.number.store(0, Relaxed);
        self.text_bytes.store(0, Relaxed);
    }

    pub(crate) fn say(&self, word: Word) {
        self.said[word as usize].store(1, Release);
    }

    pub(crate) fn is_said(&self, word: Word) -> bool {
        self.said[word as usize].load(Acquire) != 0
    }

    /// Waits until `word` is said.
    pub(crate) fn hear(&self, word: Word) -> Result<(), String> {
        wait_until(&format!("{word:?} is said"), || self.is_said(word))
    }

    /// Leaves a text to the process that forked this one.
    pub(crate) fn write(&self, text: &str) {
        for (to, from) in self.text.iter().zip(text.bytes()) {
            to.store(from, Relaxed);
        }
        self.text_bytes.store(text.len().min(self.text.len()) as u32, Release);
    }

    /// Leaves a text and ends this process, a child, with a failure.
    pub(crate) fn fail(&self, text: &str) {
        self.write(text);
        // SAFETY: no pointer.
        unsafe { libc::_exit(2) }
    }

    pub(crate) fn read(&self) -> String {
        let bytes = self.text_bytes.load(Acquire) as usize;
        let text: Vec<_> = self.text.iter().take(bytes).map(|byte| byte.load(Relaxed)).collect();
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Waits until `holds`, in a process that has no test harness to panic into.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), String> {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > PATIENCE {
            return Err(format!("waited {PATIENCE:?} until {what}"));
        }
        std::thread::sleep(Duration::from_micros(20));
    }
    Ok(())
}
