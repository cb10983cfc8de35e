//! What the next holder of a shard's lock does when the one before died, and how a shard takes over what the cache
//! grew by.
//!
//! | killed | what is wrong | put right |
//! |---|---|---|
//! | while an entry is written | words behind `used`, or a hole with other words in it | nothing: no slot leads there |
//! | after it, before a slot leads to it | `live` counts it | worked out anew |
//! | between slot and sequence number | readers do not notice that memory is used again | every bucket counts up |
//! | after the slot, before the counts | `live`, entries, bytes | worked out anew |
//! | while a slab is emptied | some entries are copied, some not | nothing: each slot leads to one of the two |
//! | in the list of holes | a list that is cut, or leads to an entry | forgotten: emptying slabs finds holes, too |
//! | while a larger index is filled | nobody uses it yet | filled again from the start |

use std::sync::atomic::Ordering::{Relaxed, Release};

use super::index::{Bucket, Index, Slot};
use super::shard::{BYTES, ENTRIES, EVICTED_BY_INDEX, EXTENTS, INDEX, IndexWord, Locked, OPEN, REPAIRED, WAS_FULL};
use super::space::{FIRST_WORD, Kind, SlabState};
use crate::error::Result;

impl Locked<'_> {
    /// Works out all sums, from what the slots lead to. Killed in it, the next one does it again.
    #[cold]
    pub(super) fn repair(&self) {
        OPEN.iter().for_each(|at| self.word(*at).store(0, Relaxed));
        self.forget_holes();
        let Some(index) = self.shard.index() else { return };
        let mut live = vec![0; self.slab_count()];
        let (mut entries, mut bytes) = (0, 0);
        for bucket in index.buckets() {
            bucket.count_change();
            for (nth, slot) in bucket.taken() {
                match self.whole_entry(slot) {
                    Some((slab, entry)) => {
                        live[slab] += entry.word_count();
                        entries += 1;
                        bytes += entry.lengths.key_bytes + entry.lengths.value_bytes;
                    }
                    // Damage.
                    None => bucket.change(nth, Slot::EMPTY),
                }
            }
        }
        for ((_, slab), live) in self.slabs().zip(live) {
            let mut state = slab.state();
            state.live = live;
            slab.set_state(state);
        }
        self.word(ENTRIES).store(entries, Relaxed);
        self.word(BYTES).store(bytes as u64, Relaxed);
        self.add(REPAIRED, 1);
    }

    /// Removes all entries.
    pub(super) fn clear(&self) -> Result<()> {
        self.index()?.buckets().for_each(Bucket::clear);
        // Nothing leads into the slabs any more.
        OPEN.iter().for_each(|at| self.word(*at).store(0, Relaxed));
        self.slabs().for_each(|(_, slab)| slab.set_state(SlabState::FREE));
        self.forget_holes();
        self.word(WAS_FULL).store(0, Relaxed);
        self.word(ENTRIES).store(0, Relaxed);
        self.word(BYTES).store(0, Relaxed);
        Ok(())
    }

    /// The entry that a slot leads to, and the number of its slab, if it can be one.
    fn whole_entry(&self, slot: Slot) -> Option<(usize, super::entry::Entry)> {
        let number = (slot.place() >> self.shard.memory.shape.slab_words_log2) as usize;
        let entry = self.shard.entry(slot.place())?;
        let state = self.slab(number)?.state();
        let at = slot.place() as usize & (self.shard.memory.shape.slab_words() - 1);
        let is_inside = number < self.slab_count() && at >= FIRST_WORD && at + entry.word_count() <= state.used;
        (is_inside && state.kind != Kind::Free).then_some((number, entry))
    }

    /// Takes over the slabs, and perhaps the index, of extents that were added since.
    #[inline]
    pub(super) fn adopt_extents(&self) {
        let adopted = self.word(EXTENTS).load(Relaxed);
        if adopted < self.shard.memory.extents_published() {
            self.adopt(adopted as usize);
        }
    }

    #[cold]
    #[inline(never)]
    fn adopt(&self, adopted: usize) {
        for number in adopted..self.shard.memory.extents_published() as usize {
            let Some(extent) = self.shard.memory.extent(number) else { return };
            let index_word = self.shard.index_word();
            let current = self.shard.memory.extent(index_word.extent()).map(|extent| extent.shape().buckets);
            if current.is_some_and(|log2| log2 < extent.shape().buckets) && index_word.extent() < number {
                let old = self.shard.index();
                let new = self.shard.memory.index(self.shard.number, number);
                if let Some((old, new)) = old.zip(new) {
                    self.fill_index(old, new);
                    // Release pairs with the Acquire of `index_word`: who sees the extent sees its buckets filled.
                    self.word(INDEX).store(IndexWord::new(number, index_word.period()).0, Release);
                }
            }
            self.word(EXTENTS).store(number as u64 + 1, Relaxed);
            self.word(WAS_FULL).store(0, Relaxed);
        }
    }

    /// Has the slots of a larger index, which nobody uses yet, lead to all entries.
    fn fill_index(&self, old: Index, new: Index) {
        new.buckets().for_each(Bucket::clear);
        for (_, slot) in old.buckets().flat_map(Bucket::taken) {
            let Some(entry) = self.shard.entry(slot.place()) else { continue };
            let probe = self.probe_of(entry);
            let (first, second) = (new.first(probe), new.second(probe));
            if let Some(nth) = first.empty_slot() {
                first.change(nth, slot);
            } else if let Some(nth) = second.empty_slot() {
                first.spill();
                second.change(nth, slot);
            } else {
                self.count_gone(entry, EVICTED_BY_INDEX);
            }
        }
    }
}
