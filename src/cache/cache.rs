//! `Cache`: what programs do with a cache.
//!
//! ```text
//! Cache --> Memory   where its words are          shard.read(..)   without a lock
//!       --> Segment  keeps them mapped            shard.lock()? -> find, put, remove, ...
//! ```

#![allow(unsafe_code)]

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Duration;

use super::counts::{self, CacheActivity, CacheStats, Counts, Event};
use super::hash::Seed;
use super::head::CacheHead;
use super::iter::Entries;
use super::layout::{EXTENTS_MAX, Wish, plan, plan_growth};
use super::memory::{Memory, Words};
use super::options::CacheOptions;
use super::shard::{Locked, Shard, now_ms};
use super::space::Content;
use super::words::{WORD_BYTES, append_bytes, copy_bytes};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::atomic::AtomicU64;
use crate::segment::area::Area;
use crate::segment::segment::Segment;
use crate::sys::process;

/// A cache that processes share: keys and values are bytes.
///
/// Made by [`Cache::options`]. Reads take no lock and wait for nobody; those who write wait for others who write the
/// same shard at that moment. A process that is killed at any instruction leaves a cache that the others go on with:
/// what it was writing is there or not, never half of it.
///
/// ```
/// use std::time::Duration;
/// use cotenant::cache::Cache;
///
/// # let name = &format!("example.cache.{}", std::process::id());
/// let cache = Cache::options().capacity_bytes(8 << 20).open_or_create(name)?;
/// cache.insert("/index.html", "<h1>It works</h1>", Duration::from_secs(60))?;
/// assert_eq!(cache.get("/index.html").as_deref(), Some(b"<h1>It works</h1>".as_slice()));
/// # Ok::<(), cotenant::Error>(())
/// ```
///
/// Nothing stays for sure: an entry may be thrown out at any time to make room for others. Threads may share a `Cache`.
/// In a child of a fork it works on as that of another process.
pub struct Cache {
    pub(super) memory: Memory,
    counts: Counts,
    name: String,
    is_created: bool,
    /// Last: what `memory` refers to.
    segment: Arc<Segment>,
}

/// An entry's value and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Versioned {
    /// The value.
    pub value: Vec<u8>,
    /// For [`Cache::compare_and_swap`]: no two values of a key have the same.
    pub version: u64,
}

/// An entry that may have expired.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stale {
    /// The value.
    pub value: Vec<u8>,
    /// Whether its time is over, and since when.
    pub expired_for: Option<Duration>,
}

/// What became of a [`Cache::compare_and_swap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// The value is the new one; its version.
    Done(u64),
    /// The entry has another version: somebody else was first.
    Changed(u64),
    /// There is no entry.
    Absent,
}

impl Cache {
    /// The options of a cache that is to be created or opened.
    pub fn options() -> CacheOptions {
        CacheOptions::default()
    }

    /// Bytes of a segment for the first extent.
    pub(super) fn needed_bytes(wish: &Wish) -> Result<u64> {
        let (shape, extent) = plan(wish)?;
        Ok((extent.words(shape) * WORD_BYTES) as u64)
    }

    pub(super) fn open_or_make_in(segment: Arc<Segment>, name: &str, wish: &Wish) -> Result<Cache> {
        let (shape, extent) = plan(wish)?;
        let random = process::random().map_err(|cause| Error::system("get random bytes for the cache", &cause))?;
        let (low, high) = random.split_at(8);
        let seed = Seed([low, high].map(|half| u64::from_ne_bytes(half.try_into().expect("eight bytes"))));
        let boot = segment.boot();
        let area = segment.get_or_init_area(name, (extent.words(shape) * WORD_BYTES) as u64, |bytes, count| {
            // SAFETY: so many bytes, on a multiple of 64, which nobody else has seen; zero.
            let words = unsafe { words_of(bytes.as_ptr(), count) };
            super::memory::publish_first(words);
            CacheHead::new(0, boot, seed, shape, extent, wish.mean_entry_bytes)
        })?;
        Cache::new(&segment, name, &area)
    }

