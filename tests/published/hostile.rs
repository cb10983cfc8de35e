//! Hostile bytes: nothing panics, hangs, or reads what is not there. Seeded, so that a failure comes again.

use crate::damage::{OBJECTS, Patch, try_everything};
use crate::support::Named;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("damaged_words_are_errors_or_snapshots", damaged_words_are_errors_or_snapshots),
    ("every_word_of_every_object_may_be_anything", every_word_of_every_object_may_be_anything),
];

/// Words that mean something in some place.
const WORDS: [u64; 10] = [0, 1, 2, 19, 20, 1 << 32, u64::MAX, u64::MAX >> 2, (1 << 30) - 1, 1 << 52 | 1 << 33 | 77];

fn try_in_a_folder(patches: &[Patch]) {
    let sandbox = Sandbox::new();
    try_everything(sandbox.path(), patches);
}

fn every_word_of_every_object_may_be_anything() {
    for (object, words) in [(0, 160), (1, 440), (2, 96)] {
        let patches: Vec<_> = (0..words).map(|at| Patch { object, at, word: u64::MAX - at % 2 }).collect();
        try_in_a_folder(&patches);
    }
}

fn damaged_words_are_errors_or_snapshots() {
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..40 {
        let patches: Vec<_> = (0..24)
            .map(|_| {
                // Most of what has a meaning lies in front.
                let at = if next() % 2 == 0 { next() % 40 } else { next() };
                let word = if next() % 4 == 0 { next() } else { WORDS[next() as usize % WORDS.len()] };
                Patch { object: next() as usize % OBJECTS.len(), at, word }
            })
            .collect();
        try_in_a_folder(&patches);
    }
}
