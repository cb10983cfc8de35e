//! Shared memory as 64-bit atomic words: all that the cache ever touches.
//!
//! ```text
//! bytes   | k e y s   a r | e   l i k e 0 0 |      in memory order, the last word filled up with zeros
//! words   |    word 0     |    word 1       |
//! ```
//!
//! A slice of atomics may change under its reader at any time, and every index into it is checked: hostile bytes can
//! make it give anything but undefined behaviour. What was copied counts only after the copier has looked again at what
//! says that it stayed the same (`shard::read`).

#![allow(unsafe_code)]

use crate::lock::atomic::AtomicU64;
use crate::lock::atomic::Ordering::Relaxed;

pub(super) const WORD_BYTES: usize = 8;
/// A cache line.
pub(super) const LINE_WORDS: usize = 8;

/// Words that hold so many bytes.
pub(super) const fn words_for(bytes: usize) -> usize {
    bytes.div_ceil(WORD_BYTES)
}

/// Words, a line at a time; what is left over at the end is left out.
pub(super) fn lines(words: &[AtomicU64]) -> &[[AtomicU64; LINE_WORDS]] {
    let count = words.len() / LINE_WORDS;
    // SAFETY: as many words are there, and an array lies as its elements do.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), count) }
}

/// The words that bytes are laid out as: the whole ones, and a last one if there is a rest.
#[inline]
pub(super) fn as_words(bytes: &[u8]) -> (impl ExactSizeIterator<Item = u64> + '_, Option<u64>) {
    let whole = bytes.chunks_exact(WORD_BYTES);
    let rest = whole.remainder();
    let last = (!rest.is_empty()).then(|| {
        let mut padded = [0; WORD_BYTES];
        padded[..rest.len()].copy_from_slice(rest);
        u64::from_ne_bytes(padded)
    });
    (whole.map(|chunk| u64::from_ne_bytes(chunk.try_into().expect("a whole word"))), last)
}

/// Copies `bytes` into the words, whose number is that of the bytes.
pub(super) fn write_bytes(words: &[AtomicU64], bytes: &[u8]) {
    let (whole, last) = as_words(bytes);
    let (of_whole, rest) = words.split_at(whole.len().min(words.len()));
    for (word, value) in of_whole.iter().zip(whole) {
        word.store(value, Relaxed);
    }
    if let (Some(word), Some(value)) = (rest.first(), last) {
        word.store(value, Relaxed);
    }
}

/// Copies so many bytes to the end of `to`; the words are as many as those have.
#[inline]
pub(super) fn append_bytes(words: &[AtomicU64], byte_count: usize, to: &mut Vec<u8>) {
    let begin = to.len();
    to.reserve(words.len() * WORD_BYTES);
    let place = to.spare_capacity_mut().as_mut_ptr().cast::<u64>();
    for (nth, word) in words.iter().enumerate() {
        // SAFETY: as many bytes were reserved.
        let to = unsafe { place.add(nth) };
        // SAFETY: as above; a word may be written anywhere.
        unsafe { to.write_unaligned(word.load(Relaxed)) };
    }
    // SAFETY: just written: whole words, of which no more than were there are counted.
    unsafe { to.set_len(begin + byte_count.min(words.len() * WORD_BYTES)) };
}

/// Copies the bytes of the words to the front of `to`; nothing if it is too short for them.
#[inline]
pub(super) fn copy_bytes(words: &[AtomicU64], byte_count: usize, to: &mut [u8]) {
    let Some(to) = to.get_mut(..byte_count) else { return };
    for (chunk, word) in to.chunks_mut(WORD_BYTES).zip(words) {
        chunk.copy_from_slice(&word.load(Relaxed).to_ne_bytes()[..chunk.len()]);
    }
}

/// Whether the words hold these bytes.
#[inline]
pub(super) fn hold_bytes(words: &[AtomicU64], bytes: &[u8]) -> bool {
    if words.len() != words_for(bytes.len()) {
        return false;
    }
    let (whole, last) = as_words(bytes);
    let rest = words.get(whole.len());
    words.iter().zip(whole).all(|(word, it)| word.load(Relaxed) == it)
        && last.is_none_or(|it| rest.is_some_and(|word| word.load(Relaxed) == it))
}
