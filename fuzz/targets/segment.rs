//! Any bytes over those of a live segment: header, participants, objects, schemas. What is attached goes on, others open
//! it, list it, get and make objects and read it: nothing may panic, hang, or touch memory that is not there.
//!
//! `cargo +nightly fuzz run segment` from the repository's root. The input is a list of patches, each two bytes of
//! place, one of length, and eight to be written.

#![no_main]

#[allow(dead_code)] // The test of the same name uses the rest.
#[path = "../../tests/segments/damage.rs"]
mod damage;

use std::sync::LazyLock;

use damage::{COMPANION_AT, EVENTS_AT, OBJECTS_AT, PARTICIPANTS_AT, Patch, SCHEMAS_AT, SCHEMAS_USED};
use libfuzzer_sys::fuzz_target;

/// Gone with the process; `/dev/shm` if there is one.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::TempDir::with_prefix_in("cotenant-fuzz-", "/dev/shm");
    folder.or_else(|_| tempfile::tempdir()).expect("a folder for segments")
});

fuzz_target!(|bytes: &[u8]| {
    let patches: Vec<_> = bytes.chunks_exact(11).take(16).map(patch).collect();
    damage::try_everything(FOLDER.path(), &patches);
});

fn patch(bytes: &[u8]) -> Patch {
    let place = u64::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    // The parts that have a meaning, one behind the other.
    let parts = [
        (0, 512),
        (PARTICIPANTS_AT, 256),
        (EVENTS_AT, 8 * 64),
        (OBJECTS_AT, SCHEMAS_AT - OBJECTS_AT),
        (SCHEMAS_AT, SCHEMAS_USED),
    ];
    let mut at = place % parts.iter().map(|(_, bytes)| bytes).sum::<u64>();
    for (first, bytes) in parts {
        if at < bytes {
            at += first;
            break;
        }
        at -= bytes;
    }
    // A missing companion is looked for two seconds long.
    let at = if (COMPANION_AT - 8..COMPANION_AT + 8).contains(&at) { 0 } else { at };
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[3..]);
    Patch { at, bytes: word, len: 1 + bytes[2] as usize % 8 }
}
