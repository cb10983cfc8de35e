//! `Entries`: a walk through a cache, bucket by bucket, of copies.

use std::fmt;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use super::entry::Entry;
use super::index::Bucket;
use super::memory::Memory;
use super::shard::{Shard, now_ms};
use super::words::append_bytes;

/// A bucket that changes so often while it is copied is left out: its writers are hostile.
const TRIES: usize = 1000;

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
    bucket: usize,
    /// Of the bucket before.
    ready: Vec<CacheEntry>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(memory: &'a Memory) -> Entries<'a> {
        Entries { memory, shard: 0, bucket: 0, ready: Vec::new() }
    }

    /// Copies of the next bucket's entries; `false`: there is none.
    fn advance(&mut self) -> bool {
        while self.shard < self.memory.shape.shards {
            let shard = Shard::of(self.memory, self.shard);
            match shard.index() {
                Some(index) if self.bucket < index.bucket_count() => {
                    self.ready = (0..TRIES).find_map(|_| copies(&shard, self.bucket)).unwrap_or_default();
                    self.bucket += 1;
                    return true;
                }
                _ => (self.shard, self.bucket) = (self.shard + 1, 0),
            }
        }
        false
    }
}

/// The entries of a bucket, if it does not change meanwhile.
fn copies(shard: &Shard<'_>, number: usize) -> Option<Vec<CacheEntry>> {
    let index_word = shard.index_word();
    let bucket: Bucket = shard.memory.index(shard.number, index_word.extent())?.nth_bucket(number);
    // Acquire pairs with the Release of `count_change`.
    let before = bucket.sequence().load(Acquire);
    let now_ms = now_ms();
    let entries = bucket.taken().filter_map(|(_, slot)| shard.entry(slot.place()));
    let copies = entries.filter_map(|entry| copy(entry, now_ms)).collect();
    (!shard.has_changed(bucket, before, index_word)).then_some(copies)
}

fn copy(entry: Entry, now_ms: u64) -> Option<CacheEntry> {
    let expires_ms = entry.expires_ms().load(Relaxed);
    if expires_ms != 0 && expires_ms <= now_ms {
        return None;
    }
    let (mut key, mut value) = (Vec::new(), Vec::new());
    append_bytes(entry.key(), entry.lengths.key_bytes, &mut key);
    append_bytes(entry.value(), entry.lengths.value_bytes, &mut value);
    let expires_in = (expires_ms != 0).then(|| Duration::from_millis(expires_ms - now_ms));
    Some(CacheEntry { key, value, version: entry.version().load(Relaxed), expires_in })
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
