//! `Table`: the bytes of named metrics, as anybody may have left them.
//!
//! ```text
//! head | owners | index | entries | heap: | text | values | text | values | ...          (docs/format.md)
//!                  |         ^  |            ^      ^
//!                  +---------+  +------------+------+
//! ```
//!
//! Entries are added under the head's lock, one behind the other, and never change or go: who has found one keeps it.
//! Where the heap is given out to is the last entry's word, so that there is nothing beside the commit (`count`) that a
//! death could leave behind. The index is a hash table of entries, filled after the commit.
//!
//! What is read is a number that is checked against the table's own size before it is used. The sizes are read once,
//! when the table is opened, and checked against the memory that there is.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::buckets::Buckets;
use super::gauge::{Across, GaugeWords};
use crate::lock::RawLock;
use crate::per_process::striped::{Owners, Striped};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// What lies before the bytes.
#[repr(C)]
pub(crate) struct Head {
    /// Held while an entry is added.
    pub(super) lock: RawLock,
    pub(super) series_max: AtomicU32,
    /// Shared stripes, a power of two; there are as many own ones.
    pub(super) stripes: AtomicU32,
    /// Cells of a gauge: one for each slot from 1 on.
    pub(super) slots: AtomicU32,
    /// The owner from which on is asked next.
    asked: crate::lock::atomic::AtomicU32,
    /// Entries that are whole: the commit.
    pub(super) count: AtomicU32,
    reserved: u32,
    /// Metrics that there was no room for.
    pub(super) refused: AtomicU64,
    /// Gauges that a process without a cell for it set.
    pub(super) missed: AtomicU64,
    reserved_words: [u64; 2],
}

const _: () = assert!(size_of::<Head>() == 64);

