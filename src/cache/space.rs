//! Where entries lie: slabs that are filled from the front, and holes in them that are filled again.
//!
//! ```text
//! slab     | - | entry | hole | entry | entry |  not used yet  |          `used` words, of which `live` are entries
//! table    | kind, used, live | order | expires first | - |              one store changes the first word
//! ```
//!
//! A slab is free, or holds new entries (`SMALL`) or entries that were found worth keeping (`MAIN`). One slab of a
//! shard is kept free, so that another one can always be emptied: what is worth keeping of it is copied, the rest is
//! dropped (`evict`). So there is room for an entry as long as there is one to evict, whatever lies where.
//!
//! Memory that readers or pins may still look at is written only behind a change of the bucket (see `index`), and not
//! while its slab is pinned.

use std::sync::atomic::Ordering::{Relaxed, Release};

use super::entry::{self, Entry, Lengths, NEXT_HOLE};
use super::memory::{Slab, Words};
use super::pin;
use super::shard::{HOLE_WORDS_MAX, HOLES_AT, INDEX, IndexWord, Locked, NEXT_ORDER, NEXT_VERSION, OPEN};
use crate::lock::atomic::{AtomicU64, fence};

const STATE: usize = 0;
const ORDER: usize = 1;
const EXPIRES_FIRST: usize = 2;
/// The first word of a slab holds nothing: place 0 is no entry's.
pub(super) const FIRST_WORD: usize = 1;
/// Slabs that only the emptying of others may take.
const KEPT_FREE: usize = 1;

/// What a slab is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Free,
    Small,
    Main,
}

/// The first word of a slab's line in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SlabState {
    pub(super) kind: Kind,
    pub(super) used: usize,
    pub(super) live: usize,
}

/// Words for an entry, which nobody else knows of.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) place: u32,
    words: Words,
    is_hole: bool,
}

/// What an entry is to hold.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) expires_ms: u64,
}

const HALF: u32 = 31;

impl SlabState {
    pub(super) const FREE: SlabState = SlabState { kind: Kind::Free, used: 0, live: 0 };

    fn pack(self) -> u64 {
        (self.kind as u64) << 62 | (self.used as u64) << HALF | self.live as u64
    }

    fn unpack(word: u64) -> SlabState {
        let number = |word: u64| (word & ((1 << HALF) - 1)) as usize;
        let kind = match word >> 62 {
            1 => Kind::Small,
            2 => Kind::Main,
            _ => Kind::Free,
        };
        SlabState { kind, used: number(word >> HALF), live: number(word) }
    }
}

impl Slab {
    pub(super) fn state(self) -> SlabState {
        SlabState::unpack(self.table[STATE].load(Relaxed))
    }

    pub(super) fn set_state(self, state: SlabState) {
        self.table[STATE].store(state.pack(), Relaxed);
    }

    pub(super) fn order(self) -> u64 {
        self.table[ORDER].load(Relaxed)
    }

    /// Before this none of its entries expires; all ones: none does at all.
    pub(super) fn expires_first(self) -> u64 {
        self.table[EXPIRES_FIRST].load(Relaxed)
    }

    pub(super) fn set_expires_first(self, expires_ms: u64) {
        self.table[EXPIRES_FIRST].store(expires_ms, Relaxed);
    }

    pub(super) fn note_expiry(self, expires_ms: u64) {
        if expires_ms != 0 && expires_ms < self.expires_first() {
            self.set_expires_first(expires_ms);
        }
    }
}

