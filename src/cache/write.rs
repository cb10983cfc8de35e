//! What writers do under the shard's lock: find, put, remove.
//!
//! An entry is written where nobody looks, then a slot is made to lead to it, in one store: readers see the old entry
//! or the new one, and so does who comes after a death.

use std::sync::atomic::Ordering::Relaxed;

use super::entry::{Entry, Lengths};
use super::index::{Bucket, Index, Probe, Slot};
use super::shard::{
    BYTES, ENTRIES, EVICTED_BY_INDEX, EVICTED_EXPIRED, INSERTED, Locked, REMOVED, WAS_FULL, is_expired,
};
use super::space::{Content, Kind, Room};
use super::words::hold_bytes;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::atomic::AtomicU64;

/// An entry, and the slot that leads to it.
#[derive(Clone, Copy)]
pub(super) struct Found {
    bucket: Bucket,
    nth: usize,
    slot: Slot,
    pub(super) entry: Entry,
}

impl Found {
    pub(super) fn is_expired(&self) -> bool {
        is_expired(self.entry.expires_ms().load(Relaxed))
    }

    pub(super) fn place(&self) -> u32 {
        self.slot.place()
    }

    pub(super) fn version(&self) -> u64 {
        self.entry.version().load(Relaxed)
    }
}

impl Locked<'_> {
    #[inline]
    pub(super) fn index(&self) -> Result<Index> {
        self.shard.index().ok_or_else(no_index)
    }

    /// The entry of a key, expired or not.
    pub(super) fn find(&self, probe: Probe, key: &[u8]) -> Result<Option<Found>> {
        let index = self.index()?;
        let found = self.find_in(index.first(probe), probe, key);
        if found.is_some() || !index.first(probe).has_spilled() {
            return Ok(found);
        }
        Ok(self.find_in(index.second(probe), probe, key))
    }

    #[inline]
    fn find_in(&self, bucket: Bucket, probe: Probe, key: &[u8]) -> Option<Found> {
        for nth in bucket.candidates(probe) {
            let slot = bucket.load(nth);
            if !slot.may_be(probe) {
                continue;
            }
            let Some(entry) = self.shard.entry(slot.place()) else { continue };
            if entry.lengths.key_bytes == key.len() && hold_bytes(entry.key(), key) {
                return Some(Found { bucket, nth, slot, entry });
            }
        }
        None
    }

    /// The entry of a key that has not expired.
    pub(super) fn find_fresh(&self, probe: Probe, key: &[u8]) -> Result<Option<Found>> {
        Ok(self.find(probe, key)?.filter(|found| !found.is_expired()))
    }

    pub(super) fn probe_of(&self, entry: Entry) -> Probe {
        let words = entry.key().iter().map(|word: &AtomicU64| word.load(Relaxed));
        Probe::new(self.shard.memory.seed.hash_words(entry.lengths.key_bytes, words))
    }

    /// The slot that leads to an entry at a place; `None`: it is a hole.
    pub(super) fn slot_of(&self, index: Index, place: u32, entry: Entry) -> Option<(Bucket, usize, Slot)> {
        let probe = self.probe_of(entry);
        [index.first(probe), index.second(probe)].into_iter().find_map(|bucket| {
            let (nth, slot) = bucket.taken().find(|(_, slot)| slot.place() == place)?;
            Some((bucket, nth, slot))
        })
    }

    /// Puts an entry in the place of the one of its key, or beside it; gives its version.
    pub(super) fn put(&self, probe: Probe, content: Content<'_>) -> Result<u64> {
        let index = self.index()?;
        let lengths = Lengths { key_bytes: content.key.len(), value_bytes: content.value.len() };
        let found = self.find(probe, content.key)?;
        let kind = match found {
            Some(found) => self.slab_of(found.slot.place()).map_or(Kind::Small, |slab| slab.state().kind),
            // Nobody has to go for it: it need not show first that it is used.
            None if self.word(WAS_FULL).load(Relaxed) == 0 => Kind::Main,
            None if index.ghost(probe).is_some() => Kind::Main,
            None => Kind::Small,
        };
        let kind = if kind == Kind::Free { Kind::Small } else { kind };
        let (room, has_evicted) = self.allocate(kind, lengths.words()).ok_or_else(|| self.no_room(lengths))?;
        let version = self.fill(room, content);
        // Making room may have moved it, or thrown it out.
        let found = if has_evicted { self.find(probe, content.key)? } else { found };
        match found {
            Some(old) => {
                let slot = old.slot.used_in(self.shard.index_word().period()).unwrap_or(old.slot);
                old.bucket.change(old.nth, slot.with_place(room.place));
                self.leave_hole(old.slot.place(), old.entry);
                self.add(BYTES, -bytes_of(old.entry.lengths));
            }
            None => self.link(index, probe, room),
        }
        self.add(BYTES, bytes_of(lengths));
        self.add(INSERTED, 1);
        Ok(version)
    }

    /// Has a slot lead to a new entry; another entry goes if there is none.
    fn link(&self, index: Index, probe: Probe, room: Room) {
        let slot = Slot::new(probe, room.place, self.shard.index_word().period(), 0);
        let (first, second) = (index.first(probe), index.second(probe));
        if let Some(nth) = first.empty_slot() {
            first.change(nth, slot);
        } else {
            first.spill();
            let nth = second.empty_slot().map(|nth| (second, nth));
            let (bucket, nth) = nth.unwrap_or_else(|| self.empty_one_of([first, second]));
            bucket.change(nth, slot);
        }
        self.add(ENTRIES, 1);
    }

    /// Throws out an entry of two full buckets: one that has expired, or that was used least.
    fn empty_one_of(&self, buckets: [Bucket; 2]) -> (Bucket, usize) {
        let candidates =
            buckets.into_iter().flat_map(|bucket| bucket.taken().map(move |(nth, slot)| (bucket, nth, slot)));
        let expired = |slot: Slot| {
            self.shard.entry(slot.place()).is_none_or(|entry| is_expired(entry.expires_ms().load(Relaxed)))
        };
        let (bucket, nth, slot) = candidates
            .min_by_key(|(_, _, slot)| if expired(*slot) { 0 } else { slot.uses() + 1 })
            .unwrap_or((buckets[0], 0, Slot::EMPTY));
        bucket.change(nth, Slot::EMPTY);
        if let Some(entry) = self.shard.entry(slot.place()) {
            self.count_gone(entry, if expired(slot) { EVICTED_EXPIRED } else { EVICTED_BY_INDEX });
            self.leave_hole(slot.place(), entry);
        }
        (bucket, nth)
    }

    /// Takes an entry out.
    pub(super) fn remove(&self, found: Found) {
        found.bucket.change(found.nth, Slot::EMPTY);
        self.count_gone(found.entry, if found.is_expired() { EVICTED_EXPIRED } else { REMOVED });
        self.leave_hole(found.slot.place(), found.entry);
    }

    /// Says when an entry expires, in place: one store.
    pub(super) fn touch(&self, found: Found, expires_ms: u64) {
        if let Some(slab) = self.slab_of(found.slot.place()) {
            slab.note_expiry(expires_ms);
        }
        found.entry.expires_ms().store(expires_ms, Relaxed);
    }

    #[cold]
    fn no_room(&self, lengths: Lengths) -> Error {
        let (bytes, most) = (lengths.key_bytes + lengths.value_bytes, self.shard.memory.shape.max_entry_bytes());
        if bytes > most {
            let what = format!("an entry of {bytes} bytes is too long for the cache, which takes {most} at most");
            return Error::new(ErrorKind::InvalidInput, what).hint("make the cache with a larger `max_entry_bytes`");
        }
        Error::new(ErrorKind::NoSpace, "no room for an entry of the cache: all memory that could be freed is pinned")
            .hint("let go of pins earlier")
    }
}

#[cold]
fn no_index() -> Error {
    Error::new(ErrorKind::Corrupt, "the cache is damaged: a shard has no index")
        .hint("end the programs that use it and remove its segment")
}

fn bytes_of(lengths: Lengths) -> i64 {
    (lengths.key_bytes + lengths.value_bytes) as i64
}
