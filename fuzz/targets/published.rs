//! Any bytes over those of published values: heads, stamps, lengths, numbers of buffers, lock words. Who publishes, loads,
//! waits, reads or opens them anew gets snapshots or errors: nothing may panic, hang, or touch memory that is not there.
//!
//! `cargo +nightly fuzz run published` from the repository's root. The input is a list of patches: an object, two bytes
//! of place, and the word to be written there.

#![no_main]

#[path = "../../tests/published/damage.rs"]
mod damage;

use damage::{OBJECTS, Patch};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let patches: Vec<_> = bytes.chunks_exact(11).take(16).map(patch).collect();
    let folder = tempfile::TempDir::with_prefix_in("cotenant-fuzz-", "/dev/shm");
    let folder = folder.or_else(|_| tempfile::tempdir()).expect("a folder for segments");
    damage::try_everything(folder.path(), &patches);
});

fn patch(bytes: &[u8]) -> Patch {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[3..]);
    Patch {
        object: usize::from(bytes[0]) % OBJECTS.len(),
        at: u64::from(u16::from_le_bytes([bytes[1], bytes[2]])),
        word: u64::from_le_bytes(word),
    }
}
