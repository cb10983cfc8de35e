//! How a cache's bytes are divided, worked out once by its maker and checked by whoever opens it.
//!
//! ```text
//! extent 0   | front | pins | counts of each participant | part of shard 0 | part of shard 1 | ...
//! extent 1..                                     | part of shard 0 | part of shard 1 | ...    (`Cache::grow`)
//!
//! part       | shard's words (extent 0 only) | slab table | ghosts | buckets | slab | slab | slab | ...
//! ```
//!
//! All in words of 64 bits. A *place* is the number of a word among all slabs of a shard, extent after extent: 32 bits,
//! so a shard has at most 32 GiB. Slabs have a power of two of words; an entry lies within one.

use super::words::{LINE_WORDS, WORD_BYTES, words_for};
use crate::error::{Error, ErrorKind, Result};

/// Of which a cache may have come to be made: its first, and one for each time that it grew.
pub(super) const EXTENTS_MAX: usize = 16;
/// Words of each shard that are no table and no entry: `shard` draws them.
pub(super) const SHARD_WORDS: usize = 384;
/// The first line of the first extent.
pub(super) const FRONT_WORDS: usize = LINE_WORDS;
/// In it: up to which number pins were ever used, and how many extents there are.
pub(super) const PINS_USED: usize = 0;
pub(super) const EXTENTS_PUBLISHED: usize = 1;
pub(super) const PIN_WORDS: usize = 2;
/// A line of counts for each participant: `counts` draws it.
pub(super) const COUNT_WORDS: usize = LINE_WORDS;
pub(super) const SLAB_TABLE_WORDS: usize = 4;
pub(super) const BUCKET_WORDS: usize = LINE_WORDS;
/// Places for entries in a bucket: the first word is its sequence number.
pub(super) const BUCKET_SLOTS: usize = BUCKET_WORDS - 1;
pub(super) const GHOST_WORDS_A_BUCKET: usize = 2;

/// A shard has at least so many slabs, and not more than twice of it plus a remainder: fewer waste the one that is kept
/// free, more bound the length of entries.
const SLABS: usize = 24;
const SHARDS_MAX: usize = 256;
/// How many shards, so that writers seldom meet, if nobody says how long entries may be.
const SHARDS: usize = 16;
const SHARD_LEAST_BYTES: usize = 256 << 10;
const SLAB_LEAST_WORDS: usize = 16;
const SLAB_MOST_WORDS: usize = 1 << 24;
/// Entries in a bucket of seven when the cache is full, if they are as long as was said.
const FILL: usize = 4;
pub(crate) const CAPACITY_LEAST_BYTES: u64 = 16 << 10;
const CAPACITY_MOST_BYTES: u64 = 1 << 44;

/// What a user asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) capacity_bytes: u64,
    /// Key and value of the longest entry.
    pub(super) max_entry_bytes: Option<u64>,
    /// Key and value of an entry, on average.
    pub(super) mean_entry_bytes: u64,
    pub(super) pins: u32,
    pub(super) participants: u32,
}

/// The same for all extents: written once, in the cache's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) shards: usize,
    pub(super) slab_words_log2: u32,
    pub(super) pins: usize,
    pub(super) participants: usize,
}

/// One extent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExtentShape {
    /// Of each shard in this extent.
    pub(super) slabs: usize,
    /// Of the index that each shard uses from this extent on.
    pub(super) buckets: usize,
    pub(super) is_first: bool,
}

impl Shape {
    pub(super) fn slab_words(self) -> usize {
        1 << self.slab_words_log2
    }

    /// Words in front of the first shard's part.
    pub(super) fn front_words(self) -> usize {
        self.counts_at() + self.participants * COUNT_WORDS
    }

    /// Where the counts of the participants begin: behind the pins, on a line.
    pub(super) fn counts_at(self) -> usize {
        FRONT_WORDS + (self.pins * PIN_WORDS).next_multiple_of(LINE_WORDS)
    }

    /// Key and value of the longest entry.
    pub(super) fn max_entry_bytes(self) -> usize {
        // The first word of a slab is left out, and the head has three.
        (self.slab_words() - 1 - super::entry::HEAD_WORDS - 1) * WORD_BYTES
    }

    /// Whether a hostile head may have this shape.
    pub(super) fn check(self) -> bool {
        self.shards.is_power_of_two()
            && self.shards <= SHARDS_MAX
            && (SLAB_LEAST_WORDS..=SLAB_MOST_WORDS).contains(&self.slab_words())
            && self.pins <= 1 << 16
            && self.participants <= 1 << 12
    }
}

impl ExtentShape {
    pub(super) fn table_at(self) -> usize {
        if self.is_first { SHARD_WORDS } else { 0 }
    }

    pub(super) fn ghosts_at(self) -> usize {
        self.table_at() + (self.slabs * SLAB_TABLE_WORDS).next_multiple_of(LINE_WORDS)
    }

    pub(super) fn buckets_at(self) -> usize {
        self.ghosts_at() + (GHOST_WORDS_A_BUCKET * self.buckets).next_multiple_of(LINE_WORDS)
    }

    pub(super) fn slabs_at(self) -> usize {
        self.buckets_at() + BUCKET_WORDS * self.buckets
    }

    /// Words of one shard's part.
    pub(super) fn part_words(self, shape: Shape) -> usize {
        self.slabs_at() + (self.slabs << shape.slab_words_log2)
    }