    pub(super) fn open_in(segment: Arc<Segment>, name: &str) -> Result<Cache> {
        let area: Area<'_, CacheHead> = segment.get_area(name)?.ok_or_else(|| {
            let what = format!("the segment {} holds no cache `{name}`", segment.path());
            Error::new(ErrorKind::NotFound, what).hint("start the program that makes it")
        })?;
        Cache::new(&segment, name, &area)
    }

    /// `area` is the segment's.
    fn new(segment: &Arc<Segment>, name: &str, area: &Area<'_, CacheHead>) -> Result<Cache> {
        // SAFETY: mapped as long as the segment, which stays as long as the words are used: they are in the same value.
        let words = unsafe { words_of(area.bytes.as_ptr(), area.byte_count) };
        let (owner, object) = (Arc::clone(segment), name.to_owned());
        let learn = move |number| {
            let area = owner.get_area::<CacheHead>(&extent_name(&object, number)).ok()??;
            // SAFETY: as above; `owner` is the same segment.
            Some((unsafe { words_of(area.bytes.as_ptr(), area.byte_count) }, area.head.extent(number)?))
        };
        let memory = memory_of(area.head, words, false, Box::new(learn)).ok_or_else(|| corrupt(segment.path()))?;
        let counts = Counts::new(&memory);
        let cache =
            Cache { memory, counts, name: name.to_owned(), is_created: area.is_made, segment: Arc::clone(segment) };
        let boot = segment.boot();
        if area.head.boot.load(Relaxed) != boot {
            // The machine was started anew: times mean nothing any more, and the disk may hold pages of any moment.
            cache.clear()?;
            // Release pairs with the Acquire in `CacheReader`: who sees it sees the cache cleared.
            area.head.boot.store(boot, Release);
        }
        Ok(cache)
    }

    /// The shard of a key, and where to look in it.
    #[inline]
    pub(super) fn shard_of(&self, key: &[u8]) -> (Shard<'_>, super::index::Probe) {
        let probe = self.memory.probe(key);
        (Shard::of(&self.memory, probe.shard(self.memory.shape.shards)), probe)
    }

    pub(super) fn lock_for(&self, key: &[u8]) -> Result<(Locked<'_>, super::index::Probe)> {
        let (shard, probe) = self.shard_of(key);
        Ok((shard.lock()?, probe))
    }

    #[inline]
    pub(super) fn count(&self, event: Event) {
        self.counts.count(&self.memory, event);
    }
}

