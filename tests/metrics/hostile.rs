//! Metrics whose bytes anybody may have written: what the fuzz target tries, with bytes from a seed.

use crate::actor::tests;
use crate::damage::{Patch, try_everything};
use crate::support::sandbox::Sandbox;

tests! { bytes_of_anybody_crash_nobody }

fn bytes_of_anybody_crash_nobody() {
    let sandbox = Sandbox::new();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        // xorshift64 (Marsaglia, 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..300 {
        let patches: Vec<_> = (0..1 + round % 12)
            .map(|_| {
                let (place, kind, word) = (random(), random() % 4, random());
                let word = [0, u64::MAX, word, word & 0xffff][kind as usize];
                Patch { place, bytes: word.to_le_bytes() }
            })
            .collect();
        try_everything(sandbox.path(), &patches);
    }
}
