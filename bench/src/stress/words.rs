//! What the processes of a run tell each other, in a mapped file: none of it goes through what is tested.
//!
//! ```text
//! header    stop, violations, the kill that is under way, how many recoveries
//! bitmaps   who is inside of what: a bit for each of the first 64 places
//! places    one for each process: its number, its operations, what it holds
//! notes     one for each recovery: who was dead, when the next owner began to wait, when it had the lock
//! ```
//!
//! A killed process has told what it had stored. Only the supervisor changes a place while nobody sits on it.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use anyhow::Context;

use crate::sys;

const HEADER_WORDS: usize = 32;
const BITMAPS: usize = 16;
/// Counters of a place that a kind of work may use.
pub(crate) const COUNTERS: usize = 24;
const PLACE_WORDS: usize = 8 + COUNTERS;
const NOTES: usize = 65_536;
const NOTE_WORDS: usize = 4;
/// Places that have a bit.
pub(crate) const BITS: usize = 64;

#[derive(Clone, Copy)]
pub(crate) struct Words {
    words: &'static [AtomicU64],
    pub(crate) places: usize,
}

/// A process's own words.
#[derive(Clone, Copy)]
pub(crate) struct Place(&'static [AtomicU64]);

/// A recovery: the next owner after a death.
pub(crate) struct Note {
    /// What it held, as numbered by the kind of work.
    pub(crate) what: u64,
    pub(crate) victim: u64,
    pub(crate) began_ns: u64,
    pub(crate) noticed_ns: u64,
}

impl Words {
    pub(crate) fn create(path: &Path, places: usize) -> anyhow::Result<Words> {
        let file = std::fs::File::options().read(true).write(true).create_new(true).open(path);
        let file = file.with_context(|| format!("make {}", path.display()))?;
        let words = HEADER_WORDS + BITMAPS + places * PLACE_WORDS + NOTES * NOTE_WORDS;
        file.set_len(words as u64 * 8).context("size the words of the run")?;
        Words::open(path)
    }

    pub(crate) fn open(path: &Path) -> anyhow::Result<Words> {
        let file = std::fs::File::options().read(true).write(true).open(path);
        let file = file.with_context(|| format!("open {}", path.display()))?;
        let words = (file.metadata()?.len() / 8) as usize;
        let places = (words - HEADER_WORDS - BITMAPS - NOTES * NOTE_WORDS) / PLACE_WORDS;
        let words = sys::map_words(&file, words).context("map the words of the run")?;
        Ok(Words { words, places })
    }

    /// Whether the run is over; set once.
    pub(crate) fn stop(&self) -> &AtomicU64 {
        &self.words[0]
    }

    pub(crate) fn violations(&self) -> &AtomicU64 {
        &self.words[1]
    }

    fn notes_used(&self) -> &AtomicU64 {
        &self.words[2]
    }

    /// Kills that were begun, and in the low byte the place of the last one.
    pub(crate) fn doom(&self) -> &AtomicU64 {
        &self.words[3]
    }

    /// Kills after which everything was cleared up.
    pub(super) fn settled(&self) -> &AtomicU64 {
        &self.words[4]
    }

    /// For a kind of work that needs a word or two between its processes: four.
    pub(crate) fn own(&self, at: usize) -> &AtomicU64 {
        assert!(at < 4, "there are four");
        &self.words[8 + at]
    }

    /// How many were killed while they did that (or had just done it).
    pub(crate) fn killed_at(&self, does: u64) -> &AtomicU64 {
        &self.words[16 + (does as usize).min(15)]
    }

    /// Who is inside of `what`.
    pub(crate) fn inside(&self, what: usize) -> &AtomicU64 {
        assert!(what < BITMAPS, "there are {BITMAPS}");
        &self.words[HEADER_WORDS + what]
    }

    pub(crate) fn place(&self, place: usize) -> Place {
        assert!(place < self.places, "there are {}", self.places);
        let start = HEADER_WORDS + BITMAPS + place * PLACE_WORDS;
        Place(&self.words[start..start + PLACE_WORDS])
    }

    pub(crate) fn each_place(&self) -> impl Iterator<Item = Place> {
        (0..self.places).map(|place| self.place(place))
    }

    /// The sum of a counter over all places.
    pub(crate) fn sum(&self, counter: usize) -> u64 {
        self.each_place().map(|place| place.counter(counter).load(Relaxed)).sum()
    }

    /// Clears what a dead process is said to be inside of.
    pub(super) fn clear_bits(&self, place: usize) {
        if place < BITS {
            for what in 0..BITMAPS {
                self.inside(what).fetch_and(!(1 << place), SeqCst);
            }
        }
    }

    /// Notes a recovery. A process that is killed here leaves a note without an end, which is none.
    pub(crate) fn note(&self, note: &Note) {
        let at = self.notes_used().fetch_add(1, Relaxed) as usize;
        if at < NOTES {
            let words = self.note_words(at);
            words[0].store(note.victim, Relaxed);
            words[1].store(note.began_ns, Relaxed);
            words[2].store(note.noticed_ns, Relaxed);
            words[3].store(note.what + 1, SeqCst);
        }
    }

    pub(super) fn notes(&self) -> Vec<Note> {
        let used = (self.notes_used().load(SeqCst) as usize).min(NOTES);
        let whole = (0..used).map(|at| self.note_words(at)).filter(|words| words[3].load(SeqCst) != 0);
        whole
            .map(|words| {
                let [victim, began_ns, noticed_ns, what] = [0, 1, 2, 3].map(|word| words[word].load(Relaxed));
                Note { what: what - 1, victim, began_ns, noticed_ns }
            })
            .collect()
    }

    fn note_words(&self, at: usize) -> &'static [AtomicU64] {
        let start = HEADER_WORDS + BITMAPS + self.places * PLACE_WORDS + at * NOTE_WORDS;
        &self.words[start..start + NOTE_WORDS]
    }
}

impl Place {
    /// The number of the process that sits here.
    pub(crate) fn incarnation(&self) -> &'static AtomicU64 {
        &self.0[0]
    }

    /// Whether it works: it is attached, and has touched its memory.
    pub(crate) fn works(&self) -> &'static AtomicU64 {
        &self.0[1]
    }

    /// Of all that sat here.
    pub(crate) fn operations(&self) -> &'static AtomicU64 {
        &self.0[2]
    }

    /// What it holds, plus one; 0: nothing.
    pub(crate) fn holds(&self) -> &'static AtomicU64 {
        &self.0[3]
    }

    /// What it does, as a number that the kind of work explains: for the message about one that is stuck.
    pub(crate) fn does(&self) -> &'static AtomicU64 {
        &self.0[4]
    }

    /// What it waits for, plus one; 0: nothing.
    pub(crate) fn waits(&self) -> &'static AtomicU64 {
        &self.0[5]
    }

    /// Whether it is to stay where it is inside next: it will be killed there.
    pub(crate) fn stays(&self) -> &'static AtomicU64 {
        &self.0[6]
    }

    /// Of all that sat here; only the one that does changes it.
    pub(crate) fn counter(&self, at: usize) -> &'static AtomicU64 {
        assert!(at < COUNTERS, "there are {COUNTERS}");
        &self.0[8 + at]
    }
}
