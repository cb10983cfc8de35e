//! `CacheReader`: a cache for who may not write it.

#![allow(unsafe_code)]

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;

use super::cache::{corrupt, extent_name, memory_of, words_of};
use super::counts::{self, CacheStats};
use super::entry::Entry;
use super::head::CacheHead;
use super::iter::Entries;
use super::memory::Memory;
use super::shard::Shard;
use super::words::{append_bytes, copy_bytes};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::reader::SegmentReader;

/// A cache that this process only reads. Made by
/// [`CacheOptions::open_reader`](crate::cache::CacheOptions::open_reader).
///
/// It holds no slot and no lock, and writes nothing: what it reads counts neither in the statistics nor for what is
/// kept. An entry that is written anew during each of some thousand attempts to copy it counts as missing. Of a cache
/// in a file that nobody has written since the machine was started anew it finds nothing: its times mean nothing any
/// more.
///
/// ```
/// use cotenant::cache::Cache;
///
/// # let name = &format!("example.cache.reader.{}", std::process::id());
/// let cache = Cache::options().capacity_bytes(1 << 20).mode(0o644).create(name)?; // in one program
/// cache.insert("limit", "100", None)?;
///
/// let reader = Cache::options().mode(0o644).open_reader(name)?; // in another
/// assert_eq!(reader.get("limit").as_deref(), Some(b"100".as_slice()));
/// # Ok::<(), cotenant::Error>(())
/// ```
pub struct CacheReader {
    memory: Memory,
    /// The cache's run of the machine, and this one; 0: not known.
    boot: &'static AtomicU64,
    this_boot: u64,
    /// Last: what `memory` refers to.
    segment: Arc<SegmentReader>,
}

impl CacheReader {
    pub(super) fn open_in(segment: SegmentReader, name: &str) -> Result<CacheReader> {
        let segment = Arc::new(segment);
        let Some(area) = segment.get_area::<CacheHead>(name)? else {
            let what = format!("the segment {} holds no cache `{name}`", segment.path());
            return Err(Error::new(ErrorKind::NotFound, what).hint("start the program that makes it"));
        };
        // SAFETY: mapped as long as the segment, which is in the same value as what uses the words; only loaded.
        let words = unsafe { words_of(area.bytes.as_ptr(), area.byte_count) };
        let (owner, object) = (Arc::clone(&segment), name.to_owned());
        let learn = move |number| {
            let area = owner.get_area::<CacheHead>(&extent_name(&object, number)).ok()??;
            // SAFETY: as above.
            Some((unsafe { words_of(area.bytes.as_ptr(), area.byte_count) }, area.head.extent(number)?))
        };
        let memory = memory_of(area.head, words, true, Box::new(learn)).ok_or_else(|| corrupt(segment.path()))?;
        // SAFETY: in the area's head, mapped as its words are.
        let boot = unsafe { &*std::ptr::from_ref(&area.head.boot) };
        let this_boot = segment.this_boot();
        Ok(CacheReader { memory, boot, this_boot, segment })
    }

    /// Whether somebody who may write has opened it in this run of the machine; memory that does not outlive that says
    /// 0.
    fn is_of_this_boot(&self) -> bool {
        // Acquire pairs with the Release of who has cleared it.
        let boot = self.boot.load(Acquire);
        boot == 0 || self.this_boot == 0 || boot == self.this_boot
    }

    /// A copy of the value of an entry that has not expired. Takes no lock and waits for nobody.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        self.get_into(key, &mut value).then_some(value)
    }

    /// As [`get`](CacheReader::get), into a buffer whose memory is used again; `false`, and an empty buffer, if there
    /// is none.
    pub fn get_into(&self, key: impl AsRef<[u8]>, value: &mut Vec<u8>) -> bool {
        let found = self.read(key.as_ref(), |entry| {
            value.clear();
            append_bytes(entry.value(), entry.lengths.value_bytes, value);
        });
        if !found {
            value.clear();
        }
        found
    }

    /// As [`Cache::get_into_slice`](crate::cache::Cache::get_into_slice).
    pub fn get_into_slice(&self, key: impl AsRef<[u8]>, to: &mut [u8]) -> Option<usize> {
        let mut value_bytes = 0;
        let found = self.read(key.as_ref(), |entry| {
            value_bytes = entry.lengths.value_bytes;
            copy_bytes(entry.value(), value_bytes, to);
        });
        found.then_some(value_bytes)
    }

    /// Whether there is an entry of that key that has not expired.
    pub fn contains(&self, key: impl AsRef<[u8]>) -> bool {
        self.read(key.as_ref(), |_| {})
    }

    fn read(&self, key: &[u8], mut copy: impl FnMut(Entry)) -> bool {
        if !self.is_of_this_boot() {
            return false;
        }
        let probe = self.memory.probe(key);
        let shard = Shard::of(&self.memory, probe.shard(self.memory.shape.shards));
        shard.read(probe, key, |_, entry| copy(entry)).is_some_and(|read| !read.is_expired)
    }

    /// The entries, as [`Cache::iter`](crate::cache::Cache::iter) gives them.
    pub fn iter(&self) -> Entries<'_> {
        if self.is_of_this_boot() { Entries::new(&self.memory) } else { Entries::none(&self.memory) }
    }

    /// As [`Cache::stats`](crate::cache::Cache::stats).
    pub fn stats(&self) -> CacheStats {
        if self.is_of_this_boot() {
            return counts::stats(&self.memory);
        }
        CacheStats { capacity_bytes: self.memory.capacity_bytes(), ..CacheStats::default() }
    }

    /// Key and value of the longest entry that the cache takes, together.
    pub fn max_entry_bytes(&self) -> usize {
        self.memory.shape.max_entry_bytes()
    }

    /// The budget in bytes, as far as the cache has grown.
    pub fn capacity_bytes(&self) -> u64 {
        self.memory.capacity_bytes()
    }

    /// The segment that it lies in.
    pub fn segment(&self) -> &SegmentReader {
        &self.segment
    }
}

impl UnwindSafe for CacheReader {}
impl RefUnwindSafe for CacheReader {}

impl fmt::Debug for CacheReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheReader").field("path", &self.segment.path()).finish_non_exhaustive()
    }
}
