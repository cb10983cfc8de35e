//! `Memory`: the extents of a cache as this process maps them, and the parts of a shard in them.
//!
//! An extent that another process added is looked up when a place in it, or its index, is first met. The shapes are
//! this process's own copies, checked when they were copied; all indices into the words are checked by their slices.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::hash::Seed;
use super::index::{Index, Probe};
use super::layout::{
    COUNT_WORDS, EXTENTS_MAX, EXTENTS_PUBLISHED, ExtentShape, FRONT_WORDS, PIN_WORDS, PINS_USED, SHARD_WORDS,
    SLAB_TABLE_WORDS, Shape,
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
    first: Extent,
    /// Those behind the first.
    more: [OnceLock<Extent>; EXTENTS_MAX - 1],
    learn: Box<Learn>,
}

/// An extent, mapped.
pub(super) struct Extent {
    words: Words,
    shape: ExtentShape,
    first_slab: usize,
    parts_at: usize,
    part_words: usize,
    /// In each part.
    buckets_at: usize,
    slabs_at: usize,
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
        let first = Extent::new(shape, first, 0);
        Memory { shape, seed, is_read_only, first, more: [const { OnceLock::new() }; EXTENTS_MAX - 1], learn }
    }

    /// Where a key may be found.
    #[inline]
    pub(super) fn probe(&self, key: &[u8]) -> Probe {
        Probe::new(self.seed.hash(key.len(), as_words(key)))
    }

    /// The extent of that number, if there is one.
    #[inline]
    pub(super) fn extent(&self, number: usize) -> Option<&Extent> {
        if number == 0 {
            return Some(&self.first);
        }
        let known = self.more.get(number - 1)?.get();
        if known.is_some() { known } else { self.meet(number) }
    }

    #[cold]
    #[inline(never)]
    fn meet(&self, number: usize) -> Option<&Extent> {
        let before = self.extent(number - 1)?;
        let (words, extent) = (self.learn)(number)?;
        let first_slab = before.slabs_end();
        if extent.is_first || !extent.check(self.shape, words.len(), first_slab) {
            return None;
        }
        Some(self.more[number - 1].get_or_init(|| Extent::new(self.shape, (words, extent), first_slab)))
    }

    #[inline]
    fn extent_of_slab(&self, number: usize) -> Option<&Extent> {
        if number < self.first.shape.slabs { Some(&self.first) } else { self.later_extent_of_slab(number) }
    }

    #[cold]
    fn later_extent_of_slab(&self, number: usize) -> Option<&Extent> {
        (1..EXTENTS_MAX).map_while(|at| self.extent(at)).find(|extent| number < extent.slabs_end())
    }

    /// The slab of that number.
    pub(super) fn slab(&self, shard: usize, number: usize) -> Option<Slab> {
        self.extent_of_slab(number)?.slab(self.shape, shard, number)
    }

    /// From the word at `place` of a shard to the end of its slab.
    #[inline]
    pub(super) fn at_place(&self, shard: usize, place: u32) -> Option<Words> {
        let log2 = self.shape.slab_words_log2;
        let extent = self.extent_of_slab((place >> log2) as usize)?;
        let in_extent = place as usize - (extent.first_slab << log2);
        let slabs_at = extent.parts_at + shard * extent.part_words + extent.slabs_at;
        let slab_end = (in_extent | (self.shape.slab_words() - 1)) + 1;
        extent.words.get(slabs_at + in_extent..slabs_at + slab_end)
    }

    #[inline]
    /// Of the largest index of a shard.
    pub(super) fn buckets(&self) -> usize {
        let extents = (0..self.extents_published() as usize).map_while(|number| self.extent(number));
        extents.map(|extent| extent.shape.buckets).max().unwrap_or(0)
    }

    pub(super) fn index(&self, shard: usize, extent: usize) -> Option<Index> {
        self.extent(extent).map(|extent| extent.index(shard))
    }

    /// A shard's own words.
    #[inline]
    pub(super) fn shard_words(&self, shard: usize) -> Words {
        &self.first.part(shard)[..SHARD_WORDS]
    }

    /// Pins up to this number were ever used.
    pub(super) fn pins_used(&self) -> &'static AtomicU64 {
        &self.first.words[PINS_USED]
    }

    /// How many extents there are.
    #[inline]
    pub(super) fn extents_published(&self) -> u64 {
        // Acquire pairs with the Release of `publish_extent`.
        self.first.words[EXTENTS_PUBLISHED].load(Acquire).min(EXTENTS_MAX as u64)
    }

    /// Tells of one more extent, which can be looked up.
    pub(super) fn publish_extent(&self, number: usize) {
        self.first.words[EXTENTS_PUBLISHED].fetch_max(number as u64 + 1, Release);
    }

    /// Two words for each pin.
    pub(super) fn pins(&self) -> Words {
        &self.first.words[FRONT_WORDS..][..self.shape.pins * PIN_WORDS]
    }

    /// The counts of the participant in that slot.
    #[inline]
    pub(super) fn counts(&self, slot: usize) -> Words {
        let slot = if slot < self.shape.participants { slot } else { 0 };
        &self.first.words[self.shape.counts_at() + slot * COUNT_WORDS..][..COUNT_WORDS]
    }

    /// Bytes of the shards in all extents.
    pub(super) fn capacity_bytes(&self) -> u64 {
        let extents = (0..self.extents_published() as usize).map_while(|number| self.extent(number));
        extents.map(|extent| (extent.part_words * self.shape.shards * WORD_BYTES) as u64).sum()
    }
}

impl Extent {
    fn new(shape: Shape, (words, extent): (Words, ExtentShape), first_slab: usize) -> Extent {
        let parts_at = if extent.is_first { shape.front_words() } else { 0 };
        let (buckets_at, slabs_at) = (extent.buckets_at(), extent.slabs_at());
        Extent {
            words,
            shape: extent,
            first_slab,
            parts_at,
            part_words: extent.part_words(shape),
            buckets_at,
            slabs_at,
        }
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

    #[inline]
    fn index(&self, shard: usize) -> Index {
        let part = self.part(shard);
        let ghosts = &part[self.shape.ghosts_at()..self.buckets_at];
        Index::new(&part[self.buckets_at..self.slabs_at], ghosts, self.shape.buckets)
    }

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
