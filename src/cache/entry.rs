//! An entry: what a slab holds, one behind the other.
//!
//! ```text
//! word 0          1         2            3 ...                    ...
//! lengths         version   expires_ms   key, to a whole word     value, to a whole word
//! key 32 | value 32
//! ```
//!
//! Whether an entry is one is said by the index alone: what no slot leads to is a hole, whatever it holds. A hole keeps
//! its lengths, so that a slab can be walked. Nothing of an entry changes while a slot leads to it, but `expires_ms`.

use super::memory::Words;
use super::words::words_for;
use crate::lock::atomic::AtomicU64;
use crate::lock::atomic::Ordering::Relaxed;

pub(super) const HEAD_WORDS: usize = 3;
const LENGTHS: usize = 0;
pub(super) const VERSION: usize = 1;
pub(super) const EXPIRES: usize = 2;
/// In a hole: the next hole of its length.
pub(super) const NEXT_HOLE: usize = VERSION;

/// How long the parts of an entry are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lengths {
    pub(super) key_bytes: usize,
    pub(super) value_bytes: usize,
}

impl Lengths {
    pub(super) fn words(self) -> usize {
        HEAD_WORDS + words_for(self.key_bytes) + words_for(self.value_bytes)
    }

    pub(super) fn pack(self) -> u64 {
        (self.key_bytes as u64) << 32 | self.value_bytes as u64
    }

    fn unpack(word: u64) -> Lengths {
        Lengths { key_bytes: (word >> 32) as usize, value_bytes: word as u32 as usize }
    }
}

/// An entry, or what was one, within its slab.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    words: Words,
    pub(super) lengths: Lengths,
}

impl Entry {
    /// What begins at that word of all slabs of an extent; `None` if it leads out of its slab, or of them.
    #[inline]
    pub(super) fn at(slabs: Words, at: usize, slab_words_log2: u32) -> Option<Entry> {
        let lengths = Lengths::unpack(slabs.get(at)?.load(Relaxed));
        let (begin, end) = (at, at + lengths.words());
        let is_within = begin >> slab_words_log2 == (end - 1) >> slab_words_log2;
        is_within.then(|| slabs.get(begin..end)).flatten().map(|words| Entry { words, lengths })
    }

    #[inline]
    pub(super) fn key(self) -> Words {
        &self.words[HEAD_WORDS..HEAD_WORDS + words_for(self.lengths.key_bytes)]
    }

    #[inline]
    pub(super) fn value(self) -> Words {
        &self.words[HEAD_WORDS + words_for(self.lengths.key_bytes)..]
    }

    pub(super) fn word_count(self) -> usize {
        self.words.len()
    }

    pub(super) fn words(self) -> Words {
        self.words
    }

    pub(super) fn version(self) -> &'static AtomicU64 {
        &self.words[VERSION]
    }

    /// When it expires, in milliseconds since the system started; 0: never.
    #[inline]
    pub(super) fn expires_ms(self) -> &'static AtomicU64 {
        &self.words[EXPIRES]
    }
}

/// Writes all words of an entry into `words`, which are as many.
pub(super) fn write(words: &[AtomicU64], lengths: Lengths, version: u64, expires_ms: u64, key: &[u8], value: &[u8]) {
    debug_assert_eq!(words.len(), lengths.words());
    // First, in one store: a hole stays one of the same length whatever comes of the rest.
    words[LENGTHS].store(lengths.pack(), Relaxed);
    words[VERSION].store(version, Relaxed);
    words[EXPIRES].store(expires_ms, Relaxed);
    let (key_words, value_words) = words[HEAD_WORDS..].split_at(words_for(key.len()));
    super::words::write_bytes(key_words, key);
    super::words::write_bytes(value_words, value);
}
