//! `CacheReader`: a cache for who may not write it.

#![allow(unsafe_code)]

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::cache::{corrupt, extent_name, memory_of, words_of};
use super::counts::{self, CacheStats};
use super::head::CacheHead;
use super::iter::Entries;
use super::memory::Memory;
use super::shard::Shard;
use super::words::append_bytes;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::reader::SegmentReader;

/// A cache that this process only reads. Made by
/// [`CacheOptions::open_reader`](crate::cache::CacheOptions::open_reader).
///
/// It holds no slot and no lock, and writes nothing: what it reads counts neither in the statistics nor for what is
/// kept.
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
        Ok(CacheReader { memory, segment })
    }

    /// A copy of the value of an entry that has not expired. Takes no lock and waits for nobody.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        self.get_into(key, &mut value).then_some(value)
    }

    /// As [`get`](CacheReader::get), into a buffer whose memory is used again; `false`, and an empty buffer, if there
    /// is none.
    pub fn get_into(&self, key: impl AsRef<[u8]>, value: &mut Vec<u8>) -> bool {
        let probe = self.memory.probe(key.as_ref());
        let shard = Shard::of(&self.memory, probe.shard(self.memory.shape.shards));
        let read = shard.read(probe, key.as_ref(), |_, entry| {
            value.clear();
            append_bytes(entry.value(), entry.lengths.value_bytes, value);
        });
        let found = read.is_some_and(|read| !read.is_expired);
        if !found {
            value.clear();
        }
        found
    }

    /// The entries, as [`Cache::iter`](crate::cache::Cache::iter) gives them.
    pub fn iter(&self) -> Entries<'_> {
        Entries::new(&self.memory)
    }

    /// As [`Cache::stats`](crate::cache::Cache::stats).
    pub fn stats(&self) -> CacheStats {
        counts::stats(&self.memory)
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
