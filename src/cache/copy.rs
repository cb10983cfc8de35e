//! A copy of a value for `read_with`: on the stack if it is short.

use std::sync::atomic::Ordering::Relaxed;

use super::entry::Entry;
use super::words::{WORD_BYTES, append_bytes};

const STACK_BYTES: usize = 1024;

pub(super) struct Copied {
    short: [u8; STACK_BYTES],
    long: Vec<u8>,
    byte_count: usize,
}

impl Copied {
    pub(super) fn new() -> Copied {
        Copied { short: [0; STACK_BYTES], long: Vec::new(), byte_count: 0 }
    }

    /// Copies the value of an entry in the place of what was copied before.
    pub(super) fn copy(&mut self, entry: Entry) {
        self.byte_count = entry.lengths.value_bytes;
        if self.byte_count > STACK_BYTES {
            self.long.clear();
            return append_bytes(entry.value(), self.byte_count, &mut self.long);
        }
        for (chunk, word) in self.short.chunks_exact_mut(WORD_BYTES).zip(entry.value()) {
            chunk.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        if self.byte_count > STACK_BYTES { &self.long } else { &self.short[..self.byte_count] }
    }
}
