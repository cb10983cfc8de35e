//! Copies between private memory and shared memory that others may write or read at the same moment.
//!
//! Word by word, each an atomic access, so that a race with another process's copy is no undefined behaviour: a reader
//! may get words of two publishes, and finds that out by the buffer's stamp before it makes a value of them. On x86-64
//! a load takes two words at once.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use crate::lock::atomic::AtomicU64;
use crate::lock::atomic::Ordering::Relaxed;

const WORD_BYTES: usize = 8;
const PIECE_BYTES: usize = 2 * WORD_BYTES;

/// Copies `bytes` bytes out of shared memory.
///
/// # Safety
/// `from` is a multiple of 8, and from there on as many bytes as `bytes` rounded up to 8 are mapped for reading and
/// only accessed atomically. `to` is valid for writes of `bytes` bytes, and nobody else's.
#[inline(always)]
pub(super) unsafe fn out_of_shared(from: *const u8, to: *mut u8, bytes: usize) {
    let mut at = 0;
    // Pieces of 16 bytes that lie in one cache line each are had at once.
    if from.addr() % PIECE_BYTES != 0 && bytes >= WORD_BYTES {
        // SAFETY: as the caller says.
        unsafe { word_out_of_shared(from, to, WORD_BYTES) };
        at = WORD_BYTES;
    }
    while at + PIECE_BYTES <= bytes {
        // SAFETY: as the caller says.
        unsafe { piece_out_of_shared(from.wrapping_add(at), to.wrapping_add(at)) };
        at += PIECE_BYTES;
    }
    while at < bytes {
        let count = WORD_BYTES.min(bytes - at);
        // SAFETY: as the caller says.
        unsafe { word_out_of_shared(from.wrapping_add(at), to.wrapping_add(at), count) };
        at += WORD_BYTES;
    }
}

/// Copies `count` bytes of a word, at most all eight.
///
/// # Safety
/// As of [`out_of_shared`].
#[inline(always)]
unsafe fn word_out_of_shared(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: mapped, aligned, and everybody's accesses are atomic, says the caller.
    let shared = unsafe { &*from.cast::<AtomicU64>() };
    let word = shared.load(Relaxed).to_ne_bytes();
    // SAFETY: `count` bytes lie in the word, and in what the caller owns.
    unsafe { to.copy_from_nonoverlapping(word.as_ptr(), count) };
}

/// Copies two words, by one instruction.
///
/// # Safety
/// As of [`out_of_shared`].
#[inline(always)]
#[cfg(all(target_arch = "x86_64", not(any(miri, cotenant_model))))]
unsafe fn piece_out_of_shared(from: *const u8, to: *mut u8) {
    let piece: std::arch::x86_64::__m128i;
    // SAFETY: one load of memory that is readable, says the caller. The language has no such atomic access, so this is
    // code that it does not know; the machine does not break a word in two, nor move the load behind a later one.
    unsafe {
        std::arch::asm!(
            "movdqu {piece}, xmmword ptr [{from}]",
            from = in(reg) from,
            piece = out(xmm_reg) piece,
            options(nostack, preserves_flags, readonly)
        );
    }
    // SAFETY: 16 bytes that the caller owns.
    unsafe { to.cast::<std::arch::x86_64::__m128i>().write_unaligned(piece) };
}

#[inline(always)]
#[cfg(not(all(target_arch = "x86_64", not(any(miri, cotenant_model)))))]
unsafe fn piece_out_of_shared(from: *const u8, to: *mut u8) {
    for at in [0, WORD_BYTES] {
        // SAFETY: as the caller says.
        unsafe { word_out_of_shared(from.wrapping_add(at), to.wrapping_add(at), WORD_BYTES) };
    }
}

/// Copies `bytes` bytes into shared memory; what is left of the last word becomes zero. The bytes may be padding.
///
/// # Safety
/// `from` is valid for reads of `bytes` bytes, which nobody writes meanwhile. `to` is a multiple of 8, and from there
/// on as many bytes as `bytes` rounded up to 8 are mapped for writing and only accessed atomically.
#[inline(always)]
pub(super) unsafe fn into_shared(from: *const u8, to: *mut u8, bytes: usize) {
    let mut at = 0;
    while at < bytes {
        let count = WORD_BYTES.min(bytes - at);
        let mut word = MaybeUninit::<u64>::zeroed();
        // SAFETY: `count` bytes lie in the word, and from `at` on in what the caller lets us read.
        unsafe { word.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(from.wrapping_add(at), count) };
        // SAFETY: mapped, aligned, and everybody's accesses are atomic, says the caller.
        let shared = unsafe { &*to.wrapping_add(at).cast::<AtomicU64>() };
        shared.store(frozen(word), Relaxed);
        at += WORD_BYTES;
    }
}

/// The word with some value in the place of bytes that have none: a struct's padding.
#[inline(always)]
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
fn frozen(word: MaybeUninit<u64>) -> u64 {
    let frozen;
    // SAFETY: does nothing. A register has a value, whatever is known of it to the compiler, which cannot look in here.
    unsafe {
        std::arch::asm!("/* {0} */", inlateout(reg) word => frozen, options(pure, nomem, nostack, preserves_flags));
    }
    frozen
}

#[inline(always)]
#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
fn frozen(word: MaybeUninit<u64>) -> u64 {
    // SAFETY: aligned and readable. Volatile: the compiler takes what it finds in memory, and concludes nothing from
    // that nothing may have been written there.
    unsafe { (&raw const word).cast::<u64>().read_volatile() }
}

#[cfg(all(test, not(cotenant_model)))]
mod tests {
    use super::*;

    #[test]
    fn every_length_goes_in_and_out_and_touches_nothing_else() {
        for bytes in 0..=200 {
            let shared = [const { AtomicU64::new(u64::MAX) }; 26];
            let from: Vec<u8> = (1..=bytes).map(|byte| byte as u8).collect();
            let mut to = vec![0xee_u8; bytes + 1];
            let place: *mut u8 = (&raw const shared).cast_mut().cast();
            // SAFETY: 208 bytes of atomics; both vectors are long enough.
            unsafe { into_shared(from.as_ptr(), place, bytes) };
            // SAFETY: as above.
            unsafe { out_of_shared(place, to.as_mut_ptr(), bytes) };
            assert_eq!(&to[..bytes], &from[..]);
            assert_eq!(to[bytes], 0xee, "a byte behind it");
            let untouched = shared.iter().skip(bytes.div_ceil(8)).all(|word| word.load(Relaxed) == u64::MAX);
            assert!(untouched, "a word behind {bytes} bytes");
        }
    }
}
