//! What is counted: by each thread for itself, by each participant in a line of its own, by the shards under their
//! locks.
//!
//! ```text
//! stripe (private)      events | how many of them were told         one for each thread: no thread waits for another
//!                          | every 64th, and when somebody asks
//!                          v
//! participant's line    | hits | misses | stale | inserts | computed | awaited | - | - |   one for each slot, never
//! reset
//! ```
//!
//! The next tenant of a slot adds on. A process that is killed takes with it what its threads had not told.

use std::cell::Cell;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};

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

/// One more than the threads that can have a stripe of their own at the same time; the others share the last.
const STRIPES: usize = 32;
/// Between two times that a thread tells the others.
const TOLD_EVERY: u64 = 64;

/// What one thread counted, on lines of its own.
#[derive(Default)]
#[repr(align(64))]
struct Stripe {
    events: [AtomicU64; EVENTS],
    told: [AtomicU64; EVENTS],
}

/// The counts of this process.
pub(super) struct Counts {
    stripes: Box<[Stripe; STRIPES]>,
    /// The slot that this process had when it last told; a child of a fork has another.
    slot: AtomicUsize,
    /// What the stripes held when this process became what it is: in a child of a fork its parent's counts.
    before: [AtomicU64; EVENTS],
}

impl Counts {
    pub(super) fn new(memory: &Memory) -> Counts {
        Counts { stripes: Box::default(), slot: AtomicUsize::new(slot(memory)), before: Default::default() }
    }

    /// Counts something that this process did.
    #[inline]
    pub(super) fn count(&self, memory: &Memory, event: Event) {
        let nth = stripe_of_this_thread();
        let count = &self.stripes[nth].events[event as usize];
        let now = if nth < STRIPES - 1 {
            // Nobody else writes it.
            let now = count.load(Relaxed) + 1;
            count.store(now, Relaxed);
            now
        } else {
            count.fetch_add(1, Relaxed) + 1
        };
        if now % TOLD_EVERY == 0 {
            self.tell_of(memory, &self.stripes[nth], event as usize, now);
        }
    }

    /// Adds what was counted since the last time to the participant's line.
    pub(super) fn tell(&self, memory: &Memory) {
        for stripe in self.stripes.iter() {
            for (event, count) in stripe.events.iter().enumerate() {
                self.tell_of(memory, stripe, event, count.load(Relaxed));
            }
        }
    }

    #[cold]
    fn tell_of(&self, memory: &Memory, stripe: &Stripe, event: usize, now: u64) {
        let slot = slot(memory);
        if self.slot.swap(slot, Relaxed) != slot {
            // A child of a fork: what is here is its parent's, which tells it itself, and a few of its own.
            for stripe in self.stripes.iter() {
                stripe
                    .told
                    .iter()
                    .zip(&stripe.events)
                    .for_each(|(told, count)| told.store(count.load(Relaxed), Relaxed));
            }
            self.before.iter().enumerate().for_each(|(event, before)| before.store(self.sum(event), Relaxed));
        }
        // Of two who tell at once, each adds the difference to what the other one put there, which may be negative.
        let untold = now.wrapping_sub(stripe.told[event].swap(now, Relaxed));
        memory.counts(slot)[event].fetch_add(untold, Relaxed);
    }

    fn sum(&self, event: usize) -> u64 {
        self.stripes.iter().fold(0, |sum, stripe| sum.wrapping_add(stripe.events[event].load(Relaxed)))
    }

    /// What this process did. A child of a fork counts from when it first tells, or asks.
    pub(super) fn activity(&self, memory: &Memory) -> CacheActivity {
        self.tell(memory);
        CacheActivity::of(|event| self.sum(event).wrapping_sub(self.before[event].load(Relaxed)))
    }
}

/// The stripes that threads of this process have, each a bit. A child of a fork inherits those of its parent's other
/// threads, which do not give them back in it.
static TAKEN: AtomicU32 = AtomicU32::new(SHARED);
/// The last one: nobody's own.
const SHARED: u32 = 1 << (STRIPES - 1);

thread_local! {
    /// Of this thread; none yet: `usize::MAX`. Without a destructor, so that it can be asked for until the very end.
    static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
    static TO_GIVE_BACK: StripeGuard = const { StripeGuard };
}

/// Gives the thread's stripe back when it ends.
struct StripeGuard;

impl Drop for StripeGuard {
    fn drop(&mut self) {
        let stripe = STRIPE.replace(STRIPES - 1);
        if stripe < STRIPES - 1 {
            // Release pairs with the Acquire of who takes it: it goes on from what this thread counted.
            TAKEN.fetch_and(!(1 << stripe), Release);
        }
    }
}

#[inline]
fn stripe_of_this_thread() -> usize {
    let stripe = STRIPE.get();
    if stripe == usize::MAX { take_stripe() } else { stripe }
}

#[cold]
#[inline(never)]
fn take_stripe() -> usize {
    // A thread that is about to end has none.
    let may_give_back = TO_GIVE_BACK.try_with(|_| ()).is_ok();
    let free = |taken: u32| (may_give_back && taken != u32::MAX).then(|| taken | (taken + 1));
    let stripe = match TAKEN.fetch_update(Acquire, Relaxed, free) {
        Ok(taken) => taken.trailing_ones() as usize,
        Err(_) => STRIPES - 1,
    };
    STRIPE.set(stripe);
    stripe
}

fn line_of(words: Words) -> [u64; EVENTS] {
    std::array::from_fn(|event| words[event].load(Relaxed))
}

/// The slot of this process; 0 of one that has none.
fn slot(memory: &Memory) -> usize {
    as_lock(memory.pins_used()).this_thread().map_or(0, |ticket| (ticket.word() >> 52) as usize)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_ends_gives_its_stripe_back() {
        for nth in 0..100 {
            let stripe = std::thread::spawn(stripe_of_this_thread).join().expect("no panic");
            assert!(stripe < STRIPES - 1, "thread {nth} shares one");
        }
        assert_eq!(stripe_of_this_thread(), stripe_of_this_thread());
    }
}
