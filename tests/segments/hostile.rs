//! Bytes of a segment that make no sense: errors, never a panic, a signal or a hang.

use crate::damage::{
    COMPANION_AT, EVENTS_AT, OBJECTS_AT, PARTICIPANTS_AT, Patch, SCHEMAS_AT, SCHEMAS_USED, try_everything,
};
use crate::support::Named;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("every_word_of_the_header_may_hold_anything", || survive("header")),
    ("every_word_of_the_participants_may_hold_anything", || survive("participants")),
    ("every_word_of_the_objects_may_hold_anything", || survive("objects")),
    ("every_word_of_the_schemas_may_hold_anything", || survive("schemas")),
    ("bytes_here_and_there_may_hold_anything", || survive("anywhere")),
];

/// Numbers that are wrong in a way of their own.
const WORDS: &[u64] = &[
    0,
    1,
    2,
    3,
    63,
    4095,
    4096,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    1 << 40,
    1 << 52 | 1,
    3 << 52 | 1 << 33 | 1 << 31 | 77,
    0x3fff_ffff,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 63,
    u64::MAX,
];
const SEEDS: &[u64] = &[1, 2, 3, 4];
const PATCHED_PER_SEED: u32 = 250;

/// Damages segments in a process of its own, which a signal would end.
fn survive(role: &str) {
    let sandbox = Sandbox::new();
    let mut peer = sandbox.start(role);
    let mut last = String::new();
    while let Some(line) = peer.try_answer() {
        last = line;
    }
    let status = peer.wait();
    assert!(status.success(), "{status}; it was at {last}");
    assert!(last.starts_with("survived "), "{last}");
}

pub(crate) fn play_header() {
    // All that have a meaning of their own; of the bitmap and the questions some.
    let alike = (512..1024).step_by(64).chain((2048..4096).step_by(256));
    play_words("header", (0..512).step_by(8).chain(alike));
}

pub(crate) fn play_participants() {
    play_words("participants", (PARTICIPANTS_AT..PARTICIPANTS_AT + 2 * 64).step_by(8));
}

pub(crate) fn play_objects() {
    play_words("events", (EVENTS_AT..EVENTS_AT + 4 * 64).step_by(8));
    play_words("objects", (OBJECTS_AT..OBJECTS_AT + 4 * 64).step_by(8));
}

pub(crate) fn play_schemas() {
    play_words("schemas", (SCHEMAS_AT..SCHEMAS_AT + SCHEMAS_USED).step_by(8));
}

/// Each word becomes each of `WORDS`, as a whole and in its halves.
fn play_words(what: &str, words: impl Iterator<Item = u64>) {
    let folder = begin();
    let mut tried = 0;
    for at in words {
        println!("{what} at {at}");
        for word in WORDS {
            let bytes = word.to_le_bytes();
            let whole = Patch { at, bytes, len: 8 };
            let patches = [whole, Patch { len: 4, ..whole }, Patch { at: at + 4, len: 4, ..whole }];
            // A missing companion may be one that is just being removed: it is looked for two seconds long.
            let once = at == COMPANION_AT && *word != 0;
            for patch in &patches[..if once { 1 } else { 3 }] {
                try_everything(&folder, &[*patch]);
                tried += 1;
            }
            if once {
                break;
            }
        }
    }
    println!("survived {tried}");
}

pub(crate) fn play_anywhere() {
    let folder = begin();
    let mut tried = 0;
    for seed in SEEDS {
        let mut state = *seed;
        for round in 0..PATCHED_PER_SEED {
            println!("round {round} of seed {seed}");
            let patches: Vec<_> = (0..1 + random(&mut state) % 6).map(|_| random_patch(&mut state)).collect();
            try_everything(&folder, &patches);
            tried += 1;
        }
    }
    println!("survived {tried}");
}

fn begin() -> std::path::PathBuf {
    println!("ready");
    std::env::var_os("COTENANT_DIR").expect("the sandbox's folder").into()
}

fn random_patch(state: &mut u64) -> Patch {
    let (first, bytes) = match random(state) % 8 {
        0 | 1 => (0, 512),
        2 => (PARTICIPANTS_AT, 128),
        3..=5 => (OBJECTS_AT, 256),
        _ => (SCHEMAS_AT, SCHEMAS_USED),
    };
    let at = first + random(state) % bytes;
    let at = if (COMPANION_AT - 8..COMPANION_AT + 8).contains(&at) { 0 } else { at };
    let value = match random(state) % 3 {
        0 => random(state),
        1 => WORDS[random(state) as usize % WORDS.len()],
        _ => random(state) % 256,
    };
    Patch { at, bytes: value.to_le_bytes(), len: [1, 2, 4, 8][random(state) as usize % 4] }
}

/// xorshift64* (Vigna, 2016).
fn random(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
}
