//! `CacheOptions`: what is asked of a cache.

use std::path::Path;
use std::sync::Arc;

use super::cache::Cache;
use super::layout::Wish;
use super::reader::CacheReader;
use crate::error::Result;
use crate::segment::backing::{Backing, Keep};
use crate::segment::options::SegmentOptions;
use crate::segment::segment::Segment;

const DEFAULT_CAPACITY_BYTES: u64 = 64 << 20;
const DEFAULT_MEAN_ENTRY_BYTES: u64 = 256;
const DEFAULT_PINS: u32 = 256;
const DEFAULT_PARTICIPANTS: u32 = 1024;
/// What a segment needs beside the extents: their heads, and the rests of pages.
const BESIDE_BYTES: u64 = 1 << 20;
/// The object's name in a segment that is the cache's own.
const DEFAULT_OBJECT: &str = "cache";

/// How a [`Cache`] is opened or created. What describes the cache counts for the one who creates it; one who finds it
/// gets it as it is.
///
/// ```
/// use cotenant::cache::Cache;
///
/// # let name = format!("example.options.cache.{}", std::process::id());
/// let cache = Cache::options().capacity_bytes(8 << 20).max_entry_bytes(100_000).open_or_create(&name)?;
/// assert!(cache.max_entry_bytes() >= 100_000);
/// # Ok::<(), cotenant::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing until `create`, `open` or `open_or_create`"]
pub struct CacheOptions {
    segment: SegmentOptions,
    object: String,
    wish: Wish,
    max_capacity_bytes: Option<u64>,
    huge_pages: Option<bool>,
}

impl Default for CacheOptions {
    fn default() -> CacheOptions {
        let wish = Wish {
            capacity_bytes: DEFAULT_CAPACITY_BYTES,
            max_entry_bytes: None,
            mean_entry_bytes: DEFAULT_MEAN_ENTRY_BYTES,
            pins: DEFAULT_PINS,
            participants: DEFAULT_PARTICIPANTS,
        };
        CacheOptions {
            segment: SegmentOptions::default(),
            object: DEFAULT_OBJECT.to_owned(),
            wish,
            max_capacity_bytes: None,
            huge_pages: None,
        }
    }
}

/// What is to be set.
impl CacheOptions {
    /// The budget: bytes of memory for entries, their index and the cache's own words, at least 16 KiB; 64 MiB without
    /// this. All of it is reserved when the cache is made.
    pub fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.wish.capacity_bytes = bytes;
        self
    }

    /// What [`Cache::grow`] may come to make of the capacity: address space, not memory, where the backing can grow.
    /// Without this the capacity is what it is.
    pub fn max_capacity_bytes(mut self, bytes: u64) -> Self {
        self.max_capacity_bytes = Some(bytes);
        self
    }

    /// Key and value of the longest entry, together. Without this a 400th to an 800th of the capacity, and more of less
    /// than 4 MiB; at most a fiftieth. The longer entries may be, the fewer writers can be at work at the same time.
    pub fn max_entry_bytes(mut self, bytes: u64) -> Self {
        self.wish.max_entry_bytes = Some(bytes);
        self
    }

    /// Key and value of an entry on average, together; 256 without this. The index is made for it: of much shorter
    /// entries fewer find a place in it (`evicted_by_index`), with much longer ones some of it lies idle.
    pub fn mean_entry_bytes(mut self, bytes: u64) -> Self {
        self.wish.mean_entry_bytes = bytes;
        self
    }

    /// How many entries may be pinned at once, by all processes; 256 without this.
    pub fn max_pins(mut self, pins: u32) -> Self {
        self.wish.pins = pins.clamp(1, 1 << 16);
        self
    }

    /// How many processes may be attached at once; 1,024 without this.
    pub fn max_participants(mut self, participants: u32) -> Self {
        self.wish.participants = participants;
        self
    }

    /// What it is called among the objects of its segment; `cache` without this. For one that was made by
    /// [`in_segment`](CacheOptions::in_segment) under a name of its own.
    pub fn object(mut self, name: &str) -> Self {
        name.clone_into(&mut self.object);
        self
    }

    /// Whatever [`SegmentOptions`] say of the segment, in the place of what was said of it before: backing, `keep`,
    /// permissions, where it lies. How large it is, and how many may be attached, is said here alone.
    pub fn segment(mut self, options: SegmentOptions) -> Self {
        self.segment = options;
        self
    }

    /// What its memory is made of, as [`SegmentOptions::backing`].
    pub fn backing(mut self, backing: Backing) -> Self {
        self.segment = self.segment.backing(backing);
        self
    }

    /// How long its entries live: with [`Keep::UntilRemoved`] also while nobody is attached, until the machine is
    /// started anew. As [`SegmentOptions::keep`].
    pub fn keep(mut self, keep: Keep) -> Self {
        self.segment = self.segment.keep(keep);
        self
    }

    /// Who may use and read it, as [`SegmentOptions::mode`].
    pub fn mode(mut self, mode: u32) -> Self {
        self.segment = self.segment.mode(mode);
        self
    }

    /// The group that `mode` speaks of, as [`SegmentOptions::group`].
    pub fn group(mut self, group: &str) -> Self {
        self.segment = self.segment.group(group);
        self
    }

    /// Keeps caches of one name apart, as [`SegmentOptions::scope`].
    pub fn scope(mut self, scope: &str) -> Self {
        self.segment = self.segment.scope(scope);
        self
    }

    /// The folder where it lies, as [`SegmentOptions::folder`].
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.segment = self.segment.folder(folder);
        self
    }

    /// Of a reader: the user whose cache is to be read, as [`SegmentOptions::user`].
    pub fn user(mut self, uid: u32) -> Self {
        self.segment = self.segment.user(uid);
        self
    }

    /// Whether huge pages are asked for, as [`SegmentOptions::huge_pages`]. Without this they are, where the backing
    /// can have any: a cache is read all over, and its processes look up fewer addresses so.
    pub fn huge_pages(mut self, wanted: bool) -> Self {
        self.huge_pages = Some(wanted);
        self
    }

    /// Has all memory be there before the first access, as [`SegmentOptions::prefault`].
    pub fn prefault(mut self, wanted: bool) -> Self {
        self.segment = self.segment.prefault(wanted);
        self
    }
}