// SAFETY: atomics, which are checked when they are read.
unsafe impl ProcessSync for Head {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Metrics",
        Kind::Metrics,
        &[
            Part { name: "lock", at: 0, doc: "", schema: Some(u64::SCHEMA) },
            Part { name: "series_max", at: 8, doc: "", schema: Some(AtomicU32::SCHEMA) },
            Part { name: "stripes", at: 12, doc: "", schema: Some(AtomicU32::SCHEMA) },
            Part { name: "slots", at: 16, doc: "", schema: Some(AtomicU32::SCHEMA) },
            Part { name: "asked", at: 20, doc: "", schema: Some(AtomicU32::SCHEMA) },
            Part { name: "count", at: 24, doc: "", schema: Some(AtomicU32::SCHEMA) },
            Part { name: "refused", at: 32, doc: "", schema: Some(AtomicU64::SCHEMA) },
            Part { name: "missed", at: 40, doc: "", schema: Some(AtomicU64::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

impl Head {
    pub(super) fn new(shape: Shape) -> Head {
        Head {
            lock: RawLock::new(),
            series_max: AtomicU32::new(shape.series_max),
            stripes: AtomicU32::new(shape.stripes),
            slots: AtomicU32::new(shape.slots),
            asked: crate::lock::atomic::AtomicU32::new(0),
            count: AtomicU32::new(0),
            reserved: 0,
            refused: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            reserved_words: [0; 2],
        }
    }
}

/// One metric: what it is, and where its text and values lie in the heap. 64 bytes.
#[repr(C)]
struct Entry {
    /// Of the text.
    text_hash: AtomicU64,
    /// Of the name alone.
    name_hash: AtomicU64,
    /// [`What`], [`Across`], 16 bits of nothing; the upper half: bytes of the text.
    what: AtomicU64,
    text_at: AtomicU64,
    values_at: AtomicU64,
    /// [`Buckets::to_word`] of a histogram.
    buckets: AtomicU64,
    /// Where the heap is given out to with this entry.
    heap_end: AtomicU64,
    reserved: u64,
}

const ENTRY_BYTES: usize = 64;
const _: () = assert!(size_of::<Entry>() == ENTRY_BYTES);
const LINE_BYTES: usize = 64;

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum What {
    Counter = 1,
    Gauge = 2,
    Histogram = 3,
    /// No metric: the line that describes those of its name. Its text is the name and the line.
    Description = 4,
}

impl What {
    fn from_byte(byte: u8) -> Option<What> {
        [What::Counter, What::Gauge, What::Histogram, What::Description].into_iter().find(|what| *what as u8 == byte)
    }
}

/// The longest text of an entry: name, labels, and a byte between them.
pub(super) const MAX_TEXT_BYTES: usize = 4096;
/// The most shared stripes.
pub(super) const MAX_STRIPES: u32 = 1024;

/// The numbers that say where everything lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    pub(super) series_max: u32,
    pub(super) stripes: u32,
    pub(super) slots: u32,
}

impl Shape {
    /// Words of the index: at least twice as many as entries, so that a look-up ends soon.
    fn index_words(self) -> usize {
        (self.series_max as usize * 2).next_power_of_two()
    }

    fn index_at(self) -> usize {
        (self.stripes as usize * 8).next_multiple_of(LINE_BYTES)
    }

    fn entries_at(self) -> usize {
        (self.index_at() + self.index_words() * 8).next_multiple_of(LINE_BYTES)
    }

    /// Where the heap begins.
    pub(super) fn heap_at(self) -> usize {
        self.entries_at() + self.series_max as usize * ENTRY_BYTES
    }

    fn is_possible(self) -> bool {
        (1..=1 << 24).contains(&self.series_max)
            && self.stripes.is_power_of_two()
            && self.stripes <= MAX_STRIPES
            && (1..=4096).contains(&self.slots)
    }
}

/// A table in mapped memory, or in a copy of it.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    pub(super) head: &'a Head,
    bytes: NonNull<u8>,
    heap_bytes: usize,
    pub(super) shape: Shape,
}

// SAFETY: all access goes through atomics.
unsafe impl Send for Table<'_> {}
// SAFETY: as above.
unsafe impl Sync for Table<'_> {}

/// An entry's numbers, checked: they lie in the heap, and make a metric of their kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(super) what: What,
    across: Across,
    buckets: Option<Buckets>,
    text_at: usize,
    text_bytes: usize,
    values_at: usize,
}

/// What is to be made.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'t> {
    pub(super) what: What,
    pub(super) across: Across,
    pub(super) buckets: Option<Buckets>,
    /// Name, labels, and 0xff between them: see [`super::text`].
    pub(super) text: &'t [u8],
    pub(super) name: &'t str,
}

/// What there is no room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Full {
    Series,
    Heap,
}

impl<'a> Table<'a> {
    /// The table behind `head`; `None`: its sizes are not possible in that memory.
    ///
    /// # Safety
    /// `bytes` is a multiple of 8, and `byte_count` bytes from it on are mapped for `'a` and only ever used as atomics
    /// (stored to only if the memory may be written and the table is used to add).
    pub(crate) unsafe fn new(head: &'a Head, bytes: NonNull<u8>, byte_count: usize) -> Option<Table<'a>> {
        let shape = Shape {
            series_max: head.series_max.load(Relaxed),
            stripes: head.stripes.load(Relaxed),
            slots: head.slots.load(Relaxed),
        };
        let is_fit = shape.is_possible() && shape.heap_at() <= byte_count;
        is_fit.then(|| Table { head, bytes, heap_bytes: (byte_count - shape.heap_at()) / 8 * 8, shape })
    }

    /// `at` is below the size of the table.
    fn address(&self, at: usize) -> NonNull<u8> {
        // SAFETY: inside the memory that `new` was promised.
        unsafe { self.bytes.add(at) }
    }

    fn index_word(&self, number: usize) -> &'a AtomicU64 {
        let at = self.shape.index_at() + (number & (self.shape.index_words() - 1)) * 8;
        // SAFETY: inside the index; aligned; only ever an atomic.
        unsafe { self.address(at).cast().as_ref() }
    }

