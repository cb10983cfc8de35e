//! Sleeping on a word and waking who sleeps: the kernel's semaphores between processes, `WaitOnAddress` within one.
//!
//! A word in a segment has a semaphore, named after the segment's instance id and the word's place, and opened when
//! somebody first sleeps or wakes there. A sleep on a lock word also watches the process that the word names as its
//! owner: it ends when that does.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use windows_sys::Win32::System::Threading::{WaitOnAddress, WakeByAddressAll, WakeByAddressSingle};

use super::attached::Attached;
use super::kernel_semaphore::milliseconds;
use super::participants::{self, OwnerHalf};
use super::process;
use crate::sys::ranges;

/// Instead of a sleep for which the kernel has no semaphore left.
const LAST_RESORT: Duration = Duration::from_millis(1);

const LOW: u64 = 0xffff_ffff;

/// The address of the low half; every Windows is little-endian.
fn low_half(word: &AtomicU64) -> *const u32 {
    std::ptr::from_ref(word).cast()
}

/// Sleeps while the low half is `expected`, at most `timeout`. Returns for any reason: look again. `false`: the time
/// was over, or the owner's.
pub(crate) fn wait(word: &AtomicU64, expected: u32, timeout: Duration) -> bool {
    let Some((segment, at)) = ranges::place_of(word) else { return sleep_here(low_half(word), expected, timeout) };
    // SeqCst: after the waiter's mark. A change after this look is followed by a wake, which the semaphore keeps.
    let seen = word.load(SeqCst);
    if seen as u32 != expected {
        return true;
    }
    let owner = participants::process_of(segment.live(), OwnerHalf((seen >> 32) as u32));
    sleep(segment, at, owner.as_ref(), timeout)
}

/// As [`wait`], for a plain 32-bit word.
pub(crate) fn wait32(word: &AtomicU32, expected: u32, timeout: Duration) {
    let Some((segment, at)) = ranges::place_of(word) else {
        sleep_here(std::ptr::from_ref(word).cast(), expected, timeout);
        return;
    };
    if word.load(SeqCst) == expected {
        sleep(segment, at, None, timeout);
    }
}

fn sleep(segment: &Attached, at: u64, owner: Option<&super::handle::Handle>, timeout: Duration) -> bool {
    match segment.semaphore(at) {
        Ok(semaphore) => semaphore.sleep(owner, timeout),
        Err(_) => {
            std::thread::sleep(timeout.min(LAST_RESORT));
            false
        }
    }
}

/// Sleeps for a moment: nobody is woken here who waits for several words.
pub(crate) fn wait_any32(_words: &[(&AtomicU32, u32)], timeout: Duration) {
    std::thread::sleep(timeout.min(Duration::from_millis(1)));
}

/// Clears the low half and wakes up to `sleepers`. Killed between the two, they wake by their timeouts.
pub(crate) fn clear_and_wake(word: &AtomicU64, sleepers: u32) {
    // Release pairs with the Acquire of whoever takes the lock.
    word.fetch_and(!LOW, Release);
    wake(word, low_half(word), sleepers);
}

/// Wakes all who sleep in [`wait`].
pub(crate) fn wake_all(word: &AtomicU64) {
    wake(word, low_half(word), u32::MAX);
}

/// Wakes up to `sleepers` of those who sleep in [`wait32`]. Gives as many, or 0 if it is known that nobody slept.
pub(crate) fn wake32(word: &AtomicU32, sleepers: u32) -> u32 {
    if wake(word, std::ptr::from_ref(word).cast(), sleepers) { sleepers } else { 0 }
}

/// `false`: nobody slept.
fn wake<T>(word: &T, address: *const u32, sleepers: u32) -> bool {
    if let Some((segment, at)) = ranges::place_of(word) {
        // Without a semaphore nobody sleeps on one.
        return segment.semaphore(at).is_ok_and(|semaphore| semaphore.wake(sleepers));
    }
    if sleepers == 1 {
        // SAFETY: an address only; nothing is read there.
        unsafe { WakeByAddressSingle(address.cast()) };
    } else {
        // SAFETY: as above.
        unsafe { WakeByAddressAll(address.cast()) };
    }
    true
}

/// In memory that no other process has.
#[doc(alias = "WaitOnAddress")]
fn sleep_here(address: *const u32, expected: u32, timeout: Duration) -> bool {
    // SAFETY: both are four bytes that live through the call; callers borrow the word.
    unsafe { WaitOnAddress(address.cast(), (&raw const expected).cast(), 4, milliseconds(timeout)) != 0 }
}

/// Whether spinning can pay.
pub(crate) fn has_many_processors() -> bool {
    static PROCESSORS: AtomicU32 = AtomicU32::new(0);
    let mut known = PROCESSORS.load(Relaxed);
    if known == 0 {
        known = process::processors();
        PROCESSORS.store(known, Relaxed);
    }
    known > 1
}

/// Not told: beside a sleep through a semaphore the moment that it spares is nothing.
pub(crate) fn processor() -> u32 {
    0
}
