//! The index of a shard: buckets of seven slots, each of which leads to an entry.
//!
//! ```text
//! bucket  | sequence | slot | slot | slot | slot | slot | slot | slot |      one cache line
//!
//! slot    63        44 43      36 35     32 31            0
//!          tag (20)    period(8)  uses (4)   place (32)        place 0: empty
//! ```
//!
//! A key has two buckets. It lies in the first if there was room when it came, else in the second, and then the first
//! one's sequence number says so (bit 0, *spilled*): most look-ups read one line. The sequence number counts changes in
//! the bucket; it goes up *behind* a change and *before* the memory of what was taken out is used again. So a reader
//! that finds it unchanged after it has copied an entry has copied that entry, and no writer ever keeps it waiting.
//!
//! `uses` says in how many periods the entry was read, `period` which was the last of them (`evict`). *Ghosts* are
//! fingerprints of keys whose entries were thrown out lately, each with a count: a hint, and lossy.

use super::layout::{BUCKET_SLOTS, BUCKET_WORDS};
use super::memory::Words;
use crate::lock::atomic::AtomicU64;
use crate::lock::atomic::Ordering::{Acquire, Relaxed, Release};

pub(super) const SPILLED: u64 = 1;
const ONE_CHANGE: u64 = 2;
pub(super) const USES_MAX: u64 = 15;
const TAG_SHIFT: u32 = 44;
const PERIOD_SHIFT: u32 = 36;
const USES_SHIFT: u32 = 32;

/// Where a key may be found: its hash, taken apart.
#[derive(Clone, Copy)]
pub(super) struct Probe {
    hash: u64,
}

impl Probe {
    pub(super) fn new(hash: u64) -> Probe {
        Probe { hash }
    }

    pub(super) fn hash(self) -> u64 {
        self.hash
    }

    #[inline]
    pub(super) fn shard(self, shards: usize) -> usize {
        (self.hash >> 56) as usize & (shards - 1)
    }

    #[inline]
    fn tag(self) -> u64 {
        self.hash >> 36 & 0xf_ffff
    }

    #[inline]
    fn bucket(self, count: usize) -> usize {
        scale(self.hash as u32, count)
    }

    fn second_bucket(self, count: usize) -> usize {
        scale((self.hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32, count)
    }

    fn fingerprint(self) -> u64 {
        self.hash >> 20 & 0xff_ffff | 1
    }
}

/// One of `count` numbers, for one of all that 32 bits can hold.
#[inline]
fn scale(number: u32, count: usize) -> usize {
    ((u64::from(number) * count as u64) >> 32) as usize
}

/// What a slot holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot(pub(super) u64);

impl Slot {
    pub(super) const EMPTY: Slot = Slot(0);

    pub(super) fn new(probe: Probe, place: u32, period: u64, uses: u64) -> Slot {
        Slot(probe.tag() << TAG_SHIFT | (period & 0xff) << PERIOD_SHIFT | uses.min(USES_MAX) << USES_SHIFT)
            .with_place(place)
    }

    pub(super) fn with_place(self, place: u32) -> Slot {
        Slot(self.0 & !0xffff_ffff | u64::from(place))
    }

    pub(super) fn with_uses(self, uses: u64) -> Slot {
        Slot(self.0 & !(USES_MAX << USES_SHIFT) | uses.min(USES_MAX) << USES_SHIFT)
    }

    #[inline]
    pub(super) fn place(self) -> u32 {
        self.0 as u32
    }

    /// Whether it leads to the same place, for the same part of the hash: uses and period change with reads.
    pub(super) fn leads_as(self, other: Slot) -> bool {
        self.place() == other.place() && self.0 >> TAG_SHIFT == other.0 >> TAG_SHIFT
    }

    pub(super) fn uses(self) -> u64 {
        self.0 >> USES_SHIFT & USES_MAX
    }

    #[inline]
    fn period(self) -> u64 {
        self.0 >> PERIOD_SHIFT & 0xff
    }

    /// The slot after a read in `period`, if that is the first one in it.
    #[inline]
    pub(super) fn used_in(self, period: u64) -> Option<Slot> {
        (self.period() != period & 0xff).then(|| {
            let used = self.with_uses(self.uses() + 1);
            Slot(used.0 & !(0xff << PERIOD_SHIFT) | (period & 0xff) << PERIOD_SHIFT)
        })
    }

    /// Whether it may lead to the key, and leads anywhere.
    #[inline]
    pub(super) fn may_be(self, probe: Probe) -> bool {
        self.0 >> TAG_SHIFT == probe.tag() && self.place() != 0
    }
}

/// A bucket's line.
pub(super) type BucketWords = [AtomicU64; BUCKET_WORDS];

/// A bucket in memory.
#[derive(Clone, Copy)]
pub(super) struct Bucket {
    words: &'static BucketWords,
}

impl Bucket {
    #[inline]
    pub(super) fn sequence(self) -> &'static AtomicU64 {
        &self.words[0]
    }

