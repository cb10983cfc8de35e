//! Of many who wait for one owner, one asks whether it lives; the others believe that it was asked.
//!
//! ```text
//! 63       40 39     32 31                          0
//!   for what | believed | when it was asked, in ms        one of 256 words in the header, found by lock and owner
//! ```
//!
//! Asking costs eleven system calls. Whoever finds that somebody asked a moment ago counts itself among those who
//! believed, and sleeps on. Many who did are a crowd: there each may sleep longer, because another one wakes soon.
//!
//! The word is a hint. Killed between the stamp and the question: the next one asks a moment later. Two locks with
//! one word: both are asked about more often. A false stamp is believed for a bounded time (`lock::naps`).

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::{process, ranges};

/// So many who believed the last answer are a crowd.
const CROWD: u64 = 4;
const ONE_BELIEVED: u64 = 1 << 32;
const BELIEVED: u64 = 0xff;

/// Whose turn it is to ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    Ours,
    Theirs { in_a_crowd: bool },
}

/// Whether who waits at `place` is to ask about `owner_half`, or somebody did less than `believed_ms` ago.
pub(crate) fn take_turn<T>(place: &T, owner_half: u32, believed_ms: u32) -> Turn {
    // On Windows one system call tells, and a sleep ends with the owner.
    if cfg!(windows) || believed_ms == 0 {
        return Turn::Ours;
    }
    let Some((segment, at)) = ranges::place_of(place) else { return Turn::Ours };
    // The golden ratio spreads neighbours.
    let key = (at ^ u64::from(owner_half) << 32 ^ u64::from(owner_half)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    turn(segment.live().asked(key as u8), key >> 40, process::uptime_ms(), believed_ms)
}

fn turn(word: &AtomicU64, tag: u64, now_ms: u32, believed_ms: u32) -> Turn {
    let seen = word.load(Relaxed);
    if seen >> 40 != tag || now_ms.wrapping_sub(seen as u32) >= believed_ms {
        // Of several who come at once, one asks.
        let stamp = tag << 40 | u64::from(now_ms);
        return match word.compare_exchange(seen, stamp, Relaxed, Relaxed) {
            Ok(_) => Turn::Ours,
            Err(_) => Turn::Theirs { in_a_crowd: false },
        };
    }
    let believed = seen >> 32 & BELIEVED;
    if believed < BELIEVED {
        // Not counted if another one was at the same moment.
        let _ = word.compare_exchange(seen, seen + ONE_BELIEVED, Relaxed, Relaxed);
    }
    Turn::Theirs { in_a_crowd: believed >= CROWD }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_asks_and_the_others_believe_it_for_a_while() {
        let word = AtomicU64::new(0);
        assert_eq!(turn(&word, 7, 1000, 10), Turn::Ours);
        for before in 0..300 {
            assert_eq!(turn(&word, 7, 1009, 10), Turn::Theirs { in_a_crowd: before >= 4 });
        }
        assert_eq!(turn(&word, 7, 1010, 10), Turn::Ours, "the answer is old");
        assert_eq!(turn(&word, 7, 1011, 10), Turn::Theirs { in_a_crowd: false }, "counted anew");
    }

    #[test]
    fn answers_about_others_and_of_the_future_are_not_believed() {
        let word = AtomicU64::new(0);
        assert_eq!(turn(&word, 7, 1000, 10), Turn::Ours);
        assert_eq!(turn(&word, 8, 1001, 10), Turn::Ours, "another lock");
        assert_eq!(turn(&word, 8, 900, 10), Turn::Ours, "another clock");
        assert_eq!(turn(&word, 8, u32::MAX, 10), Turn::Ours);
        assert_eq!(turn(&word, 8, 2, 10), Turn::Theirs { in_a_crowd: false }, "the clock's low half begins anew");
    }
}
