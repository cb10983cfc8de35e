//! What is counted: by each participant in a line of its own, by the shards under their locks.
//!
//! ```text
//! participant's line   | hits | misses | stale | inserts | computed | awaited | - | - |     one for each slot, never
//! reset
//! ```
//!
//! The next tenant of a slot adds on. What one process did is the difference to what it found when it opened the cache.

use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use super::memory::{Memory, Words};
use super::shard::{
    BYTES, ENTRIES, EVICTED_BY_INDEX, EVICTED_EXPIRED, EVICTED_FOR_SPACE, REMOVED, REPAIRED, Shard, as_lock,
};

/// What is counted for each participant.
#[derive(Clone, Copy)]
pub(super) enum Event {
    Hit,
    Miss,
    Stale,
    Insert,
    Computed,
    Awaited,
}

const EVENTS: usize = 6;

/// What happened in a cache, and what is in it. Of [`Cache::stats`](crate::cache::Cache::stats) and
/// [`CacheReader::stats`](crate::cache::CacheReader::stats).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// What the processes that write did, those that have ended included.
    pub activity: CacheActivity,
    /// Entries, those that have expired and are still there included.
    pub entries: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// The budget: bytes of all memory for entries, their index, and the cache's own words.
    pub capacity_bytes: u64,
    /// Entries that were thrown out to make room.
    pub evicted_for_space: u64,
    /// Entries whose time was over when their room was taken.
    pub evicted_expired: u64,
    /// Entries that were thrown out because the index was full around them: they are much shorter than
    /// `mean_entry_bytes` says.
    pub evicted_by_index: u64,
    /// Entries that were removed by `remove`, `clear` not counted.
    pub removed: u64,
    /// How often a shard was put right after the death of a writer.
    pub repairs: u64,
}

/// What one process did with a cache, or all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheActivity {
    /// Reads that found an entry.
    pub hits: u64,
    /// Reads that found none, or one whose time was over.
    pub misses: u64,
    /// Reads that were content with an entry whose time was over, and found one.
    pub stale_hits: u64,
    /// Entries that were inserted, in the place of others or not.
    pub inserts: u64,
    /// Entries that were computed in single flight.
    pub computed: u64,
    /// How often somebody waited for another one's computation.
    pub awaited: u64,
}

impl CacheActivity {
    fn of(line: impl Fn(usize) -> u64) -> CacheActivity {
        CacheActivity {
            hits: line(Event::Hit as usize),
            misses: line(Event::Miss as usize),
            stale_hits: line(Event::Stale as usize),
            inserts: line(Event::Insert as usize),
            computed: line(Event::Computed as usize),
            awaited: line(Event::Awaited as usize),
        }
    }
}

/// The counts of this process.
pub(super) struct Counts {
    /// The line, and what was in it when this process got its slot.
    since: Mutex<(usize, [u64; EVENTS])>,
}

impl Counts {
    pub(super) fn new(memory: &Memory) -> Counts {
        let slot = slot(memory);
        Counts { since: Mutex::new((slot, line_of(memory.counts(slot)))) }
    }

    /// What this process did. A child of a fork counts from when it first asks.
    pub(super) fn activity(&self, memory: &Memory) -> CacheActivity {
        let slot = slot(memory);
        let now = line_of(memory.counts(slot));
        let mut since = self.since.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if since.0 != slot {
            *since = (slot, now);
        }
        CacheActivity::of(|event| now[event].wrapping_sub(since.1[event]))
    }
}

fn line_of(words: Words) -> [u64; EVENTS] {
    std::array::from_fn(|event| words[event].load(Relaxed))
}

/// The slot of this process; 0 of one that has none.
#[inline]
fn slot(memory: &Memory) -> usize {
    if memory.is_read_only {
        return 0;
    }
    as_lock(memory.pins_used()).this_thread().map_or(0, |ticket| (ticket.word() >> 52) as usize)
}

/// Counts something that this process did.
#[inline]
pub(super) fn count(memory: &Memory, event: Event) {
    if !memory.is_read_only {
        memory.counts(slot(memory))[event as usize].fetch_add(1, Relaxed);
    }
}

/// All that is counted.
pub(super) fn stats(memory: &Memory) -> CacheStats {
    let mut sum = [0_u64; EVENTS];
    for slot in 0..memory.shape.participants {
        let line = line_of(memory.counts(slot));
        sum.iter_mut().zip(line).for_each(|(sum, count)| *sum = sum.wrapping_add(count));
    }
    let of_shards = |at: usize| {
        let shards = (0..memory.shape.shards).map(|number| Shard::of(memory, number).words[at].load(Relaxed));
        shards.fold(0, u64::wrapping_add)
    };
    CacheStats {
        activity: CacheActivity::of(|event| sum[event]),
        entries: of_shards(ENTRIES),
        bytes: of_shards(BYTES),
        capacity_bytes: memory.capacity_bytes(),
        evicted_for_space: of_shards(EVICTED_FOR_SPACE),
        evicted_expired: of_shards(EVICTED_EXPIRED),
        evicted_by_index: of_shards(EVICTED_BY_INDEX),
        removed: of_shards(REMOVED),
        repairs: of_shards(REPAIRED),
    }
}
