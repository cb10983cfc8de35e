//! A shard in private memory, for the model checker (tests/models): the very functions of `Cache`, without a segment.
//!
//! Only under `--cfg cotenant_model`. Slabs of a few words, so that a few insertions evict.

use super::entry::HEAD_WORDS;
use super::flight::{Flight, Waited};
use super::hash::Seed;
use super::layout::{ExtentShape, Shape};
use super::memory::{Memory, Words, publish_first};
use super::pin::Hold;
use super::shard::Shard;
use super::space::Content;
use super::words::append_bytes;
use crate::lock::atomic::AtomicU64;

/// One shard of so many slabs, each with room for two entries of a word of key and two of value.
pub struct ModelCache {
    memory: Memory,
}

/// A pinned value, in place.
pub struct ModelPin {
    value: Words,
    _hold: Hold,
}

impl ModelPin {
    /// The value as it is now.
    pub fn value(&self) -> Vec<u8> {
        let mut value = Vec::new();
        append_bytes(self.value, self.value.len() * 8, &mut value);
        value
    }
}

impl ModelCache {
    /// Leaked, as shared memory is while somebody maps it.
    pub fn new(slabs: usize) -> ModelCache {
        let shape = Shape { shards: 1, slab_words_log2: 4, pins: 2, participants: 1 };
        let extent = ExtentShape { slabs, buckets: 2, is_first: true };
        const { assert!(1 + 2 * (HEAD_WORDS + 3) <= 16) };
        let words: Words = Box::leak((0..extent.words(shape)).map(|_| AtomicU64::new(0)).collect());
        publish_first(words);
        super::flight::forget_held();
        ModelCache { memory: Memory::new(shape, Seed([1, 2]), (words, extent), false, Box::new(|_| None)) }
    }

    fn shard(&self) -> Shard<'_> {
        Shard::of(&self.memory, 0)
    }

    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        let read = self.shard().read(self.memory.probe(key), key, |_, entry| {
            value.clear();
            append_bytes(entry.value(), entry.lengths.value_bytes, &mut value);
        });
        read.map(|_| value)
    }

    /// As `get`, of a reader whose tries in the bucket have all failed.
    pub fn get_alone(&self, key: &[u8]) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        let read = self.shard().read_alone(self.memory.probe(key), key, &mut |_, entry| {
            value.clear();
            append_bytes(entry.value(), entry.lengths.value_bytes, &mut value);
        });
        read.map(|_| value)
    }

    /// Whether there was room.
    pub fn insert(&self, key: &[u8], value: &[u8]) -> bool {
        let shard = self.shard().lock().expect("a participant");
        shard.put(self.memory.probe(key), Content { key, value, expires_ms: 0 }).is_ok()
    }

    pub fn remove(&self, key: &[u8]) -> bool {
        let shard = self.shard().lock().expect("a participant");
        let found = shard.find(self.memory.probe(key), key).expect("an index");
        found.map(|found| shard.remove(found)).is_some()
    }

    pub fn pin(&self, key: &[u8]) -> Option<ModelPin> {
        let hold = Hold::take(&self.memory).ok()?;
        let mut seen = None;
        let read = self.shard().read(self.memory.probe(key), key, |place, entry| {
            hold.name(0, (place >> self.memory.shape.slab_words_log2) as usize);
            seen = Some(entry.value());
        });
        read.and(seen).map(|value| ModelPin { value, _hold: hold })
    }

    /// As `Cache::get_or_insert_with`.
    pub fn compute(&self, key: &[u8], make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        let probe = self.memory.probe(key);
        let computing = loop {
            if let Some(value) = self.get(key) {
                return value;
            }
            let shard = self.shard().lock().expect("a participant");
            if shard.find_fresh(probe, key).expect("an index").is_some() {
                continue;
            }
            match shard.begin_flight(probe).expect("no nesting") {
                Flight::Ours(computing) => break Some(computing),
                Flight::Untold => break None,
                Flight::Theirs(awaited) => {
                    drop(shard);
                    if awaited.wait(&self.memory).expect("another one's") == Waited::InCircle {
                        break None;
                    }
                }
            }
        };
        let value = make();
        self.insert(key, &value);
        drop(computing);
        value
    }

    /// Entries by the shard's own sum, after a write has put it right.
    pub fn counted_entries(&self) -> u64 {
        let words = self.shard().words;
        words[super::shard::ENTRIES].load(crate::lock::atomic::Ordering::Relaxed)
    }
}
