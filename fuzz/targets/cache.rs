//! Any words in the memory of a shared cache: every call comes to its end, with whatever answer.
//!
//! `cargo +nightly fuzz run cache` from the repository's root. The input is a list of patches, each three bytes of place
//! and eight to be written, between calls.

#![no_main]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;
use std::time::Duration;

use cotenant::cache::{Cache, CacheOptions};
use libfuzzer_sys::fuzz_target;

const CAPACITY_BYTES: u64 = 32 << 10;

/// Gone with the process; `/dev/shm` if there is one.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::TempDir::with_prefix_in("cotenant-fuzz-", "/dev/shm");
    folder.or_else(|_| tempfile::tempdir()).expect("a folder for segments")
});

fn options() -> CacheOptions {
    let options = Cache::options().capacity_bytes(CAPACITY_BYTES).max_capacity_bytes(4 * CAPACITY_BYTES);
    options.max_participants(4).max_pins(4).folder(FOLDER.path())
}

fuzz_target!(|bytes: &[u8]| {
    let cache = options().create("fuzzed").expect("a cache");
    for number in 0..100_u64 {
        cache.insert(number.to_ne_bytes(), [7; 90], None).expect("room");
    }
    let file = File::options().write(true).open(FOLDER.path().join("fuzzed")).expect("its file");
    let end = file.metadata().expect("its size").len();
    let at = end - CAPACITY_BYTES - 4096;
    for (round, patch) in bytes.chunks_exact(11).take(64).enumerate() {
        let place = u64::from(u32::from_le_bytes([patch[0], patch[1], patch[2], 0]));
        file.write_all_at(&patch[3..], (at + place % (end - at)) / 8 * 8).expect("a store");
        call_everything(&cache, round as u64);
    }
    if let Ok(again) = options().open("fuzzed") {
        call_everything(&again, 0);
    }
});

fn call_everything(cache: &Cache, round: u64) {
    let mut buffer = Vec::new();
    for number in 0..12_u64 {
        let key = number.to_ne_bytes();
        let _ = cache.insert(key, vec![round as u8; number as usize * 40], Duration::from_millis(number * 20));
        cache.get_into(key, &mut buffer);
        let _ = cache.get_stale(key);
        let _ = cache.pin(key).map(|pin| pin.map(|pin| pin.len()));
        let _ = cache.increment(key, 1, 1, None);
        let _ = cache.touch(key, None);
        let _ = cache.remove((number + 50).to_ne_bytes());
    }
    let _ = cache.iter().take(200).count();
    let _ = cache.get_or_insert_with("computed", None, || vec![1]);
    let _ = (cache.stats(), cache.process_stats());
    if round.is_multiple_of(8) {
        let _ = (cache.grow(2 * CAPACITY_BYTES), cache.clear());
    }
}
