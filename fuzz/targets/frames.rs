//! Any mixture of frames, parts of frames and other bytes in a pipe: its reader gets messages that were sent, whole.
//! And frames with right sums that say anything of themselves.
//!
//! `cargo +nightly fuzz run frames` from the repository's root.

#![no_main]

#[path = "../../tests/channels/assembled.rs"]
mod assembled;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|plan: &[u8]| {
    assembled::try_stream(plan);
    assembled::try_forged(plan);
});
