//! Stores in an order, and of a size, that leave a valid value wherever the process is killed.
//!
//! A kill is precise: the instructions before it have been done, those after it have not, and the stores of a dead
//! process become visible to all. So only the compiler can spoil an order, and only two things have to be prevented:
//! that it moves a store over another, and that a copy is made of pieces smaller than a scalar. `memcpy` may be such
//! a copy (`rep movsb` can be interrupted at any byte): half of one `char` and half of another need not be a `char`.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::slice;
use std::sync::atomic::Ordering::{Release, SeqCst};
use std::sync::atomic::{AtomicU8, AtomicU32, compiler_fence};

use crate::process_sync::ProcessSync;

/// Puts `item` into `slot`. A process killed meanwhile leaves each scalar of `slot` old or new, hence a valid `T`.
///
/// Copies by the word: as wide as `T` is aligned, up to the machine's word. A scalar is as large as it is aligned, and
/// `T` is aligned as its strictest scalar, so no scalar spans two words. The exceptions are wider than the machine's
/// word, and every byte pattern is a value of them.
#[inline]
pub(super) fn overwrite<T: ProcessSync + Copy>(slot: &mut T, item: T) {
    match align_of::<T>().min(size_of::<usize>()) {
        1 => *slot = item, // made of bytes, and no copy is finer than that
        2 => overwrite_words::<T, u16>(slot, item),
        4 => overwrite_words::<T, u32>(slot, item),
        _ => overwrite_words::<T, u64>(slot, item),
    }
}

#[inline]
fn overwrite_words<T: ProcessSync + Copy, W: Copy>(slot: &mut T, item: T) {
    let words = size_of::<T>() / size_of::<W>();
    let from: *const MaybeUninit<W> = (&raw const item).cast();
    let to: *mut MaybeUninit<W> = (&raw mut *slot).cast();
    // SAFETY: `item` is alive and not written meanwhile, it is aligned to `W` (the caller chose `W` no wider than the
    // alignment of `T`), and `words` of them lie within it. `MaybeUninit` admits padding.
    let from = unsafe { slice::from_raw_parts(from, words) };
    // SAFETY: as above; `slot` is borrowed exclusively for as long as `to`. Who reads `slot` as `T` afterwards finds
    // the bytes of `item`: `words * size_of::<W>()` is the size of `T`, as a size is a multiple of its alignment.
    let to = unsafe { slice::from_raw_parts_mut(to, words) };
    for (to, from) in to.iter_mut().zip(from) {
        // SAFETY: a reference is valid for writes and aligned. Volatile, because such a write is neither split nor
        // merged with its neighbours into a `memcpy`.
        unsafe { (&raw mut *to).write_volatile(*from) };
    }
}

/// Stores a length after the items or bytes that it counts: a process killed earlier leaves the old length.
///
/// The store is a Release, which nothing written before it may pass. It pairs with no Acquire of its own: readers come
/// through the lock that the dead writer held.
#[inline]
pub(super) fn publish_len(len: &mut u32, value: usize) {
    debug_assert!(value <= u32::MAX as usize, "capacities fit in 32 bits, see `capacity_fits`");
    // SAFETY: aligned (a `u32` is aligned as an `AtomicU32` on every target with one of them), and borrowed exclusively
    // for the whole life of the atomic, so no access races with it.
    let len = unsafe { AtomicU32::from_ptr(len) };
    len.store(value as u32, Release);
}

/// Stores a length of zero before what it counted is written over: one killed later leaves nothing, not a mixture.
#[inline]
pub(super) fn retract_len(len: &mut u32) {
    publish_len(len, 0);
    // A Release store does not hold back what follows it; this does.
    compiler_fence(SeqCst);
}

/// [`publish_len`] for a flag.
#[inline]
pub(super) fn publish_flag(flag: &mut u8) {
    // SAFETY: borrowed exclusively for the whole life of the atomic; a byte is always aligned.
    let flag = unsafe { AtomicU8::from_ptr(flag) };
    flag.store(1, Release);
}

/// [`retract_len`] for a flag.
#[inline]
pub(super) fn retract_flag(flag: &mut u8) {
    // SAFETY: as in `publish_flag`.
    let flag = unsafe { AtomicU8::from_ptr(flag) };
    flag.store(0, Release);
    compiler_fence(SeqCst);
}

/// The value whose bytes are all zero.
#[inline]
pub(super) const fn zeroed<T: ProcessSync>() -> T {
    const {
        assert!(
            T::ZERO_IS_VALID,
            "zero bytes are no value of this type, so the empty places need another filler: use \
             `Array::empty_with(filler)` instead of `Array::new()`, `Optional::none_with(filler)` instead of \
             `Optional::none()`"
        );
    }
    // SAFETY: `ZERO_IS_VALID` is the implementer's promise that all-zero bytes are a value of `T`.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// Refuses, while compiling, a capacity that a length of 32 bits cannot count.
pub(super) const fn capacity_fits<const N: usize>() {
    const { assert!(N <= u32::MAX as usize, "the capacity must be less than 4,294,967,296: the length has 32 bits") };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overwritten<T: ProcessSync + Copy>(mut old: T, new: T) -> T {
        overwrite(&mut old, new);
        old
    }

    #[test]
    fn every_width_is_copied_whole() {
        assert_eq!(overwritten([1u8; 5], [2, 3, 4, 5, 6]), [2, 3, 4, 5, 6]);
        assert_eq!(overwritten((1u16, true), (2, false)), (2, false));
        assert_eq!(overwritten(('a', 1u8), ('\u{10ffff}', 2)), ('\u{10ffff}', 2));
        assert_eq!(overwritten((1u8, 2u64, 3u16), (4, 5, 6)), (4, 5, 6));
        assert_eq!(overwritten(1u128, u128::MAX - 1), u128::MAX - 1);
        overwritten((), ());
    }

    #[test]
    fn flags_and_lengths_are_stored() {
        let (mut len, mut flag) = (7u32, 7u8);
        retract_len(&mut len);
        retract_flag(&mut flag);
        assert_eq!((len, flag), (0, 0));
        publish_len(&mut len, 3);
        publish_flag(&mut flag);
        assert_eq!((len, flag), (3, 1));
    }
}