/// Reading. None of these takes a lock or waits.
impl Cache {
    /// A copy of the value of an entry that has not expired.
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        self.get_into(key, &mut value).then_some(value)
    }

    /// As [`get`](Cache::get), into a buffer whose memory is used again; `false`, and an empty buffer, if there is
    /// none.
    #[inline]
    pub fn get_into(&self, key: impl AsRef<[u8]>, value: &mut Vec<u8>) -> bool {
        let found = self.read(key.as_ref(), value).is_some_and(|read| !read.is_expired);
        if !found {
            value.clear();
        }
        self.count(if found { Event::Hit } else { Event::Miss });
        found
    }

    /// As [`get`](Cache::get), into memory of the caller's. Gives the length of the value; if that is more than `to`
    /// has, nothing was copied.
    ///
    /// ```
    /// # use cotenant::cache::Cache;
    /// # let name = &format!("example.slice.{}", std::process::id());
    /// let cache = Cache::options().capacity_bytes(1 << 20).open_or_create(name)?;
    /// cache.insert("k", "value", None)?;
    /// let mut buffer = [0; 16];
    /// assert_eq!(cache.get_into_slice("k", &mut buffer), Some(5));
    /// assert_eq!(cache.get_into_slice("k", &mut buffer[..4]), Some(5)); // Too short.
    /// # assert_eq!(&buffer[..5], b"value");
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    #[inline]
    pub fn get_into_slice(&self, key: impl AsRef<[u8]>, to: &mut [u8]) -> Option<usize> {
        let read = self.read_into_slice(key.as_ref(), to).filter(|(_, read)| !read.is_expired);
        self.count(if read.is_some() { Event::Hit } else { Event::Miss });
        read.map(|(bytes, _)| bytes)
    }

    /// Calls `with` with the value of an entry that has not expired; gives what that gives. It gets a copy, which is
    /// made on the stack if it has up to a kilobyte: what lies in the cache may change at any time. In place, see
    /// [`pin`](Cache::pin).
    pub fn read_with<R>(&self, key: impl AsRef<[u8]>, with: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let mut copy = super::copy::Copied::new();
        let (shard, probe) = self.shard_of(key.as_ref());
        let read = shard.read(probe, key.as_ref(), |_, entry| copy.copy(entry));
        let found = read.is_some_and(|read| !read.is_expired);
        self.count(if found { Event::Hit } else { Event::Miss });
        found.then(|| with(copy.bytes()))
    }

    /// The value and its version, for [`compare_and_swap`](Cache::compare_and_swap).
    pub fn get_versioned(&self, key: impl AsRef<[u8]>) -> Option<Versioned> {
        let mut value = Vec::new();
        let read = self.read(key.as_ref(), &mut value).filter(|read| !read.is_expired);
        self.count(if read.is_some() { Event::Hit } else { Event::Miss });
        read.map(|read| Versioned { value, version: read.version })
    }

    /// The value, also if its time is over and it is still there.
    pub fn get_stale(&self, key: impl AsRef<[u8]>) -> Option<Stale> {
        let mut value = Vec::new();
        let read = self.read(key.as_ref(), &mut value);
        let expired_for = read.filter(|read| read.is_expired).map(|read| since(read.expires_ms));
        self.count(match (read, expired_for) {
            (None, _) => Event::Miss,
            (Some(_), None) => Event::Hit,
            (Some(_), Some(_)) => Event::Stale,
        });
        read.map(|_| Stale { value, expired_for })
    }

    /// Whether there is an entry of that key that has not expired. Counts as neither hit nor miss.
    pub fn contains(&self, key: impl AsRef<[u8]>) -> bool {
        let (shard, probe) = self.shard_of(key.as_ref());
        shard.read(probe, key.as_ref(), |_, _| {}).is_some_and(|read| !read.is_expired)
    }

    #[inline]
    pub(super) fn read(&self, key: &[u8], value: &mut Vec<u8>) -> Option<super::shard::Read> {
        let (shard, probe) = self.shard_of(key);
        shard.read(probe, key, |_, entry| {
            value.clear();
            append_bytes(entry.value(), entry.lengths.value_bytes, value);
        })
    }

    #[inline]
    fn read_into_slice(&self, key: &[u8], to: &mut [u8]) -> Option<(usize, super::shard::Read)> {
        let (shard, probe) = self.shard_of(key);
        let mut value_bytes = 0;
        let read = shard.read(probe, key, |_, entry| {
            value_bytes = entry.lengths.value_bytes;
            copy_bytes(entry.value(), value_bytes, to);
        })?;
        Some((value_bytes, read))
    }

    /// The entries that have not expired, as copies. Takes no lock: what is inserted or removed meanwhile is given or
    /// not, what is there all the time is given (twice, perhaps, if the cache grows).
    pub fn iter(&self) -> Entries<'_> {
        Entries::new(&self.memory)
    }
}

