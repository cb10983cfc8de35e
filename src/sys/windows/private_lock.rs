//! The lock in memory that no segment holds: between the threads of this process only.
//!
//! The word is laid out as in `raw_lock`, with no slot in its high half and WAITERS in its low half. Waiting is
//! `WaitOnAddress`, which does not cross processes. An owner is a thread that lives, or leaked its guard.

#![allow(unsafe_code)]

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use windows_sys::Win32::System::Threading::{INFINITE, WaitOnAddress, WakeByAddressAll, WakeByAddressSingle};

use super::process;
use super::raw_lock::{Ticket, Waits};
use crate::lock::word::{INCONSISTENT, LOW, Locked, NOT_RECOVERABLE, NotLocked, OWNER, THREAD_ID};

/// Somebody sleeps, or may: unlocking must wake.
const WAITERS: u64 = 1 << 31;

pub(crate) fn lock(word: &AtomicU64, waits: Waits, take_given_up: bool) -> Result<(Ticket, Locked), NotLocked> {
    let mine = u64::from(process::thread_id()) & THREAD_ID;
    let mut have_slept = 0;
    let mut seen = word.load(Relaxed);
    loop {
        let given_up = seen & THREAD_ID == NOT_RECOVERABLE;
        if given_up && !take_given_up {
            return Err(NotLocked::NotRecoverable);
        }
        if seen & THREAD_ID == 0 || given_up {
            let inconsistent = if given_up { INCONSISTENT } else { seen & INCONSISTENT };
            // Who has slept leaves WAITERS set: others may sleep still.
            let ours = mine | inconsistent | seen & WAITERS | have_slept;
            // Acquire pairs with the Release in `unlock`.
            match word.compare_exchange(seen, ours, Acquire, Relaxed) {
                Ok(_) if inconsistent == 0 => return Ok((Ticket(mine), Locked::Clean)),
                Ok(_) => return Ok((Ticket(mine), Locked::Inconsistent((seen >> 32) as u32))),
                Err(now) => seen = now,
            }
            continue;
        }
        if seen & OWNER == mine {
            return Err(NotLocked::WouldDeadlock);
        }
        if waits == Waits::No {
            return Err(NotLocked::WouldBlock);
        }
        if seen & WAITERS == 0 {
            match word.compare_exchange(seen, seen | WAITERS, Relaxed, Relaxed) {
                Ok(_) => seen |= WAITERS,
                Err(now) => {
                    seen = now;
                    continue;
                }
            }
        }
        // SAFETY: both are eight bytes that live through the call.
        unsafe { WaitOnAddress(std::ptr::from_ref(word).cast(), (&raw const seen).cast(), 8, INFINITE) };
        have_slept = WAITERS;
        seen = word.load(Relaxed);
    }
}

/// Stores what `left` makes of the word, which this thread owns, and wakes who waits.
pub(crate) fn unlock(word: &AtomicU64, ticket: Ticket, left: impl Fn(u64) -> u64) {
    let mut seen = word.load(Relaxed);
    while seen & OWNER == ticket.0 {
        match word.compare_exchange(seen, left(seen) & !WAITERS, Release, Relaxed) {
            Ok(_) => break,
            Err(now) => seen = now,
        }
    }
    if seen & WAITERS == 0 {
        return;
    }
    let address = std::ptr::from_ref(word).cast();
    if left(seen) & LOW == 0 {
        // SAFETY: an address only; nothing is read there.
        unsafe { WakeByAddressSingle(address) };
    } else {
        // SAFETY: as above. Everybody is to see that the lock was given up.
        unsafe { WakeByAddressAll(address) };
    }
}
