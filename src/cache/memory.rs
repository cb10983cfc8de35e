//! `Memory`: the extents of a cache as this process maps them, and the parts of a shard in them.
//!
//! An extent that another process added is looked up when a place in it, or its index, is first met. The shapes are
//! this process's own copies, checked when they were copied; all indices into the words are checked by their slices.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::hash::Seed;
use super::index::{Index, Probe};
use super::layout::{
    BUCKET_WORDS, COUNT_WORDS, EXTENTS_MAX, EXTENTS_PUBLISHED, ExtentShape, FRONT_WORDS, PIN_WORDS, PINS_USED,
    SHARD_WORDS, SLAB_TABLE_WORDS, Shape,
};
use super::words::{WORD_BYTES, as_words};
use crate::lock::atomic::AtomicU64;

/// Words of the cache. They live as long as the [`Memory`] that they are reached through: nothing that borrows from
/// them is given out of this module's `Cache` but with the lifetime of a borrow of it.
pub(super) type Words = &'static [AtomicU64];

/// Finds the words of an extent that this process has not met yet.
pub(super) type Learn = dyn Fn(usize) -> Option<(Words, ExtentShape)> + Send + Sync;

pub(super) struct Memory {
    pub(super) shape: Shape,
    pub(super) seed: Seed,
    /// Mapped for reading alone: a store would be a signal.
    pub(super) is_read_only: bool,
    extents: [OnceLock<Extent>; EXTENTS_MAX],
    learn: Box<Learn>,
}

/// An extent, mapped.
pub(super) struct Extent {
    words: Words,
    shape: ExtentShape,
    first_slab: usize,
    parts_at: usize,
    part_words: usize,
}

/// The words of one slab, and its line of the table.
#[derive(Clone, Copy)]
pub(super) struct Slab {
    pub(super) words: Words,
    pub(super) table: Words,
}

impl Memory {
    /// The caller has checked the shapes against the words.
    pub(super) fn new(
        shape: Shape,
        seed: Seed,
        first: (Words, ExtentShape),
        is_read_only: bool,
        learn: Box<Learn>,
    ) -> Memory {
        let memory = Memory { shape, seed, is_read_only, extents: [const { OnceLock::new() }; EXTENTS_MAX], learn };
        let _ = memory.extents[0].set(Extent::new(shape, first, 0));
        memory
    }

    /// Where a key may be found.
    #[inline]
    pub(super) fn probe(&self, key: &[u8]) -> Probe {
        Probe::new(self.seed.hash(key.len(), as_words(key)))
    }

    /// The extent of that number, if there is one.
    #[inline]
    pub(super) fn extent(&self, number: usize) -> Option<&Extent> {
        let known = self.extents.get(number)?.get();
        if known.is_some() { known } else { self.meet(number) }
    }

    #[cold]
    #[inline(never)]
    fn meet(&self, number: usize) -> Option<&Extent> {
        let before = self.extent(number.checked_sub(1)?)?;
        let (words, extent) = (self.learn)(number)?;
        let first_slab = before.first_slab + before.shape.slabs;
        if extent.is_first || !extent.check(self.shape, words.len(), first_slab) {
            return None;
        }
        Some(self.extents[number].get_or_init(|| Extent::new(self.shape, (words, extent), first_slab)))
    }

    /// The slab of that number.
    #[inline]
    pub(super) fn slab(&self, shard: usize, number: usize) -> Option<Slab> {
        self.extent_of_slab(number)?.slab(self.shape, shard, number)
    }

    #[inline]
    fn extent_of_slab(&self, number: usize) -> Option<&Extent> {
        (0..EXTENTS_MAX).map_while(|at| self.extent(at)).find(|extent| number - extent.first_slab < extent.shape.slabs)
    }