/// Writing. Each of these waits for others who change the same shard at that moment, which takes microseconds.
///
/// What all may give as an error: `InvalidInput`: the entry is longer than [`max_entry_bytes`](Cache::max_entry_bytes);
/// `NoSpace`: all memory that could be freed is pinned; `Busy`: another process is stopped in the middle of a change,
/// for half a minute; `Full`, `PermissionDenied`: a child of a fork could not become a participant; `Corrupt`: the
/// cache's own bytes make no sense.
impl Cache {
    /// Puts an entry into the cache, in the place of the one of its key. `ttl` says how long it is to live: a
    /// `Duration`, in whole milliseconds, or `None`.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn insert(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<()> {
        // A caller's code runs before the lock is taken.
        let (key, value, ttl) = (key.as_ref(), value.as_ref(), ttl.into());
        let (shard, probe) = self.lock_for(key)?;
        self.put(&shard, probe, key, value, ttl).map(drop)
    }

    /// As [`insert`](Cache::insert), if there is no entry of that key or its time is over. Whether it was inserted.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn insert_if_absent(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<bool> {
        let (key, value, ttl) = (key.as_ref(), value.as_ref(), ttl.into());
        let (shard, probe) = self.lock_for(key)?;
        if shard.find_fresh(probe, key)?.is_some() {
            return Ok(false);
        }
        self.put(&shard, probe, key, value, ttl).map(|_| true)
    }

    /// As [`insert`](Cache::insert), if there is an entry of that key. Whether there was.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn replace(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<bool> {
        let (key, value, ttl) = (key.as_ref(), value.as_ref(), ttl.into());
        let (shard, probe) = self.lock_for(key)?;
        if shard.find_fresh(probe, key)?.is_none() {
            return Ok(false);
        }
        self.put(&shard, probe, key, value, ttl).map(|_| true)
    }

    /// As [`insert`](Cache::insert), if the entry still has the version that [`get_versioned`](Cache::get_versioned)
    /// gave.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn compare_and_swap(
        &self,
        key: impl AsRef<[u8]>,
        version: u64,
        value: impl AsRef<[u8]>,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<Swap> {
        let (key, value, ttl) = (key.as_ref(), value.as_ref(), ttl.into());
        let (shard, probe) = self.lock_for(key)?;
        match shard.find_fresh(probe, key)? {
            None => Ok(Swap::Absent),
            Some(found) if found.version() != version => Ok(Swap::Changed(found.version())),
            Some(_) => self.put(&shard, probe, key, value, ttl).map(Swap::Done),
        }
    }

    /// Removes an entry. Whether there was one that had not expired.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let key = key.as_ref();
        let (shard, probe) = self.lock_for(key)?;
        let Some(found) = shard.find(probe, key)? else { return Ok(false) };
        let is_expired = found.is_expired();
        shard.remove(found);
        Ok(!is_expired)
    }

    /// Adds `by` to a number; gives the sum. Without an entry the number is `initial` (and `by` is not added), and
    /// lives for `ttl_if_new`. The value is the number's eight bytes in the machine's order: `i64::from_ne_bytes`.
    ///
    /// # Errors
    ///
    /// `InvalidInput`: the value has not eight bytes, or the sum is no `i64`; the entry stays as it is. Else see above.
    pub fn increment(
        &self,
        key: impl AsRef<[u8]>,
        by: i64,
        initial: i64,
        ttl_if_new: impl Into<Option<Duration>>,
    ) -> Result<i64> {
        let (key, ttl) = (key.as_ref(), ttl_if_new.into());
        let (shard, probe) = self.lock_for(key)?;
        let Some(found) = shard.find_fresh(probe, key)? else {
            self.put(&shard, probe, key, &initial.to_ne_bytes(), ttl)?;
            return Ok(initial);
        };
        let [word] = found.entry.value() else { return Err(no_number("it has not eight bytes")) };
        if found.entry.lengths.value_bytes != WORD_BYTES {
            return Err(no_number("it has not eight bytes"));
        }
        let number = i64::from_ne_bytes(word.load(Relaxed).to_ne_bytes());
        let sum = number.checked_add(by).ok_or_else(|| no_number("the sum has more than 64 bits"))?;
        let expires_ms = found.entry.expires_ms().load(Relaxed);
        shard.put(probe, Content { key, value: &sum.to_ne_bytes(), expires_ms })?;
        self.count(Event::Insert);
        Ok(sum)
    }

    /// Gives an entry another time to live, from now on. Whether there is one that has not expired.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn touch(&self, key: impl AsRef<[u8]>, ttl: impl Into<Option<Duration>>) -> Result<bool> {
        let (key, ttl) = (key.as_ref(), ttl.into());
        let (shard, probe) = self.lock_for(key)?;
        let found = shard.find_fresh(probe, key)?;
        if let Some(found) = found {
            shard.touch(found, expires_ms(ttl));
        }
        Ok(found.is_some())
    }

    /// Removes all entries, one shard after the other.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn clear(&self) -> Result<()> {
        (0..self.memory.shape.shards).try_for_each(|number| Shard::of(&self.memory, number).lock()?.clear())
    }

    pub(super) fn put(
        &self,
        shard: &Locked<'_>,
        probe: super::index::Probe,
        key: &[u8],
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<u64> {
        let version = shard.put(probe, Content { key, value, expires_ms: expires_ms(ttl) })?;
        self.count(Event::Insert);
        Ok(version)
    }
}

/// The cache as a whole.
impl Cache {
    /// What happened in the cache, by all processes, and what is in it. Each thread of another process tells every 64th
    /// of what it did. Reads some kilobytes; for people and metrics.
    pub fn stats(&self) -> CacheStats {
        self.counts.tell(&self.memory);
        counts::stats(&self.memory)
    }

    /// What this process did, since it opened the cache.
    pub fn process_stats(&self) -> CacheActivity {
        self.counts.activity(&self.memory)
    }

    /// Key and value of the longest entry that the cache takes, together.
    pub fn max_entry_bytes(&self) -> usize {
        self.memory.shape.max_entry_bytes()
    }

    /// The budget in bytes, as far as the cache has grown.
    pub fn capacity_bytes(&self) -> u64 {
        self.memory.capacity_bytes()
    }

