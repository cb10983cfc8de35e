//! Who must go: [S3-FIFO](https://dl.acm.org/doi/10.1145/3600006.3613147) over slabs.
//!
//! ```text
//! new ------> | small slabs, one in 20 | --read-----------> | main slabs, oldest first | --not read--> out
//!                      |                                            ^          |
//!                      '--else--> out, a ghost --comes again--------'          '--read--> to the front, one use less
//! ```
//!
//! An entry that is read once, as in a scan, never gets into the main slabs. (As long as there is room for all, new
//! entries go there at once: in what is left of the first ones, later ones of the same worth find no place, so that of
//! keys that come again and again in turn, more than there is room for, some stay.) Before anybody else, those go whose
//! time is over: a slab in which one expires is swept then. A slab is emptied as a whole, the cheapest kind first: one
//! without entries; one that is half holes (its entries are copied, none goes); else the oldest small or main one.
//!
//! At each store of this a death leaves every entry in one place: a slot leads to the old copy or to the new one.

use std::sync::atomic::Ordering::Relaxed;

use super::entry::Entry;
use super::index::{Bucket, Index, Slot};
use super::memory::Slab;
use super::shard::{BYTES, ENTRIES, EVICTED_EXPIRED, EVICTED_FOR_SPACE, Locked, OPEN, WAS_FULL, now_ms};
use super::space::{FIRST_WORD, Kind, SlabState};

/// Small slabs are one in so many.
const SMALL_SHARE: usize = 20;
/// So many slabs may be emptied for one entry without a word gained, before it takes more uses to stay.
const PATIENCE: usize = 4;

/// What becomes of an entry of a slab that is emptied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Copied to a slab of that kind, with so many uses.
    Stays(Kind, u64),
    Goes,
    Expired,
}

/// Why a slab is emptied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// It is half holes: nobody goes.
    Holes,
    /// It is its turn. Who was not used more than so often goes.
    Turn(u64),
}

