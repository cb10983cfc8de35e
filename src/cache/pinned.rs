//! `Pinned`: an entry's value in place.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use super::cache::Cache;
use super::counts::Event;
use super::memory::Words;
use super::pin::Hold;
use super::words::WORD_BYTES;
use crate::error::Result;

/// A value that stays in its place as long as this lives. Of [`Cache::pin`].
///
/// The entry may be replaced, removed or thrown out meanwhile: this goes on to show what it was.
pub struct Pinned<'a> {
    words: Words,
    byte_count: usize,
    version: u64,
    _hold: Hold,
    cache: PhantomData<&'a Cache>,
}

impl Cache {
    /// The value of an entry that has not expired, in place. Takes one of the cache's pins (`max_pins`), which names
    /// this participant: if it is killed, the pin is taken back. While a pin is held, the part of the cache that the
    /// entry lies in (a slab: what the longest entry fills) is not used for other entries: copy what is kept for long.
    ///
    /// Takes no lock and waits for nobody. In a child of a fork a pin of its parent's protects nothing.
    ///
    /// ```
    /// # use cotenant::cache::Cache;
    /// # let name = &format!("example.pin.{}", std::process::id());
    /// let cache = Cache::options().capacity_bytes(1 << 20).open_or_create(name)?;
    /// cache.insert("picture", [7; 1000], None)?;
    /// if let Some(picture) = cache.pin("picture")? {
    ///     cache.remove("picture")?;
    ///     assert_eq!(picture.iter().map(|byte| u64::from(*byte)).sum::<u64>(), 7000);
    /// }
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Full`: all pins are in use. `Full`, `PermissionDenied`: a child of a fork could not become a participant.
    pub fn pin(&self, key: impl AsRef<[u8]>) -> Result<Option<Pinned<'_>>> {
        let hold = Hold::take(&self.memory)?;
        let (shard, probe) = self.shard_of(key.as_ref());
        let log2 = self.memory.shape.slab_words_log2;
        let mut seen = None;
        let read = shard.read(probe, key.as_ref(), |place, entry| {
            // What is looked at after this, whether the bucket has changed, tells whether the slab was named in time.
            hold.name(shard.number, (place >> log2) as usize);
            seen = Some(entry);
        });
        let found = read.filter(|read| !read.is_expired).zip(seen);
        self.count(if found.is_some() { Event::Hit } else { Event::Miss });
        Ok(found.map(|(read, entry)| Pinned {
            words: entry.value(),
            byte_count: entry.lengths.value_bytes,
            version: read.version,
            _hold: hold,
            cache: PhantomData,
        }))
    }
}

impl Pinned<'_> {
    /// The version, for [`Cache::compare_and_swap`].
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl Deref for Pinned<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        debug_assert!(self.byte_count <= self.words.len() * WORD_BYTES);
        // SAFETY: mapped as long as the cache, which is borrowed; initialised; and not written as long as the pin names
        // the slab, by all who run sound code (docs/safety.md): an entry's key and value are written before a slot
        // leads to it, and its slab is not used again. Checked when it was found: so many words are there.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast::<u8>(), self.byte_count) }
    }
}

impl fmt::Debug for Pinned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned")
            .field("bytes", &self.byte_count)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
