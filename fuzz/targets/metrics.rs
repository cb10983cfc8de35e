//! Any bytes over metrics, cells and rate limits in use: who uses them goes on, who reads them gets numbers or is told.
//! Nothing may panic, hang, or touch memory that is not there.
//!
//! `cargo +nightly fuzz run metrics` from the repository's root. The input is a list of patches, each two bytes of place
//! and eight to be written.

#![no_main]

#[path = "../../tests/metrics/damage.rs"]
mod damage;

use std::sync::LazyLock;

use damage::Patch;
use libfuzzer_sys::fuzz_target;

/// Gone with the process; `/dev/shm` if there is one.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::TempDir::with_prefix_in("cotenant-fuzz-", "/dev/shm");
    folder.or_else(|_| tempfile::tempdir()).expect("a folder for segments")
});

fuzz_target!(|bytes: &[u8]| {
    let patches: Vec<_> = bytes
        .chunks_exact(10)
        .take(16)
        .filter_map(|chunk| {
            let place = u16::from_le_bytes([chunk[0], chunk[1]]).into();
            Some(Patch { place, bytes: *chunk.last_chunk()? })
        })
        .collect();
    damage::try_everything(FOLDER.path(), &patches);
});