/// The ends of the options.
impl CacheOptions {
    /// Makes a cache, and attaches to it. As [`SegmentOptions::create`]; for `Anonymous` and `Memfd`, whose caches are
    /// inherited by forks, the name is a label.
    ///
    /// # Errors
    ///
    /// - `InvalidInput`: sizes that do not go together.
    /// - Else as of [`SegmentOptions::create`].
    pub fn create(&self, name: &str) -> Result<Cache> {
        let options = self.segment_options()?;
        self.in_segment(Arc::new(options.create(name)?), &self.object)
    }

    /// Attaches to a cache that is there.
    ///
    /// # Errors
    ///
    /// - `NotFound`: there is none of that name, or the segment of that name holds none.
    /// - Else as of [`SegmentOptions::open`]; `Corrupt`: its own bytes make no sense.
    pub fn open(&self, name: &str) -> Result<Cache> {
        Cache::open_in(Arc::new(self.with_pages().open(name)?), &self.object)
    }

    /// Attaches to the cache of that name, and makes it if there is none; one of those who try at the same time makes
    /// it.
    ///
    /// # Errors
    ///
    /// As of [`open`](CacheOptions::open) and [`create`](CacheOptions::create), without `NotFound` and
    /// `AlreadyExists`; `Mismatch`: the segment of that name was made for something else.
    pub fn open_or_create(&self, name: &str) -> Result<Cache> {
        let segment = Arc::new(self.segment_options()?.open_or_create(name)?);
        let bytes = Cache::needed_bytes(&self.wish)?;
        let made = self.in_segment(Arc::clone(&segment), &self.object);
        made.map_err(|error| segment.why_not_made("cache", &self.object, bytes, error))
    }

    /// The cache of that name among the objects of a segment; makes it if there is none. Its `max_bytes` must have room
    /// for the capacity and a few KiB more. Options of the segment itself are not looked at.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use cotenant::{Backing, Segment, cache::Cache};
    ///
    /// let segment = Segment::options().backing(Backing::Anonymous).max_bytes(16 << 20).create("example")?;
    /// let cache = Cache::options().capacity_bytes(8 << 20).in_segment(Arc::new(segment), "pages")?;
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `NoSpace`: the segment has no room for it.
    /// - `Mismatch`: there is an object of that name that is no cache.
    /// - `InvalidInput`, `Corrupt`: as of [`create`](CacheOptions::create) and [`open`](CacheOptions::open).
    pub fn in_segment(&self, segment: Arc<Segment>, name: &str) -> Result<Cache> {
        Cache::open_or_make_in(segment, name, &self.wish)
    }

    /// Attaches to a cache to read it, as [`SegmentOptions::open_reader`]: without permission to write, without a slot,
    /// and without a store.
    ///
    /// # Errors
    ///
    /// As of [`SegmentOptions::open_reader`]; `NotFound` also if the segment of that name holds no cache.
    pub fn open_reader(&self, name: &str) -> Result<CacheReader> {
        CacheReader::open_in(self.segment.open_reader(name)?, &self.object)
    }

    /// Takes the name from a cache, in use or not, as [`SegmentOptions::unlink`].
    ///
    /// # Errors
    ///
    /// As of [`SegmentOptions::unlink`].
    pub fn unlink(&self, name: &str) -> Result<()> {
        self.segment.unlink(name)
    }

    fn segment_options(&self) -> Result<SegmentOptions> {
        // What participants and pins need comes on top of the capacity, whatever that grows to.
        let more = self.max_capacity_bytes.unwrap_or(0).saturating_sub(self.wish.capacity_bytes);
        let bytes = Cache::needed_bytes(&self.wish)?.saturating_add(more);
        let segment = self.with_pages().max_participants(self.wish.participants);
        Ok(segment.max_bytes(bytes.saturating_add(BESIDE_BYTES)).max_objects(64))
    }

    fn with_pages(&self) -> SegmentOptions {
        let segment = self.segment.clone();
        match self.huge_pages {
            Some(wanted) => segment.huge_pages(wanted),
            None => segment.huge_pages_if_possible(),
        }
    }
}
