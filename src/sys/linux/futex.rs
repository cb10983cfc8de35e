//! Futexes on the low half of a 64-bit lock word.

#![allow(unsafe_code)]

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Relaxed, Release},
};
use std::time::Duration;

/// The address of the low half.
#[inline]
pub(super) fn low_half(word: &AtomicU64) -> *const u32 {
    let first = std::ptr::from_ref(word).cast::<u32>();
    if cfg!(target_endian = "little") { first } else { first.wrapping_add(1) }
}

/// Sleeps while the low half is `expected`, at most `timeout`. Returns for any reason: look again. `false`: the time
/// was over.
pub(crate) fn wait(word: &AtomicU64, expected: u32, timeout: Duration) -> bool {
    sleep(low_half(word), expected, timeout)
}

/// Clears the low half and wakes up to `sleepers` in one call
/// ([`FUTEX_WAKE_OP`](https://man7.org/linux/man-pages/man2/futex.2.html)): nobody can be killed between the two.
///
/// The fence orders what was written under the lock before the kernel's store, which is a full barrier itself.
#[doc(alias = "FUTEX_WAKE_OP")]
pub(crate) fn clear_and_wake(word: &AtomicU64, sleepers: u32) {
    /// FUTEX_OP_SET of 0; then "wake up to 0 more if the old value was 0", which never adds a sleeper.
    const SET_ZERO: u32 = 0;
    std::sync::atomic::fence(Release);
    let low = low_half(word);
    // SAFETY: both addresses are the word's, mapped while it is borrowed.
    let result = unsafe { libc::syscall(libc::SYS_futex, low, libc::FUTEX_WAKE_OP, sleepers, 0_usize, low, SET_ZERO) };
    if result == -1 {
        // A sandbox that forbids the call. Then in two steps: killed between them, the sleepers wake by their timeouts.
        // SAFETY: aligned, and mapped while the word is borrowed; locks mix 32- and 64-bit atomics on purpose, as the
        // kernel does.
        unsafe { AtomicU32::from_ptr(low.cast_mut()) }.store(0, Release);
        wake_all(word);
    }
}

/// Wakes all who sleep in [`wait`].
pub(crate) fn wake_all(word: &AtomicU64) {
    wake(low_half(word), i32::MAX as u32);
}

/// As [`wait`], for a plain 32-bit word.
pub(crate) fn wait32(word: &AtomicU32, expected: u32, timeout: Duration) {
    sleep(std::ptr::from_ref(word).cast(), expected, timeout);
}

/// Wakes up to `sleepers` of those who sleep in [`wait32`]; gives how many.
pub(crate) fn wake32(word: &AtomicU32, sleepers: u32) -> u32 {
    wake(std::ptr::from_ref(word).cast(), sleepers)
}

/// [`FUTEX_WAKE`](https://man7.org/linux/man-pages/man2/futex.2.html)
#[doc(alias = "FUTEX_WAKE")]
fn wake(futex: *const u32, sleepers: u32) -> u32 {
    let sleepers = sleepers.min(i32::MAX as u32);
    // SAFETY: callers borrow the word there.
    let woken = unsafe { libc::syscall(libc::SYS_futex, futex, libc::FUTEX_WAKE, sleepers) };
    u32::try_from(woken).unwrap_or(0)
}

/// [`FUTEX_WAIT`](https://man7.org/linux/man-pages/man2/futex.2.html)
#[doc(alias = "FUTEX_WAIT")]
fn sleep(futex: *const u32, expected: u32, timeout: Duration) -> bool {
    let timeout = libc::timespec { tv_sec: timeout.as_secs() as libc::time_t, tv_nsec: timeout.subsec_nanos().into() };
    // Not FUTEX_PRIVATE: the waker is in another process.
    // SAFETY: callers borrow the word there; the timeout outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_futex, futex, libc::FUTEX_WAIT, expected, &raw const timeout) };
    // Also when a sandbox forbids the call: then one goes on asking.
    result == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)
}

/// As [`wait32`], on several words at once
/// ([`futex_waitv`](https://docs.kernel.org/userspace-api/futex2.html), Linux 5.16). Where it is not, or for more words
/// than it takes, for a moment.
#[doc(alias = "futex_waitv")]
pub(crate) fn wait_any32(words: &[(&AtomicU32, u32)], timeout: Duration) {
    const MOMENT: Duration = Duration::from_millis(1);
    const MOST: usize = 128;
    const FUTEX_32: u32 = 2;
    /// `struct futex_waitv`.
    #[repr(C)]
    struct Waiter {
        expected: u64,
        address: u64,
        flags: u32,
        reserved: u32,
    }
    let waiters: Vec<_> = words
        .iter()
        .map(|(word, expected)| Waiter {
            expected: (*expected).into(),
            address: std::ptr::from_ref(*word) as u64,
            flags: FUTEX_32,
            reserved: 0,
        })
        .collect();
    let mut until = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for the time.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut until) };
    let ns = until.tv_nsec as u64 + u64::from(timeout.subsec_nanos());
    until.tv_sec += timeout.as_secs() as libc::time_t + (ns / 1_000_000_000) as libc::time_t;
    until.tv_nsec = (ns % 1_000_000_000) as libc::c_long;
    let has_slept = (1..=MOST).contains(&waiters.len()) && {
        let (first, count) = (waiters.as_ptr(), waiters.len() as u32);
        // SAFETY: so many waiters, whose words the caller borrows; the time outlives the call.
        let result = unsafe {
            libc::syscall(libc::SYS_futex_waitv, first, count, 0_u32, &raw const until, libc::CLOCK_MONOTONIC)
        };
        let why = || std::io::Error::last_os_error().raw_os_error();
        result >= 0 || matches!(why(), Some(libc::EAGAIN | libc::ETIMEDOUT | libc::EINTR))
    };
    if !has_slept {
        std::thread::sleep(timeout.min(MOMENT));
    }
}

/// Whether spinning can pay.
pub(crate) fn has_many_processors() -> bool {
    static PROCESSORS: AtomicU32 = AtomicU32::new(0);
    let known = PROCESSORS.load(Relaxed);
    if known != 0 {
        return known > 1;
    }
    // SAFETY: no pointer.
    let online = (unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).max(1) as u32;
    PROCESSORS.store(online, Relaxed);
    online > 1
}

/// The number of the processor that this thread runs on, and one; 0 if that cannot be told. No system call.
#[doc(alias = "sched_getcpu")]
pub(crate) fn processor() -> u32 {
    // SAFETY: no pointer.
    let number = if cfg!(miri) { -1 } else { unsafe { libc::sched_getcpu() } };
    u32::try_from(number + 1).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_words_than_the_system_takes_are_waited_for_a_moment() {
        let word = AtomicU32::new(1);
        let begin = std::time::Instant::now();
        for count in [0, 129] {
            // What an earlier call came to says nothing of this one.
            // SAFETY: no arguments.
            let error = unsafe { libc::__errno_location() };
            // SAFETY: this thread's own number.
            unsafe { error.write(libc::EAGAIN) };
            wait_any32(&vec![(&word, 1); count], Duration::from_secs(1));
        }
        assert!(begin.elapsed() >= Duration::from_millis(2), "who waits goes round and round");
    }
}
