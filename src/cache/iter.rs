//! `Entries`: a walk through a cache, bucket by bucket, of copies.
//!
//! A shard that takes a larger index meanwhile is walked through again from its first bucket: an entry may have changed
//! to a bucket that had been passed.

use std::fmt;
use std::time::Duration;

use super::entry::Entry;
use super::layout::BUCKET_SLOTS;
use super::memory::Memory;
use super::shard::{Shard, now_ms};
use super::words::append_bytes;

/// An entry of a cache, copied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheEntry {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// For [`Cache::compare_and_swap`](crate::cache::Cache::compare_and_swap).
    pub version: u64,
    /// How long it still lives, if it does not for ever.
    pub expires_in: Option<Duration>,
}

/// The entries of a cache that have not expired. Of [`Cache::iter`](crate::cache::Cache::iter) and
/// [`CacheReader::iter`](crate::cache::CacheReader::iter).
pub struct Entries<'a> {
    memory: &'a Memory,
    shard: usize,
    /// Whose index is walked through.
    extent: usize,
    bucket: usize,
    /// Of the bucket before.
    ready: Vec<CacheEntry>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(memory: &'a Memory) -> Entries<'a> {
        Entries { memory, shard: 0, extent: 0, bucket: 0, ready: Vec::new() }
    }

    /// No entries.
    pub(super) fn none(memory: &'a Memory) -> Entries<'a> {
        Entries { shard: memory.shape.shards, ..Entries::new(memory) }
    }

    /// Copies of the next bucket's entries; `false`: there is none.
    fn advance(&mut self) -> bool {
        while self.shard < self.memory.shape.shards {
            let shard = Shard::of(self.memory, self.shard);
            let extent = shard.index_word().extent();
            if self.extent != extent {
                (self.extent, self.bucket) = (extent, 0);
            }
            match self.memory.index(self.shard, extent) {
                Some(index) if self.bucket < index.bucket_count() => {
                    self.ready = (0..BUCKET_SLOTS).filter_map(|nth| copy(&shard, extent, self.bucket, nth)).collect();
                    self.bucket += 1;
                    return true;
                }
                _ => (self.shard, self.bucket) = (self.shard + 1, 0),
            }
        }
        false
    }
}

/// A copy of the entry in a slot, if there is one whose time is not over.
fn copy(shard: &Shard<'_>, extent: usize, bucket: usize, nth: usize) -> Option<CacheEntry> {
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let read = shard.read_nth(extent, bucket, nth, &mut |_, entry: Entry| {
        key.clear();
        value.clear();
        append_bytes(entry.key(), entry.lengths.key_bytes, &mut key);
        append_bytes(entry.value(), entry.lengths.value_bytes, &mut value);
    })?;
    let expires_in = || Duration::from_millis(read.expires_ms.saturating_sub(now_ms()));
    (!read.is_expired).then(|| CacheEntry {
        key,
        value,
        version: read.version,
        expires_in: (read.expires_ms != 0).then(expires_in),
    })
}

impl Iterator for Entries<'_> {
    type Item = CacheEntry;

    fn next(&mut self) -> Option<CacheEntry> {
        loop {
            if let Some(entry) = self.ready.pop() {
                return Some(entry);
            }
            if !self.advance() {
                return None;
            }
        }
    }
}

impl fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").field("shard", &self.shard).field("bucket", &self.bucket).finish_non_exhaustive()
    }
}
