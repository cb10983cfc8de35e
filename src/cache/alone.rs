//! Reading one entry whatever happens to its neighbours: for who found the bucket changed at each of some tries, and
//! for iteration.
//!
//! ```text
//! reader   slot | order, version | slot, the same? | copy | slot, order, version: the same?
//! ```
//!
//! Memory of an entry is written again only behind a change of its slot and a Release fence, and what comes there then
//! has another version, or lies in a slab that was opened since, which has another order. So a slot that leads there
//! again is told from one that always did: every store of the new entry is seen by who sees its slot (Acquire), and who
//! copied one of them before that sees, behind the Acquire fence, that the slot changed.
//!
//! An entry that is written anew during each of the tries, too, is read under the shard's lock: by who has a slot. Who
//! has none, a `CacheReader`, tries on, and gives up after about a thousand times: then it is a miss.

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use super::entry::Entry;
use super::index::{Bucket, Probe, SPILLED, Slot};
use super::shard::{IndexWord, Locked, Read, Seen, Shard, TRIES, is_expired};
use super::words::hold_bytes;
use crate::lock::atomic::fence;

/// Rounds of `TRIES` reads.
const ROUNDS: usize = 64;
/// Between two rounds, who may write waits so long for the lock. Its holder may be stopped: then nothing changes, and
/// the next round succeeds.
const BRIEFLY: Duration = Duration::from_millis(1);

impl Shard<'_> {
    /// As [`read`](Shard::read), when the bucket changed during each of some tries.
    #[cold]
    #[inline(never)]
    pub(super) fn read_alone(&self, probe: Probe, key: &[u8], copy: &mut impl FnMut(u32, Entry)) -> Option<Read> {
        for _ in 0..ROUNDS {
            for _ in 0..TRIES {
                let index_word = self.index_word();
                let index = self.memory.index(self.number, index_word.extent())?;
                let seen = match self.read_bucket_alone(index.first(probe), index_word, probe, key, copy) {
                    Seen::Absent(true) => self.read_bucket_alone(index.second(probe), index_word, probe, key, copy),
                    seen => seen,
                };
                match seen {
                    Seen::Here(read) => return Some(read),
                    Seen::Absent(_) => return None,
                    Seen::Changed => std::hint::spin_loop(),
                }
            }
            if let Some(locked) = self.lock_briefly() {
                let found = locked.find(probe, key).ok()??;
                return Some(read_locked(found.place(), found.entry, copy));
            }
        }
        None
    }

    /// The entry in a slot of a bucket of the index in that extent: copied as by [`read`](Shard::read). `None` if there
    /// is none, or if the shard uses another index by now.
    pub(super) fn read_nth(
        &self,
        extent: usize,
        bucket: usize,
        nth: usize,
        copy: &mut impl FnMut(u32, Entry),
    ) -> Option<Read> {
        let bucket = self.memory.index(self.number, extent)?.nth_bucket(bucket);
        for _ in 0..ROUNDS {
            for _ in 0..TRIES {
                let index_word = self.index_word();
                let slot = bucket.load(nth);
                if index_word.extent() != extent || slot.place() == 0 {
                    return None;
                }
                match self.read_slot(bucket, nth, slot, index_word, None, copy) {
                    Seen::Here(read) => return Some(read),
                    Seen::Absent(_) => return None,
                    Seen::Changed => std::hint::spin_loop(),
                }
            }
            if let Some(locked) = self.lock_briefly() {
                let slot = bucket.load(nth);
                if self.index_word().extent() != extent || slot.place() == 0 {
                    return None;
                }
                return Some(read_locked(slot.place(), locked.shard.entry(slot.place())?, copy));
            }
        }
        None
    }

    fn lock_briefly(&self) -> Option<Locked<'_>> {
        if self.memory.is_read_only { None } else { self.lock_within(BRIEFLY).ok() }
    }

    fn read_bucket_alone(
        &self,
        bucket: Bucket,
        index_word: IndexWord,
        probe: Probe,
        key: &[u8],
        copy: &mut impl FnMut(u32, Entry),
    ) -> Seen {
        // Acquire pairs with the Release of `spill`, which comes before the entry is in the second bucket.
        let before = bucket.sequence().load(Acquire);
        for nth in bucket.candidates(probe) {
            let slot = bucket.load(nth);
            if slot.may_be(probe) {
                match self.read_slot(bucket, nth, slot, index_word, Some(key), copy) {
                    Seen::Absent(_) => {}
                    seen => return seen,
                }
            }
        }
        // An entry changes its slot only by going and coming again: it was not there at some moment of this.
        if self.index_word().extent() == index_word.extent() {
            Seen::Absent(before & SPILLED != 0)
        } else {
            Seen::Changed
        }
    }

    /// Reads what a slot leads to, if it is the entry of `key`, or any.
    fn read_slot(
        &self,
        bucket: Bucket,
        nth: usize,
        slot: Slot,
        index_word: IndexWord,
        key: Option<&[u8]>,
        copy: &mut impl FnMut(u32, Entry),
    ) -> Seen {
        let slab = (slot.place() >> self.memory.shape.slab_words_log2) as usize;
        // Hostile, if there is none.
        let Some(slab) = self.memory.slab(self.number, slab) else { return Seen::Absent(false) };
        let Some(entry) = self.entry(slot.place()) else {
            return if slot.leads_as(bucket.load(nth)) { Seen::Absent(false) } else { Seen::Changed };
        };
        let (order, version) = (slab.order(), entry.version().load(Relaxed));
        // Here and below, pairs with the Release fence before memory is written again (`space`).
        fence(Acquire);
        if !slot.leads_as(bucket.load(nth)) {
            return Seen::Changed;
        }
        let is_it = key.is_none_or(|key| entry.lengths.key_bytes == key.len() && hold_bytes(entry.key(), key));
        if is_it {
            copy(slot.place(), entry);
        }
        let expires_ms = entry.expires_ms().load(Relaxed);
        fence(Acquire);
        let is_same = slot.leads_as(bucket.load(nth))
            && slab.order() == order
            && entry.version().load(Relaxed) == version
            && self.index_word().extent() == index_word.extent();
        match (is_same, is_it) {
            (false, _) => Seen::Changed,
            (true, false) => Seen::Absent(false),
            (true, true) => Seen::Here(Read { version, is_expired: is_expired(expires_ms), expires_ms }),
        }
    }
}

/// Copies an entry that nobody changes: the lock of its shard is held.
fn read_locked(place: u32, entry: Entry, copy: &mut impl FnMut(u32, Entry)) -> Read {
    copy(place, entry);
    let (version, expires_ms) = (entry.version().load(Relaxed), entry.expires_ms().load(Relaxed));
    Read { version, is_expired: is_expired(expires_ms), expires_ms }
}