    #[inline]
    pub(super) fn slots(self) -> &'static [AtomicU64; BUCKET_SLOTS] {
        self.words.last_chunk().expect("seven of eight")
    }

    /// Puts another slot in the place of one, under the shard's lock. Killed between the two stores, readers may still
    /// copy what was there while its memory is used again: so the next holder of the lock counts up all buckets before
    /// it uses any memory (`repair`).
    pub(super) fn change(self, nth: usize, slot: Slot) {
        // Release pairs with the Acquire of `load`: who sees the slot sees the entry.
        self.slots()[nth].store(slot.0, Release);
        self.count_change();
    }

    pub(super) fn count_change(self) {
        // Release pairs with a reader's Acquire of the sequence number: who sees it sees the slot.
        self.sequence().store(self.sequence().load(Relaxed).wrapping_add(ONE_CHANGE), Release);
    }

    #[inline]
    pub(super) fn load(self, nth: usize) -> Slot {
        // Acquire pairs with the Release of `change`.
        Slot(self.slots()[nth].load(Acquire))
    }

    /// Which slots may lead to a key, a bit for each: told without a branch, of which the processor could foresee none.
    #[inline]
    pub(super) fn candidates(self, probe: Probe) -> Candidates {
        let same = probe.tag() << TAG_SHIFT;
        // From the last one on, so that the first one's bit is the lowest. Relaxed: whoever goes on with one loads it
        // again.
        let bit = |slot: &AtomicU64| u32::from(slot.load(Relaxed) ^ same < 1 << TAG_SHIFT);
        Candidates(self.slots().iter().rev().fold(0, |bits, slot| bits + bits + bit(slot)))
    }

    /// The slots that lead somewhere.
    pub(super) fn taken(self) -> impl Iterator<Item = (usize, Slot)> {
        (0..BUCKET_SLOTS).map(move |nth| (nth, self.load(nth))).filter(|(_, slot)| slot.place() != 0)
    }

    pub(super) fn empty_slot(self) -> Option<usize> {
        (0..BUCKET_SLOTS).find(|nth| self.load(*nth).place() == 0)
    }

    pub(super) fn has_spilled(self) -> bool {
        self.sequence().load(Relaxed) & SPILLED != 0
    }

    /// Says that an entry of this bucket's lies in its second bucket. Before it does: a reader that does not find it
    /// here looks there.
    pub(super) fn spill(self) {
        self.sequence().store(self.sequence().load(Relaxed) | SPILLED, Release);
    }

    /// Empties it and forgets what it spilled, in a way that readers notice.
    pub(super) fn clear(self) {
        self.slots().iter().for_each(|slot| slot.store(0, Release));
        self.sequence().store((self.sequence().load(Relaxed) & !SPILLED).wrapping_add(ONE_CHANGE), Release);
    }
}

/// Slots of a bucket, by number.
pub(super) struct Candidates(u32);

impl Iterator for Candidates {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let nth = self.0.trailing_zeros() as usize;
        self.0 &= self.0.wrapping_sub(1);
        (nth < BUCKET_SLOTS).then_some(nth)
    }
}

/// The buckets and ghosts of a shard.
#[derive(Clone, Copy)]
pub(super) struct Index {
    buckets: &'static [BucketWords],
    ghosts: Words,
}

impl Index {
    #[inline]
    pub(super) fn new(buckets: &'static [BucketWords], ghosts: Words) -> Index {
        Index { buckets, ghosts }
    }

    #[inline]
    fn bucket(self, number: usize) -> Bucket {
        Bucket { words: &self.buckets[number] }
    }

    #[inline]
    pub(super) fn first(self, probe: Probe) -> Bucket {
        self.bucket(probe.bucket(self.buckets.len()))
    }

    #[inline]
    pub(super) fn second(self, probe: Probe) -> Bucket {
        self.bucket(probe.second_bucket(self.buckets.len()))
    }

    /// All buckets.
    pub(super) fn buckets(self) -> impl Iterator<Item = Bucket> {
        self.buckets.iter().map(|words| Bucket { words })
    }

    pub(super) fn bucket_count(self) -> usize {
        self.buckets.len()
    }

    pub(super) fn nth_bucket(self, number: usize) -> Bucket {
        self.bucket(number % self.buckets.len())
    }

    /// Of a key whose entry went lately, how often it was read then; `None`: it did not, or that is forgotten.
    pub(super) fn ghost(self, probe: Probe) -> Option<u64> {
        let (word, shift) = self.ghost_at(probe)?;
        let found = word.load(Relaxed) >> shift & 0xffff_ffff;
        (found >> 8 == probe.fingerprint()).then_some(found & 0xff)
    }

    pub(super) fn remember_ghost(self, probe: Probe, uses: u64) {
        if let Some((word, shift)) = self.ghost_at(probe) {
            let ghost = probe.fingerprint() << 8 | uses.min(0xff);
            word.store(word.load(Relaxed) & !(0xffff_ffff << shift) | ghost << shift, Relaxed);
        }
    }

    fn ghost_at(self, probe: Probe) -> Option<(&'static AtomicU64, u32)> {
        let nth = probe.second_bucket(self.ghosts.len() * 2);
        self.ghosts.get(nth / 2).map(|word| (word, nth as u32 % 2 * 32))
    }
}
