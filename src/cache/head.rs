//! `CacheHead`: the typed head of each extent, which says how the words behind it are divided.
//!
//! Written by who makes the extent; all but `boot` stay as they are. Hostile all the same: each is read once, and the
//! shapes are checked before anything is looked for by them.

#![allow(unsafe_code)]

use std::mem::offset_of;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::hash::Seed;
use super::layout::{ExtentShape, Shape};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// In shared memory, in front of an extent's words. `docs/format.md` has the table.
#[repr(C)]
pub(super) struct CacheHead {
    /// 0, 1, 2 ...
    extent: AtomicU64,
    /// The cache's run of the machine: another one clears it.
    pub(super) boot: AtomicU64,
    seed: [AtomicU64; 2],
    shards: AtomicU64,
    slab_words_log2: AtomicU64,
    pins: AtomicU64,
    participants: AtomicU64,
    /// Of each shard in this extent.
    slabs: AtomicU64,
    buckets: AtomicU64,
    mean_entry_bytes: AtomicU64,
}

const _: () = assert!(size_of::<CacheHead>() == 88 && offset_of!(CacheHead, shards) == 32);

macro_rules! parts {
    ($($field:ident: $type:ty),* $(,)?) => {
        &[$(Part {
            name: stringify!($field),
            at: offset_of!(CacheHead, $field) as u64,
            doc: "",
            schema: Some(<$type>::SCHEMA),
        }),*]
    };
}

// SAFETY: atomics, as the schema says.
unsafe impl ProcessSync for CacheHead {
    const SCHEMA: &'static Schema = &Schema::compound::<CacheHead>(
        "Cache",
        Kind::Cache,
        parts! {
            extent: AtomicU64, boot: AtomicU64, seed: [AtomicU64; 2], shards: AtomicU64, slab_words_log2: AtomicU64,
            pins: AtomicU64, participants: AtomicU64, slabs: AtomicU64, buckets: AtomicU64,
            mean_entry_bytes: AtomicU64,
        },
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

impl CacheHead {
    pub(super) fn new(
        number: usize,
        boot: u64,
        seed: Seed,
        shape: Shape,
        extent: ExtentShape,
        mean_entry_bytes: u64,
    ) -> CacheHead {
        CacheHead {
            extent: AtomicU64::new(number as u64),
            boot: AtomicU64::new(boot),
            seed: seed.0.map(AtomicU64::new),
            shards: AtomicU64::new(shape.shards as u64),
            slab_words_log2: AtomicU64::new(shape.slab_words_log2.into()),
            pins: AtomicU64::new(shape.pins as u64),
            participants: AtomicU64::new(shape.participants as u64),
            slabs: AtomicU64::new(extent.slabs as u64),
            buckets: AtomicU64::new(extent.buckets as u64),
            mean_entry_bytes: AtomicU64::new(mean_entry_bytes),
        }
    }

    pub(super) fn seed(&self) -> Seed {
        Seed([self.seed[0].load(Relaxed), self.seed[1].load(Relaxed)])
    }

    pub(super) fn mean_entry_bytes(&self) -> u64 {
        self.mean_entry_bytes.load(Relaxed)
    }

    /// The cache's shape, if it can be one.
    pub(super) fn shape(&self) -> Option<Shape> {
        let number = |word: &AtomicU64| word.load(Relaxed) as usize;
        let shape = Shape {
            shards: number(&self.shards),
            slab_words_log2: self.slab_words_log2.load(Relaxed).min(63) as u32,
            pins: number(&self.pins),
            participants: number(&self.participants),
        };
        shape.check().then_some(shape)
    }

    /// The extent's shape, if it is that of extent `number`. Yet to be checked against its words.
    pub(super) fn extent(&self, number: usize) -> Option<ExtentShape> {
        let buckets = self.buckets.load(Relaxed) as usize;
        let slabs = self.slabs.load(Relaxed) as usize;
        (self.extent.load(Relaxed) == number as u64).then_some(ExtentShape { slabs, buckets, is_first: number == 0 })
    }
}