    /// Whether this call of `create`, `open_or_create` or `in_segment` made the cache.
    pub fn is_created(&self) -> bool {
        self.is_created
    }

    /// The segment that it lies in.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Makes the budget so many bytes, while others use the cache; nothing if it is as large already. It can grow
    /// fifteen times, and up to `max_capacity_bytes`. Each shard takes its part with the next change in it, and with it
    /// a larger index if it needs one, which takes some milliseconds.
    ///
    /// # Errors
    ///
    /// `NoSpace`: the segment or the system has no room, or it has grown too often. Nothing was changed.
    pub fn grow(&self, capacity_bytes: u64) -> Result<()> {
        loop {
            let before = self.capacity_bytes();
            let Some(more) = capacity_bytes.checked_sub(before).filter(|more| *more > 0) else { return Ok(()) };
            let number = self.memory.extents_published() as usize;
            let head =
                self.segment.get_area::<CacheHead>(&self.name)?.ok_or_else(|| corrupt(self.segment.path()))?.head;
            let shape = self.memory.shape;
            let extent = plan_growth(shape, before, more, head.mean_entry_bytes(), self.memory.buckets());
            let (Some(extent), true) = (extent, number < EXTENTS_MAX) else {
                if number < EXTENTS_MAX {
                    return Ok(()); // Less than a slab for each shard.
                }
                let what =
                    format!("the cache of {} has grown {} times, and cannot again", self.segment.path(), number - 1);
                return Err(Error::new(ErrorKind::NoSpace, what).hint("grow in larger steps"));
            };
            let bytes = (extent.words(shape) * WORD_BYTES) as u64;
            let init = |_, _| CacheHead::new(number, 0, head.seed(), shape, extent, head.mean_entry_bytes());
            let made = self.segment.get_or_init_area(&extent_name(&self.name, number), bytes, init);
            made.map_err(|error| match error.kind() {
                // Else it is the system that has no room, and the error says which limit.
                ErrorKind::NoSpace if self.segment.used_bytes().saturating_add(bytes) > self.segment.max_bytes() => {
                    error.hint("make the cache with a larger `max_capacity_bytes`")
                }
                _ => error,
            })?;
            // Killed before this: the next one who grows finds the area, as it is.
            if self.memory.extent(number).is_none() {
                return Err(corrupt(self.segment.path()));
            }
            self.memory.publish_extent(number);
        }
    }
}

/// The memory of a cache with that head and those words; `None` if they do not go together.
pub(super) fn memory_of(
    head: &CacheHead,
    words: Words,
    is_read_only: bool,
    learn: Box<super::memory::Learn>,
) -> Option<Memory> {
    let (shape, extent) = (head.shape()?, head.extent(0)?);
    let fits = extent.check(shape, words.len(), 0);
    fits.then(|| Memory::new(shape, head.seed(), (words, extent), is_read_only, learn))
}

/// # Safety
/// So many bytes are mapped there, on a multiple of 8, as long as the result is used, and all who use them meanwhile do
/// so by atomic operations.
pub(super) unsafe fn words_of(bytes: *const u8, count: usize) -> Words {
    // SAFETY: by the caller's promise; an atomic has the layout of its integer.
    unsafe { std::slice::from_raw_parts(bytes.cast::<AtomicU64>(), count / WORD_BYTES) }
}

pub(super) fn extent_name(cache: &str, number: usize) -> String {
    format!("{cache} +{number}")
}

/// When an entry with that time to live expires.
fn expires_ms(ttl: Option<Duration>) -> u64 {
    let Some(ttl) = ttl else { return 0 };
    now_ms().saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)).clamp(1, u64::MAX - 1)
}

fn since(expires_ms: u64) -> Duration {
    Duration::from_millis(now_ms().saturating_sub(expires_ms))
}

#[cold]
pub(super) fn corrupt(path: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the cache in {path} is damaged: its parts do not fit"))
        .hint("end the programs that use it and remove it (`CacheOptions::unlink`)")
}

#[cold]
fn no_number(why: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("cannot increment an entry of the cache: {why}"))
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.counts.tell(&self.memory);
    }
}

// Whatever a panic interrupts is put right by the next holder of the shard's lock, as after a death.
impl UnwindSafe for Cache {}
impl RefUnwindSafe for Cache {}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("path", &self.segment.path())
            .field("name", &self.name)
            .field("capacity_bytes", &self.capacity_bytes())
            .finish_non_exhaustive()
    }
}
