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

/// The words that bytes are laid out as.
pub(super) fn as_words(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks(WORD_BYTES).map(|chunk| match chunk.try_into() {
        Ok(whole) => u64::from_ne_bytes(whole),
        Err(_) => {
            let mut padded = [0; WORD_BYTES];
            padded[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(padded)
        }
    })
}

/// Copies `bytes` into the words, whose number is that of the bytes.
pub(super) fn write_bytes(words: &[AtomicU64], bytes: &[u8]) {
    for (word, value) in words.iter().zip(as_words(bytes)) {
        word.store(value, Relaxed);
    }
}

/// Copies so many bytes to the end of `to`; the words are as many as those have.
#[inline]
pub(super) fn append_bytes(words: &[AtomicU64], byte_count: usize, to: &mut Vec<u8>) {
    let begin = to.len();
    to.reserve(words.len() * WORD_BYTES);
    for (chunk, word) in to.spare_capacity_mut().chunks_exact_mut(WORD_BYTES).zip(words) {
        for (place, byte) in chunk.iter_mut().zip(word.load(Relaxed).to_ne_bytes()) {
            place.write(byte);
        }
    }
    // SAFETY: reserved, and just written: whole words, of which no more than were there are counted.
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
    words.len() == words_for(bytes.len())
        && words.iter().zip(as_words(bytes)).all(|(word, it)| word.load(Relaxed) == it)
}
