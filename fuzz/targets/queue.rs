//! Any bytes over those of a queue in use, its head and its ring: those who go on using it get messages or errors;
//! nothing may panic, hang, or touch memory that is not there.
//!
//! `cargo +nightly fuzz run queue` from the repository's root. The input is a list of patches, each two bytes of place
//! and eight to be written.

#![no_main]

#[path = "../../tests/channels/damage.rs"]
mod damage;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let patches: Vec<_> = bytes
        .chunks_exact(10)
        .take(16)
        .map(|bytes| {
            let place = usize::from(u16::from_le_bytes([bytes[0], bytes[1]])) % (damage::HEAD_BYTES + 1024) / 8 * 8;
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[2..]);
            (place, u64::from_le_bytes(word))
        })
        .collect();
    damage::try_everything(&patches);
});