    fn entry(&self, number: u32) -> &'a Entry {
        assert!(number < self.shape.series_max, "a table of {} series has none of that number", self.shape.series_max);
        let at = self.shape.entries_at() + number as usize * ENTRY_BYTES;
        // SAFETY: inside the entries; aligned; all atomics.
        unsafe { self.address(at).cast().as_ref() }
    }

    pub(super) fn owners(&self) -> Owners<'a> {
        let first: NonNull<RawLock> = self.address(0).cast();
        // SAFETY: the owners come first, one lock word for each own stripe; aligned; atomics.
        let words = unsafe { std::slice::from_raw_parts(first.as_ptr(), self.shape.stripes as usize) };
        Owners { words, asked: &self.head.asked }
    }

    /// Entries that are whole.
    pub(crate) fn count(&self) -> u32 {
        // Acquire pairs with the Release of the commit in `add`.
        self.head.count.load(Acquire).min(self.shape.series_max)
    }

    /// The entry, if its numbers make a metric. It is one of the first `count`.
    pub(crate) fn found(&self, number: u32) -> Option<Found> {
        let entry = self.entry(number);
        let what_word = entry.what.load(Relaxed);
        let what = What::from_byte(what_word as u8)?;
        let across = Across::from_byte((what_word >> 8) as u8)?;
        let buckets = match what {
            What::Histogram => Some(Buckets::from_word(entry.buckets.load(Relaxed))?),
            _ => None,
        };
        let text_bytes = (what_word >> 32) as usize;
        let (text_at, values_at) = (entry.text_at.load(Relaxed), entry.values_at.load(Relaxed));
        let (text_at, values_at) = (usize::try_from(text_at).ok()?, usize::try_from(values_at).ok()?);
        let is_inside = |at: usize, bytes: usize| at.checked_add(bytes).is_some_and(|end| end <= self.heap_bytes);
        let values = self.room(what, across, buckets);
        let fits = text_bytes <= MAX_TEXT_BYTES
            && is_inside(text_at, text_bytes)
            && values_at % 8 == 0
            // From the first word of the first line to the last one's end: a packed value begins inside of a line.
            && is_inside(values_at / LINE_BYTES * LINE_BYTES, values.bytes)
            && values_at % LINE_BYTES + values.line_bytes <= LINE_BYTES.max(values.line_bytes);
        fits.then_some(Found { what, across, buckets, text_at, text_bytes, values_at })
    }

    /// What an entry's values take.
    fn room(&self, what: What, across: Across, buckets: Option<Buckets>) -> Room {
        let stripes = 2 * self.shape.stripes as usize;
        match (what, buckets) {
            (What::Description, _) => Room { bytes: 0, line_bytes: 0, stride_bytes: 0 },
            (What::Gauge, _) if across != Across::Last => {
                Room { bytes: self.shape.slots as usize * LINE_BYTES, line_bytes: 16, stride_bytes: LINE_BYTES }
            }
            (What::Histogram, Some(buckets)) => {
                let stride_bytes = (buckets.words() * 8).next_multiple_of(LINE_BYTES);
                Room { bytes: stripes * stride_bytes, line_bytes: stride_bytes, stride_bytes }
            }
            _ => Room { bytes: stripes * LINE_BYTES, line_bytes: 8, stride_bytes: LINE_BYTES },
        }
    }

    /// A private copy of the entry's text.
    pub(crate) fn text(&self, found: &Found) -> Vec<u8> {
        let mut text = Vec::with_capacity(found.text_bytes);
        self.pieces(found, |piece| {
            text.extend_from_slice(piece);
            true
        });
        text
    }

    fn has_text(&self, found: &Found, text: &[u8]) -> bool {
        let mut rest = text;
        let is_begin = self.pieces(found, |piece| match rest.strip_prefix(piece) {
            Some(after) => {
                rest = after;
                true
            }
            None => false,
        });
        is_begin && rest.is_empty()
    }

    /// Gives `take` the text, a word at a time, as long as it says so; whether it did to the end.
    fn pieces(&self, found: &Found, mut take: impl FnMut(&[u8]) -> bool) -> bool {
        let (mut at, end) =
            (self.shape.heap_at() + found.text_at, self.shape.heap_at() + found.text_at + found.text_bytes);
        while at < end {
            let whole = at / 8 * 8;
            // SAFETY: the text lies in the heap, as `found` has checked, which begins and ends with whole words.
            let word = unsafe { self.address(whole).cast::<AtomicU64>().as_ref() }.load(Relaxed).to_ne_bytes();
            let stop = (end - whole).min(8);
            if !take(&word[at - whole..stop]) {
                return false;
            }
            at = whole + stop;
        }
        true
    }

    fn values(&self, found: &Found) -> NonNull<AtomicU64> {
        self.address(self.shape.heap_at() + found.values_at).cast()
    }

    /// The words of a counter or histogram.
    pub(crate) fn striped(&self, found: &Found) -> Striped<'a> {
        let room = self.room(found.what, found.across, found.buckets);
        let words = found.buckets.map_or(1, |buckets| buckets.words());
        // SAFETY: `found` has checked that all stripes lie in the heap; the stripes are a power of two.
        unsafe { Striped::new(self.values(found), (room.stride_bytes / 8, words), self.shape.stripes, self.owners()) }
    }

    /// What a counter's stripes add up to.
    pub(crate) fn total(&self, found: &Found) -> u64 {
        self.striped(found).all().fold(0, |sum, words| sum.wrapping_add(words[0].load(Relaxed)))
    }

    /// The cells of a gauge.
    pub(crate) fn gauge(&self, found: &Found) -> GaugeWords<'a> {
        let place = (LINE_BYTES / 8, self.shape.slots);
        // SAFETY: `found` has checked that all cells lie in the heap.
        unsafe { GaugeWords::new(found.across, self.values(found), place, &self.head.missed) }
    }

    pub(crate) fn across(&self, found: &Found) -> Across {
        found.across
    }

    pub(crate) fn buckets(&self, found: &Found) -> Option<Buckets> {
        found.buckets
    }

    /// The entry of that text; some ten nanoseconds, no lock.
    pub(super) fn find(&self, text: &[u8]) -> Option<Found> {
        let hash = super::text::hash(text);
        for nth in 0..self.shape.index_words() {
            // Acquire pairs with the Release in `index`: who sees the entry's number sees the entry.
            let word = self.index_word((hash as usize).wrapping_add(nth)).load(Acquire);
            if word == 0 {
                return None;
            }
            if word >> 32 != hash >> 32 {
                continue;
            }
            let number = (word as u32).wrapping_sub(1);
            if number >= self.count() {
                continue;
            }
            if let Some(found) = self.found(number).filter(|found| self.has_text(found, text)) {
                return Some(found);
            }
        }
        None
    }

    /// The first metric (no description) of that name.
    pub(super) fn of_name(&self, name: &str) -> Option<Found> {
        let hash = super::text::hash(name.as_bytes());
        let first = |found: &Found| {
            let text = self.text(found);
            text.get(..name.len()) == Some(name.as_bytes()) && text.get(name.len()).is_none_or(|byte| *byte == 0xff)
        };
        (0..self.count())
            .filter(|number| self.entry(*number).name_hash.load(Relaxed) == hash)
            .filter_map(|number| self.found(number))
            .find(|found| found.what != What::Description && first(found))
    }

    /// Puts an entry into the index, unless it is there. The lock is held.
    fn index(&self, number: u32) {
        let hash = self.entry(number).text_hash.load(Relaxed);
        let word = hash >> 32 << 32 | u64::from(number + 1);
        for nth in 0..self.shape.index_words() {
            let place = self.index_word((hash as usize).wrapping_add(nth));
            let seen = place.load(Relaxed);
            if seen == word {
                return;
            }
            if seen == 0 {
                // Release pairs with the Acquire in `find`.
                return place.store(word, Release);
            }
        }
    }

    /// Has the last entry indexed: whoever added it may have been killed before it did so. The lock is held.
    pub(super) fn mend(&self) {
        if let Some(last) = self.count().checked_sub(1) {
            self.index(last);
        }
    }

    /// Adds an entry. The lock is held, and the text is not there yet.
    pub(super) fn add(&self, wanted: Wanted<'_>) -> Result<Found, Full> {
        let number = self.count();
        if number >= self.shape.series_max {
            return Err(Full::Series);
        }
        let last = number.checked_sub(1).map(|last| self.entry(last));
        let heap_used = last.map_or(0, |last| last.heap_end.load(Relaxed));
        let text_at = usize::try_from(heap_used).ok().filter(|at| *at <= self.heap_bytes).ok_or(Full::Heap)?;
        let room = self.room(wanted.what, wanted.across, wanted.buckets);
        let text_end = text_at + wanted.text.len();
        let (values_at, heap_end) = match self.room_beside(&wanted, &room) {
            Some(beside) => (beside, text_end),
            None => {
                let values_at = if room.bytes == 0 { text_at / 8 * 8 } else { text_end.next_multiple_of(LINE_BYTES) };
                (values_at, (values_at + room.bytes).max(text_end))
            }
        };
        if heap_end > self.heap_bytes {
            return Err(Full::Heap);
        }
        if values_at >= text_end {
            // Somebody who was killed here may have written a longer text.
            self.clear(values_at, heap_end);
        }
        self.write_text(text_at, wanted.text);
        let entry = self.entry(number);
        entry.text_hash.store(super::text::hash(wanted.text), Relaxed);
        entry.name_hash.store(super::text::hash(wanted.name.as_bytes()), Relaxed);
        let what = u64::from(wanted.what as u8) | u64::from(wanted.across as u8) << 8;
        entry.what.store(what | (wanted.text.len() as u64) << 32, Relaxed);
        entry.text_at.store(text_at as u64, Relaxed);
        entry.values_at.store(values_at as u64, Relaxed);
        entry.buckets.store(wanted.buckets.map_or(0, Buckets::to_word), Relaxed);
        entry.heap_end.store(heap_end as u64, Relaxed);
        // Killed before the commit: the next one writes the same entry anew, into the same part of the heap. After it:
        // the entry counts, and the next one puts it into the index (`mend`).
        // Release pairs with the Acquire in `count`.
        self.head.count.store(number + 1, Release);
        self.index(number);
        self.found(number).ok_or(Full::Heap)
    }

    /// Room for values in lines that an earlier entry of the same kind has not filled.
    fn room_beside(&self, wanted: &Wanted<'_>, room: &Room) -> Option<usize> {
        if room.line_bytes == 0 || room.line_bytes >= LINE_BYTES {
            return None;
        }
        let is_like = |found: &Found| self.room(found.what, found.across, found.buckets) == *room;
        let last = (0..self.count()).rev().filter_map(|number| self.found(number)).find(is_like)?;
        debug_assert!(wanted.buckets.is_none());
        let next = last.values_at + room.line_bytes;
        (next % LINE_BYTES != 0).then_some(next)
    }

    /// Zeroes the words of a part of the heap that nobody has been given.
    fn clear(&self, from: usize, to: usize) {
        for at in (from..to).step_by(8) {
            // SAFETY: the caller has checked that it lies in the heap; `from` is a multiple of 64.
            unsafe { self.address(self.shape.heap_at() + at).cast::<AtomicU64>().as_ref() }.store(0, Relaxed);
        }
    }

    fn write_text(&self, text_at: usize, text: &[u8]) {
        let first = self.shape.heap_at() + text_at;
        for (i, byte) in text.iter().enumerate() {
            // SAFETY: the caller has checked that the text fits into the heap; atomic for whoever reads it meanwhile.
            unsafe { self.address(first + i).cast::<std::sync::atomic::AtomicU8>().as_ref() }.store(*byte, Relaxed);
        }
    }
}

/// What values take: in all, of each line, and from one stripe (or slot) to the next.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Room {
    bytes: usize,
    line_bytes: usize,
    stride_bytes: usize,
}
