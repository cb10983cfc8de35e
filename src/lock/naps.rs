//! `Naps`: the sleeps of one wait, who of many asks about the owner, and what people are told of it.
//!
//! ```text
//! alone:       0.5 ms, 1, 2, 4, ... 20, 20, 20        asks after each
//! in a crowd:  ... 20, 40, 80, ... 500                asks if nobody has for 10 ms
//! ```
//!
//! Invariant: who has asked sleeps at most 20 ms, and so asks, or finds that another one has, within that. The others
//! sleep longer while several of them wake in each 10 ms: a wake costs more than a question. So a death is noticed
//! within about 20 ms; if most of a crowd die at once with the owner, within the 500 ms that those left may sleep.

use std::time::Duration;

use super::ranges;
use super::ranges::Turn;

const FIRST: Duration = Duration::from_micros(500);
/// The longest one for who asks.
const LONGEST: Duration = Duration::from_millis(20);
/// The longest one at all.
const LONGEST_IN_A_CROWD: Duration = Duration::from_millis(500);
/// Somebody else's answer is believed for half as long as one has slept, and at most for so long.
const BELIEVED: Duration = Duration::from_millis(10);
/// Who has only believed for so long asks, whatever others say that they did.
const LONGEST_UNASKED: Duration = Duration::from_secs(2);

pub(crate) struct Naps {
    next: Duration,
    last: Duration,
    /// Slept since this thread asked.
    unasked: Duration,
    note: Note,
}

impl Naps {
    pub(crate) const fn new() -> Naps {
        Naps { next: FIRST, last: Duration::ZERO, unasked: Duration::ZERO, note: Note::new() }
    }

    /// How long to sleep next.
    pub(crate) fn next(&self) -> Duration {
        self.next
    }

    /// It was slept for `last`, or less if somebody woke us.
    pub(crate) fn slept(&mut self, last: Duration, was_woken: bool) {
        self.last = last;
        self.unasked = self.unasked.saturating_add(last);
        // Who was woken is not sure to be followed by another: it watches.
        self.next = if was_woken { self.next } else { self.next * 2 }.min(LONGEST);
    }

    /// Whether this thread is to ask, after a sleep at `place`, or leaves that to another.
    pub(crate) fn is_our_turn<T>(&mut self, place: &T, owner_half: u32) -> bool {
        let believed = (self.last / 2).min(BELIEVED).as_millis() as u32;
        let believed = if self.unasked < LONGEST_UNASKED { believed } else { 0 };
        match ranges::take_turn(place, owner_half, believed) {
            Turn::Ours => {
                self.unasked = Duration::ZERO;
                true
            }
            Turn::Theirs { in_a_crowd } => {
                let next = if in_a_crowd { self.last * 2 } else { self.last / 2 };
                self.next = next.clamp(self.next, LONGEST_IN_A_CROWD);
                false
            }
        }
    }

    /// Tells people for what this thread is about to sleep.
    pub(crate) fn note<T>(&mut self, place: &T) {
        self.note.write(place);
    }

    /// For how long people could read of this wait, until now.
    pub(crate) fn noted_ms(&self) -> Option<u32> {
        self.note.since_ms.map(|since| ranges::uptime_ms().wrapping_sub(since))
    }

    /// The wait is over, whatever came of it.
    pub(crate) fn end<T>(&mut self, place: &T) {
        self.note.erase(place);
    }
}

/// What people are told of a wait: in the process's entry, which has room for one of its threads.
pub(crate) struct Note {
    since_ms: Option<u32>,
    is_written: bool,
}

impl Note {
    pub(crate) const fn new() -> Note {
        Note { since_ms: None, is_written: false }
    }

    /// Says that this thread sleeps at `place`, unless another one's note is there. Before each sleep: then that one's
    /// may be gone.
    pub(crate) fn write<T>(&mut self, place: &T) {
        self.is_written |= ranges::note_wait(place, &mut self.since_ms);
    }

    /// Takes back what [`write`](Note::write) wrote; `since` stays for the next one.
    pub(crate) fn erase<T>(&mut self, place: &T) {
        if std::mem::take(&mut self.is_written) {
            ranges::note_end_of_wait(place);
        }
    }
}

#[cfg(all(test, not(cotenant_model)))]
mod tests {
    use super::*;

    #[test]
    fn alone_every_sleep_is_followed_by_a_question() {
        let (mut naps, place) = (Naps::new(), 0_u64);
        let mut slept = Vec::new();
        for _ in 0..9 {
            slept.push(naps.next().as_micros());
            naps.slept(naps.next(), false);
            assert!(naps.is_our_turn(&place, 1));
        }
        assert_eq!(slept, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000]);
        naps.slept(naps.next(), true);
        assert_eq!(naps.next(), LONGEST);
    }
}
