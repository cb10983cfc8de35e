//! `Memory`: the extents of a cache as this process maps them, and the parts of a shard in them.
//!
//! An extent that another process added is looked up when a place in it, or its index, is first met. The shapes are
//! this process's own copies, checked when they were copied; all indices into the words are checked by their slices.
//! Each part of a shard is cut out once, so that an operation finds it in one line of private memory.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::entry::Entry;
use super::hash::Seed;
use super::index::{BucketWords, Index, Probe};
use super::layout::{
    COUNT_WORDS, EXTENTS_MAX, EXTENTS_PUBLISHED, ExtentShape, FRONT_WORDS, PIN_WORDS, PINS_USED, SHARD_WORDS,
    SLAB_TABLE_WORDS, Shape,
};
use super::words::{WORD_BYTES, lines};
use crate::lock::atomic::AtomicU64;

/// Words of the cache. They live as long as the [`Memory`] that they are reached through: nothing that borrows from
/// them is given out of this module's `Cache` but with the lifetime of a borrow of it.
pub(super) type Words = &'static [AtomicU64];

/// A shard's own words.
pub(super) type ShardWords = [AtomicU64; SHARD_WORDS];

/// Finds the words of an extent that this process has not met yet.
pub(super) type Learn = dyn Fn(usize) -> Option<(Words, ExtentShape)> + Send + Sync;

pub(super) struct Memory {
    pub(super) shape: Shape,
    pub(super) seed: Seed,
    /// Mapped for reading alone: a store would be a signal.
    pub(super) is_read_only: bool,
    shards: Box<[&'static ShardWords]>,
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
    part_words: usize,
    /// Of each shard.
    parts: Box<[Part]>,
}

/// What a shard has of an extent.
#[repr(align(64))]
struct Part {
    buckets: &'static [BucketWords],
    slabs: Words,
    ghosts: Words,
    slab_table: Words,
}

/// The words of one slab, and its line of the table.
#[derive(Clone, Copy)]
pub(super) struct Slab {
    pub(super) words: Words,
    pub(super) table: &'static [AtomicU64; SLAB_TABLE_WORDS],
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
        let shards = parts(shape, first.0, first.1).map(|part| part.first_chunk().expect("a part has more")).collect();
        let first = Extent::new(shape, first, 0);
        Memory { shape, seed, is_read_only, shards, first, more: [const { OnceLock::new() }; EXTENTS_MAX - 1], learn }
    }

    /// Where a key may be found.
    #[inline]
    pub(super) fn probe(&self, key: &[u8]) -> Probe {
        Probe::new(self.seed.hash_bytes(key))
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
    #[inline]
    pub(super) fn slab(&self, shard: usize, number: usize) -> Option<Slab> {
        self.extent_of_slab(number)?.slab(self.shape, shard, number)
    }

    /// The entry at `place` of a shard, or what was one; `None` if nothing can be there.
    #[inline]
    pub(super) fn entry(&self, shard: usize, place: u32) -> Option<Entry> {
        let (log2, place) = (self.shape.slab_words_log2, place as usize);
        let extent = self.extent_of_slab(place >> log2)?;
        let slabs = extent.parts.get(shard)?.slabs;
        Entry::at(slabs, place - (extent.first_slab << log2), log2)
    }

    /// Buckets of the largest index of a shard.
    pub(super) fn buckets(&self) -> usize {
        let extents = (0..self.extents_published() as usize).map_while(|number| self.extent(number));
        extents.map(|extent| extent.shape.buckets).max().unwrap_or(0)
    }

    #[inline]
    pub(super) fn index(&self, shard: usize, extent: usize) -> Option<Index> {
        let part = self.extent(extent)?.parts.get(shard)?;
        Some(Index::new(part.buckets, part.ghosts))
    }

    /// A shard's own words.
    #[inline]
    pub(super) fn shard_words(&self, shard: usize) -> &'static ShardWords {
        self.shards[shard]
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

/// What the shards have of an extent, in their order.
fn parts(shape: Shape, words: Words, extent: ExtentShape) -> impl Iterator<Item = Words> {
    let parts_at = if extent.is_first { shape.front_words() } else { 0 };
    words[parts_at..].chunks_exact(extent.part_words(shape)).take(shape.shards)
}

impl Extent {
    fn new(shape: Shape, (words, extent): (Words, ExtentShape), first_slab: usize) -> Extent {
        let parts = parts(shape, words, extent).map(|part| Part {
            slab_table: &part[extent.table_at()..extent.ghosts_at()],
            ghosts: &part[extent.ghosts_at()..extent.buckets_at()],
            buckets: lines(&part[extent.buckets_at()..extent.slabs_at()]),
            slabs: &part[extent.slabs_at()..],
        });
        Extent { words, shape: extent, first_slab, part_words: extent.part_words(shape), parts: parts.collect() }
    }

    pub(super) fn shape(&self) -> ExtentShape {
        self.shape
    }

    /// Slabs of each shard up to the end of this extent.
    pub(super) fn slabs_end(&self) -> usize {
        self.first_slab + self.shape.slabs
    }

    #[inline]
    fn slab(&self, shape: Shape, shard: usize, number: usize) -> Option<Slab> {
        let nth = number.checked_sub(self.first_slab)?;
        let part = self.parts.get(shard)?;
        let table = part.slab_table.get(nth * SLAB_TABLE_WORDS..)?.first_chunk()?;
        let words = part.slabs.get(nth << shape.slab_words_log2..(nth + 1) << shape.slab_words_log2)?;
        Some(Slab { words, table })
    }
}

/// Makes of zeros the first extent of a cache.
pub(super) fn publish_first(words: Words) {
    words[EXTENTS_PUBLISHED].store(1, Release);
}