    /// Words of the whole extent.
    pub(super) fn words(self, shape: Shape) -> usize {
        let front = if self.is_first { shape.front_words() } else { 0 };
        front + shape.shards * self.part_words(shape)
    }

    /// Whether a hostile head may have this extent in so many words, and behind so many slabs of a shard.
    pub(super) fn check(self, shape: Shape, words: usize, slabs_before: usize) -> bool {
        let slabs_most = (1_usize << 32) >> shape.slab_words_log2;
        self.slabs >= 1
            && self.slabs <= slabs_most
            && self.slabs + slabs_before <= slabs_most
            && (1..=1 << 28).contains(&self.buckets)
            && self.words(shape) <= words
    }
}

/// Divides a budget for the first extent.
pub(super) fn plan(wish: &Wish) -> Result<(Shape, ExtentShape)> {
    let refused = |why: String| Error::new(ErrorKind::InvalidInput, format!("cannot make the cache: {why}"));
    if !(CAPACITY_LEAST_BYTES..=CAPACITY_MOST_BYTES).contains(&wish.capacity_bytes) {
        return Err(refused(format!(
            "`capacity_bytes` is {}: it must be {CAPACITY_LEAST_BYTES} to {CAPACITY_MOST_BYTES}",
            wish.capacity_bytes
        )));
    }
    let capacity = wish.capacity_bytes as usize;
    if let Some(bytes) = wish.max_entry_bytes.filter(|bytes| *bytes > capacity as u64) {
        return Err(refused(format!("`max_entry_bytes` is {bytes}, with {capacity} bytes of capacity")));
    }
    // An entry's head and the rest of its last word come on top.
    let longest = wish.max_entry_bytes.map(|bytes| bytes as usize + (super::entry::HEAD_WORDS + 3) * WORD_BYTES);
    let longest_slab = longest.map_or(0, usize::next_power_of_two);
    let by_size = (capacity / SHARD_LEAST_BYTES.max(longest_slab.saturating_mul(SLABS)).max(1)).max(1);
    let most_shards = by_size.min(if capacity >> 30 > 1 { SHARDS_MAX.min(capacity >> 26) } else { SHARDS });
    let shards = 1 << most_shards.ilog2();
    let part_words = capacity / WORD_BYTES / shards;
    let slab_words_log2 = (part_words / SLABS).clamp(SLAB_LEAST_WORDS, SLAB_MOST_WORDS).ilog2();
    let shape = Shape {
        shards,
        slab_words_log2,
        pins: wish.pins as usize,
        participants: wish.participants.clamp(1, 4095) as usize + 1,
    };
    if let Some(bytes) = wish.max_entry_bytes.filter(|bytes| *bytes > shape.max_entry_bytes() as u64) {
        return Err(refused(format!(
            "`max_entry_bytes` is {bytes}: with {capacity} bytes of capacity it can be {} at most",
            shape.max_entry_bytes()
        )));
    }
    if wish.mean_entry_bytes == 0 {
        return Err(refused("`mean_entry_bytes` must not be 0".to_owned()));
    }
    let extent = divide(part_words, buckets_for(part_words, wish.mean_entry_bytes), shape, true).ok_or_else(|| {
        refused(format!("{capacity} bytes are too few for entries of {} bytes", wish.mean_entry_bytes))
    })?;
    Ok((shape, extent))
}

/// Buckets for so many words of entries, heads, and the buckets themselves.
fn buckets_for(words: usize, mean_entry_bytes: u64) -> usize {
    let entry_words = words_for(mean_entry_bytes as usize) + super::entry::HEAD_WORDS + 1;
    (words / (entry_words * FILL + BUCKET_WORDS + GHOST_WORDS_A_BUCKET)).max(2)
}

/// Divides what a shard gets of an extent into an index and slabs.
fn divide(part_words: usize, buckets: usize, shape: Shape, is_first: bool) -> Option<ExtentShape> {
    let mut extent = ExtentShape { slabs: 0, buckets, is_first };
    let slab_and_table = shape.slab_words() + SLAB_TABLE_WORDS;
    extent.slabs = part_words.checked_sub(extent.slabs_at())? / slab_and_table;
    let least = if is_first { SLABS / 3 } else { 1 };
    (extent.slabs >= least).then_some(extent)
}

/// Divides what is added to a cache that has `before_bytes`, and an index of so many buckets in each shard. `None`: it
/// is less than a slab for each shard.
pub(super) fn plan_growth(
    shape: Shape,
    before_bytes: u64,
    more_bytes: u64,
    mean_entry_bytes: u64,
    buckets: usize,
) -> Option<ExtentShape> {
    let per_shard = |bytes: u64| bytes as usize / WORD_BYTES / shape.shards;
    let needed = buckets_for(per_shard(before_bytes + more_bytes), mean_entry_bytes);
    // The old index lies idle from then on: small steps make a larger one than they need, and the next ones none.
    let larger = match needed {
        _ if needed <= buckets => None,
        _ if more_bytes < before_bytes => Some(needed + needed / 2),
        _ => Some(needed),
    };
    let part_words = per_shard(more_bytes);
    larger.and_then(|larger| divide(part_words, larger, shape, false)).or_else(|| divide(part_words, 1, shape, false))
}
