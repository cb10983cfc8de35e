//! Sleeping on a word: at most a millisecond at a time, which is good enough for values that nobody shares. Nobody is
//! woken before that.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

const LONGEST_SLEEP: Duration = Duration::from_millis(1);

/// Sleeps while the low half is `expected`. Returns for any reason: look again. `false`: the time was over.
pub(crate) fn wait(word: &AtomicU64, expected: u32, timeout: Duration) -> bool {
    let is_expected = word.load(Relaxed) as u32 == expected;
    if is_expected {
        std::thread::sleep(timeout.min(LONGEST_SLEEP));
    }
    !is_expected
}

/// As [`wait`], for a plain 32-bit word.
pub(crate) fn wait32(word: &AtomicU32, expected: u32, timeout: Duration) {
    if word.load(Relaxed) == expected {
        std::thread::sleep(timeout.min(LONGEST_SLEEP));
    }
}

/// Sleeps for a moment: nobody is woken here who waits for several words.
pub(crate) fn wait_any32(_words: &[(&AtomicU32, u32)], timeout: Duration) {
    std::thread::sleep(timeout.min(Duration::from_millis(1)));
}

/// Clears the low half.
pub(crate) fn clear_and_wake(word: &AtomicU64, _sleepers: u32) {
    // Release pairs with the Acquire of whoever takes the lock.
    word.fetch_and(!u64::from(u32::MAX), Release);
}

pub(crate) fn wake_all(_word: &AtomicU64) {}

/// They wake by themselves; nobody else is to be woken in their place.
pub(crate) fn wake32(_word: &AtomicU32, sleepers: u32) -> u32 {
    sleepers
}

/// Whether spinning can pay.
pub(crate) fn has_many_processors() -> bool {
    true
}

/// Not told: sleepers wake by themselves here, and look often.
pub(crate) fn processor() -> u32 {
    0
}