impl Locked<'_> {
    /// Sweeps a slab, or empties one, or seals those that are open. `attempt` counts the calls for one entry. `false`:
    /// there is nothing to be had.
    pub(super) fn evict(&self, attempt: usize) -> bool {
        let Some(index) = self.shard.index() else { return false };
        if self.sweep(index) {
            return true;
        }
        let Some((number, slab, reason)) = self.choose(attempt) else {
            let was_open = OPEN.iter().any(|at| self.word(*at).load(Relaxed) != 0);
            OPEN.iter().for_each(|at| self.word(*at).store(0, Relaxed));
            return was_open;
        };
        self.empty(index, number, slab, reason);
        true
    }

    /// From here on new entries are small; what is left of the slab that was being filled is theirs. Whether they were
    /// not before.
    pub(super) fn note_full(&self) -> bool {
        if self.word(WAS_FULL).load(Relaxed) != 0 {
            return false;
        }
        self.word(WAS_FULL).store(1, Relaxed);
        let [small, main] = OPEN.map(|at| self.word(at));
        let open = main.load(Relaxed);
        let slab = (open as usize).checked_sub(1).and_then(|number| self.slab(number));
        if let (Some(slab), 0) = (slab, small.load(Relaxed)) {
            slab.set_state(SlabState { kind: Kind::Small, ..slab.state() });
            // Killed between these: both are forgotten by who repairs.
            main.store(0, Relaxed);
            small.store(open, Relaxed);
        }
        true
    }

    /// The slab that is to be emptied next.
    fn choose(&self, attempt: usize) -> Option<(usize, Slab, Reason)> {
        let [mut small_words, mut main_words] = [0; 2];
        let mut oldest: [Option<(usize, Slab)>; 2] = [None; 2];
        let mut emptiest: Option<(usize, Slab, usize)> = None;
        for (number, slab) in self.slabs() {
            let state = slab.state();
            let which = match state.kind {
                Kind::Free => continue,
                Kind::Small => {
                    small_words += state.used;
                    0
                }
                Kind::Main => {
                    main_words += state.used;
                    1
                }
            };
            if self.is_open(number) || self.is_pinned(number) {
                continue;
            }
            if state.live == 0 {
                return Some((number, slab, Reason::Turn(0)));
            }
            if emptiest.is_none_or(|(_, _, live)| state.live < live) && state.live * 2 < state.used {
                emptiest = Some((number, slab, state.live));
            }
            if oldest[which].is_none_or(|(_, it)| slab.order() < it.order()) {
                oldest[which] = Some((number, slab));
            }
        }
        if let Some((number, slab, _)) = emptiest.filter(|_| attempt < PATIENCE) {
            return Some((number, slab, Reason::Holes));
        }
        let is_small_large = small_words * SMALL_SHARE > small_words + main_words;
        let [small, main] = oldest;
        let (number, slab) = if is_small_large { small.or(main)? } else { main.or(small)? };
        Some((number, slab, Reason::Turn((attempt / PATIENCE) as u64)))
    }

    fn is_pinned(&self, number: usize) -> bool {
        super::pin::is_pinned(self.shard.memory, self.shard.number, number)
    }

    /// Makes holes of what has expired in the slab where something did first. Whether there was such a slab; it is not
    /// found again before the next of its entries expires.
    fn sweep(&self, index: Index) -> bool {
        let now_ms = now_ms();
        let due = self.slabs().filter(|(_, slab)| slab.state().kind != Kind::Free && slab.expires_first() <= now_ms);
        let Some((number, slab)) = due.min_by_key(|(_, slab)| slab.expires_first()) else { return false };
        let mut next_ms = u64::MAX;
        for (place, entry) in self.walk(number, slab) {
            let expires_ms = entry.expires_ms().load(Relaxed);
            if expires_ms == 0 {
                continue;
            }
            let Some((bucket, nth, _)) = self.slot_of(index, place, entry) else { continue };
            if expires_ms > now_ms {
                next_ms = next_ms.min(expires_ms);
                continue;
            }
            self.unlink(bucket, nth, entry, EVICTED_EXPIRED);
            self.leave_hole(place, entry);
        }
        // Killed before this: swept again.
        slab.set_expires_first(next_ms);
        true
    }

    /// Entries and holes of a slab, with their places.
    fn walk(&self, number: usize, slab: Slab) -> impl Iterator<Item = (u32, Entry)> {
        let log2 = self.shard.memory.shape.slab_words_log2;
        let first_place = number << log2;
        let used = slab.state().used;
        let mut at = FIRST_WORD;
        std::iter::from_fn(move || {
            let entry = Entry::at(slab.words.get(..used)?, at, log2)?;
            let place = (first_place + at) as u32;
            at += entry.word_count();
            Some((place, entry))
        })
    }

    fn empty(&self, index: Index, number: usize, slab: Slab, reason: Reason) {
        let state = slab.state();
        let now_ms = now_ms();
        for (place, entry) in self.walk(number, slab) {
            let Some((bucket, nth, slot)) = self.slot_of(index, place, entry) else { continue };
            match self.fate(state.kind, reason, slot, entry, now_ms) {
                Fate::Stays(kind, uses) if self.move_to(kind, uses, bucket, nth, slot, entry) => {}
                Fate::Expired => self.unlink(bucket, nth, entry, EVICTED_EXPIRED),
                fate => {
                    if fate == Fate::Goes {
                        index.remember_ghost(self.probe_of(entry), slot.uses());
                    }
                    self.unlink(bucket, nth, entry, EVICTED_FOR_SPACE);
                }
            }
        }
        // Nothing leads here any more. Whoever takes it looks for pins.
        slab.set_state(SlabState::FREE);
    }

    fn fate(&self, kind: Kind, reason: Reason, slot: Slot, entry: Entry, now_ms: u64) -> Fate {
        let expires_ms = entry.expires_ms().load(Relaxed);
        if expires_ms != 0 && expires_ms <= now_ms {
            return Fate::Expired;
        }
        match (reason, kind) {
            (Reason::Holes, _) => Fate::Stays(kind, slot.uses()),
            (Reason::Turn(least), Kind::Small) if slot.uses() > least => Fate::Stays(Kind::Main, slot.uses() - 1),
            (Reason::Turn(least), Kind::Main) if slot.uses() > least => Fate::Stays(Kind::Main, slot.uses() - 1),
            _ => Fate::Goes,
        }
    }

    /// Copies an entry and has its slot lead to the copy. `false`: there is no room.
    fn move_to(&self, kind: Kind, uses: u64, bucket: Bucket, nth: usize, slot: Slot, entry: Entry) -> bool {
        let Some(room) = self.take_unused(kind, entry.word_count(), 0) else { return false };
        self.fill_with_copy(room, entry);
        bucket.change(nth, slot.with_place(room.place).with_uses(uses));
        true
    }

    /// Takes an entry from the index for good.
    fn unlink(&self, bucket: Bucket, nth: usize, entry: Entry, cause: usize) {
        bucket.change(nth, Slot::EMPTY);
        self.count_gone(entry, cause);
    }

    /// Counts an entry that no slot leads to any more.
    pub(super) fn count_gone(&self, entry: Entry, cause: usize) {
        self.add(ENTRIES, -1);
        self.add(BYTES, -((entry.lengths.key_bytes + entry.lengths.value_bytes) as i64));
        self.add(cause, 1);
    }
}