impl Locked<'_> {
    /// Slabs that this shard uses.
    pub(super) fn slab_count(&self) -> usize {
        let extents = self.word(super::shard::EXTENTS).load(Relaxed) as usize;
        let last = extents.checked_sub(1).and_then(|last| self.shard.memory.extent(last));
        last.or_else(|| self.shard.memory.extent(0)).map_or(0, super::memory::Extent::slabs_end)
    }

    pub(super) fn slab(&self, number: usize) -> Option<Slab> {
        self.shard.memory.slab(self.shard.number, number)
    }

    pub(super) fn slab_of(&self, place: u32) -> Option<Slab> {
        self.slab((place >> self.shard.memory.shape.slab_words_log2) as usize)
    }

    /// All slabs, with their numbers.
    pub(super) fn slabs(&self) -> impl Iterator<Item = (usize, Slab)> + '_ {
        (0..self.slab_count()).filter_map(|number| Some((number, self.slab(number)?)))
    }

    pub(super) fn is_open(&self, number: usize) -> bool {
        OPEN.iter().any(|at| self.word(*at).load(Relaxed) == number as u64 + 1)
    }

    /// Room for an entry of so many words, and whether something was evicted for it. `None`: it does not fit into a
    /// slab, or everything is pinned.
    pub(super) fn allocate(&self, mut kind: Kind, word_count: usize) -> Option<(Room, bool)> {
        if word_count + FIRST_WORD > self.shard.memory.shape.slab_words() {
            return None;
        }
        // Bounded: `evict` says that it frees nothing any more, or that it goes on for ever, which damage can cause.
        for attempt in 0..self.slab_count() * 20 {
            if let Some(room) =
                self.take_hole(kind, word_count).or_else(|| self.take_unused(kind, word_count, KEPT_FREE))
            {
                return Some((room, attempt > 0));
            }
            if self.note_full() {
                // Else a main slab would lie open beside the small one, for a single entry.
                kind = Kind::Small;
            } else if !self.evict(attempt) {
                return None;
            }
        }
        None
    }

    /// Room in the open slab of a kind, or in a free one that is opened, of which `spared` are left alone.
    pub(super) fn take_unused(&self, kind: Kind, word_count: usize, spared: usize) -> Option<Room> {
        let open = self.word(OPEN[usize::from(kind == Kind::Main)]);
        let number = (open.load(Relaxed) as usize).wrapping_sub(1);
        if let Some(room) = self.unused_of(number, kind, word_count) {
            return Some(room);
        }
        let number = self.free_slab(spared)?;
        let slab = self.slab(number)?;
        self.add(NEXT_ORDER, 1);
        slab.table[ORDER].store(self.word(NEXT_ORDER).load(Relaxed), Relaxed);
        slab.set_expires_first(u64::MAX);
        slab.set_state(SlabState { kind, used: FIRST_WORD, live: 0 });
        open.store(number as u64 + 1, Relaxed);
        let index = self.shard.index_word();
        // A new period: each entry's next read is noted again.
        self.word(INDEX).store(IndexWord::new(index.extent(), index.period() + 1).0, Release);
        self.unused_of(number, kind, word_count)
    }

    fn unused_of(&self, number: usize, kind: Kind, word_count: usize) -> Option<Room> {
        let slab = self.slab(number)?;
        let state = slab.state();
        let words = slab.words.get(state.used..)?.get(..word_count)?;
        let place = (number << self.shard.memory.shape.slab_words_log2) + state.used;
        (state.kind == kind && state.used >= FIRST_WORD).then_some(Room { place: place as u32, words, is_hole: false })
    }

    /// A free slab that nobody has pinned, if there are more than `spared`.
    fn free_slab(&self, spared: usize) -> Option<usize> {
        let mut free = self.slabs().filter(|(number, slab)| {
            slab.state().kind == Kind::Free && !pin::is_pinned(self.shard.memory, self.shard.number, *number)
        });
        let (first, _) = free.next()?;
        (free.count() >= spared).then_some(first)
    }

    /// A hole of that length.
    fn take_hole(&self, kind: Kind, word_count: usize) -> Option<Room> {
        let list = self.hole_list(kind, word_count)?;
        let link = list.load(Relaxed);
        if link == 0 {
            return None;
        }
        let place = link as u32;
        let number = (place >> self.shard.memory.shape.slab_words_log2) as usize;
        let found = self.slab(number).zip(self.shard.entry(place)).filter(|(slab, entry)| {
            slab.state().kind == kind && slab.order() as u32 == (link >> 32) as u32 && entry.word_count() == word_count
        });
        let Some((_, entry)) = found else {
            // Its slab was emptied since, and with it whatever else is on the list.
            list.store(0, Relaxed);
            return None;
        };
        if pin::is_pinned(self.shard.memory, self.shard.number, number) {
            return None;
        }
        list.store(entry.words()[NEXT_HOLE].load(Relaxed), Relaxed);
        Some(Room { place, words: entry.words(), is_hole: true })
    }

    fn hole_list(&self, kind: Kind, word_count: usize) -> Option<&'static AtomicU64> {
        let first = HOLES_AT + usize::from(kind == Kind::Main) * HOLE_WORDS_MAX;
        (word_count <= HOLE_WORDS_MAX).then(|| self.word(first + word_count - 1))
    }

    /// Writes an entry into its room, and counts it as live there. It is nobody's until a slot leads to it. Killed
    /// before that, its words are a hole; `live` is worked out anew.
    pub(super) fn fill(&self, room: Room, content: Content<'_>) -> u64 {
        let lengths = Lengths { key_bytes: content.key.len(), value_bytes: content.value.len() };
        self.add(NEXT_VERSION, 1);
        let version = self.word(NEXT_VERSION).load(Relaxed);
        // Pairs with the Acquire fence of `Shard::has_changed`.
        fence(Release);
        entry::write(room.words, lengths, version, content.expires_ms, content.key, content.value);
        self.count_filled(room, content.expires_ms);
        version
    }

    /// Copies an entry into its room.
    pub(super) fn fill_with_copy(&self, room: Room, of: Entry) {
        // As in `fill`.
        fence(Release);
        for (to, from) in room.words.iter().zip(of.words()) {
            to.store(from.load(Relaxed), Relaxed);
        }
        self.count_filled(room, of.expires_ms().load(Relaxed));
    }

    fn count_filled(&self, room: Room, expires_ms: u64) {
        let Some(slab) = self.slab_of(room.place) else { return };
        let mut state = slab.state();
        slab.note_expiry(expires_ms);
        state.live += room.words.len();
        if !room.is_hole {
            state.used += room.words.len();
        }
        slab.set_state(state);
    }

    /// An entry to which no slot leads any more: its words are a hole.
    pub(super) fn leave_hole(&self, place: u32, entry: Entry) {
        let Some(slab) = self.slab_of(place) else { return };
        let mut state = slab.state();
        state.live = state.live.saturating_sub(entry.word_count());
        slab.set_state(state);
        if let Some(list) = self.hole_list(state.kind, entry.word_count()) {
            // As in `fill`: a reader may still copy the entry.
            fence(Release);
            entry.words()[NEXT_HOLE].store(list.load(Relaxed), Relaxed);
            list.store(u64::from(place) | slab.order() << 32, Relaxed);
        }
    }

    /// Forgets all holes: those that are left come back when their slabs are emptied.
    pub(super) fn forget_holes(&self) {
        for word in &self.shard.words[HOLES_AT..HOLES_AT + 2 * HOLE_WORDS_MAX] {
            word.store(0, Relaxed);
        }
    }
}