    /// From the word at `place` of a shard to the end of its slab.
    #[inline]
    pub(super) fn at_place(&self, shard: usize, place: u32) -> Option<Words> {
        let log2 = self.shape.slab_words_log2;
        self.slab(shard, (place >> log2) as usize)?.words.get(place as usize & ((1 << log2) - 1)..)
    }

    pub(super) fn index(&self, shard: usize, extent: usize) -> Option<Index> {
        self.extent(extent).map(|extent| extent.index(shard))
    }

    /// A shard's own words.
    #[inline]
    pub(super) fn shard_words(&self, shard: usize) -> Words {
        &self.first().part(shard)[..SHARD_WORDS]
    }

    /// Pins up to this number were ever used.
    pub(super) fn pins_used(&self) -> &'static AtomicU64 {
        &self.first().words[PINS_USED]
    }

    /// How many extents there are.
    #[inline]
    pub(super) fn extents_published(&self) -> u64 {
        // Acquire pairs with the Release of `publish_extent`.
        self.first().words[EXTENTS_PUBLISHED].load(Acquire).min(EXTENTS_MAX as u64)
    }

    /// Tells of one more extent, which can be looked up.
    pub(super) fn publish_extent(&self, number: usize) {
        self.first().words[EXTENTS_PUBLISHED].fetch_max(number as u64 + 1, Release);
    }

    /// Two words for each pin.
    pub(super) fn pins(&self) -> Words {
        &self.first().words[FRONT_WORDS..][..self.shape.pins * PIN_WORDS]
    }

    /// The counts of the participant in that slot.
    #[inline]
    pub(super) fn counts(&self, slot: usize) -> Words {
        let slot = if slot < self.shape.participants { slot } else { 0 };
        &self.first().words[self.shape.counts_at() + slot * COUNT_WORDS..][..COUNT_WORDS]
    }

    /// Bytes of the shards in all extents.
    pub(super) fn capacity_bytes(&self) -> u64 {
        let extents = (0..self.extents_published() as usize).map_while(|number| self.extent(number));
        extents.map(|extent| (extent.part_words * self.shape.shards * WORD_BYTES) as u64).sum()
    }

    fn first(&self) -> &Extent {
        self.extents[0].get().expect("set by `new`")
    }
}

impl Extent {
    fn new(shape: Shape, (words, extent): (Words, ExtentShape), first_slab: usize) -> Extent {
        let parts_at = if extent.is_first { shape.front_words() } else { 0 };
        Extent { words, shape: extent, first_slab, parts_at, part_words: extent.part_words(shape) }
    }

    pub(super) fn shape(&self) -> ExtentShape {
        self.shape
    }

    /// Slabs of each shard up to the end of this extent.
    pub(super) fn slabs_end(&self) -> usize {
        self.first_slab + self.shape.slabs
    }

    #[inline]
    fn part(&self, shard: usize) -> Words {
        &self.words[self.parts_at + shard * self.part_words..][..self.part_words]
    }

    fn index(&self, shard: usize) -> Index {
        let part = self.part(shard);
        let (ghosts_at, buckets_at) = (self.shape.ghosts_at(), self.shape.buckets_at());
        let buckets = &part[buckets_at..][..BUCKET_WORDS << self.shape.buckets_log2];
        Index::new(buckets, &part[ghosts_at..buckets_at], self.shape.buckets_log2)
    }

    #[inline]
    fn slab(&self, shape: Shape, shard: usize, number: usize) -> Option<Slab> {
        let nth = number.checked_sub(self.first_slab)?;
        let part = self.part(shard);
        let table = part.get(self.shape.table_at() + nth * SLAB_TABLE_WORDS..)?.get(..SLAB_TABLE_WORDS)?;
        let words = part.get(self.shape.slabs_at() + (nth << shape.slab_words_log2)..)?.get(..shape.slab_words())?;
        Some(Slab { words, table })
    }
}

/// Makes of zeros the first extent of a cache.
pub(super) fn publish_first(words: Words) {
    words[EXTENTS_PUBLISHED].store(1, Release);
}
