//! `Bell`: a futex that one sleeps on until somebody rings.
//!
//! ```text
//! 31                1  0
//!   rings            | somebody listens      listen -> look at the predicate -> sleep unless it rang meanwhile
//! ```
//!
//! No ring is lost to who listens before it looks: a ring changes the word that the sleep expects. The flag goes only
//! when a ring woke nobody, so several rings in a row wake several sleepers. It is a hint that a death cannot spoil:
//! a listener that was killed costs one needless ring; a ringer that was killed before it rang, or a sleeper killed
//! after it was woken, leave the others asleep for at most their timeout, after which they look again.

use std::time::Duration;

use crate::lock::atomic::AtomicU32;
use crate::lock::atomic::Ordering::{Relaxed, SeqCst};
use crate::lock::futex;

const SOMEBODY_LISTENS: u32 = 1;
const ONE_RING: u32 = 2;

#[repr(transparent)]
pub(crate) struct Bell {
    word: AtomicU32,
}

impl Bell {
    pub(crate) const fn new() -> Bell {
        Bell { word: AtomicU32::new(0) }
    }

    /// Announces a sleeper. Look at the predicate after it, then [`sleep`](Bell::sleep) with what it gave.
    ///
    /// SeqCst pairs with the load in `ring_one`: either the ringer sees the flag, or we see what it rings for.
    pub(crate) fn listen(&self) -> u32 {
        self.word.fetch_or(SOMEBODY_LISTENS, SeqCst) | SOMEBODY_LISTENS
    }

    /// Sleeps, at most `longest`, unless it rang since `listen` gave `heard`. Wakes for any reason: look again.
    pub(crate) fn sleep(&self, heard: u32, longest: Duration) {
        futex::wait32(&self.word, heard, longest);
    }

    /// Whether somebody sleeps, or is about to. SeqCst as in `ring_one`.
    #[inline]
    pub(crate) fn has_a_listener(&self) -> bool {
        self.word.load(SeqCst) & SOMEBODY_LISTENS != 0
    }

    /// Wakes one sleeper, if there is one. What it rings for was changed before by a SeqCst operation, or under a lock
    /// that listeners hold when they look.
    #[inline]
    pub(crate) fn ring_one(&self) {
        if self.word.load(SeqCst) & SOMEBODY_LISTENS != 0 {
            self.ring(1);
        }
    }

    /// Wakes all sleepers.
    #[inline]
    pub(crate) fn ring_all(&self) {
        if self.word.load(SeqCst) & SOMEBODY_LISTENS != 0 {
            self.ring(u32::MAX);
        }
    }

    /// What sleepers sleep on, for who sleeps on several.
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.word
    }

    /// Wakes all sleepers, also those of whom [`silence`](Bell::silence) said that they are none.
    pub(crate) fn ring_out(&self) {
        self.ring(u32::MAX);
    }

    /// Nobody listens any more, says the only one for whom a ring is something: it is then no system call. When others
    /// may be meant again, `ring_out`.
    pub(crate) fn silence(&self) {
        self.word.fetch_and(!SOMEBODY_LISTENS, SeqCst);
    }

    #[cold]
    fn ring(&self, how_many: u32) {
        let rung = self.word.fetch_add(ONE_RING, SeqCst).wrapping_add(ONE_RING);
        let woken = futex::wake32(&self.word, how_many);
        if woken >= how_many {
            return;
        }
        // Nobody sleeps. Who listened since then and fell asleep before the next step is woken after it; who falls
        // asleep later finds another word and does not: also if the next one who listens has set the flag again, hence
        // another count. Killed between the two: they look again by their timeouts.
        let quiet = rung.wrapping_add(ONE_RING) & !SOMEBODY_LISTENS;
        if self.word.compare_exchange(rung, quiet, SeqCst, Relaxed).is_ok() {
            futex::wake32(&self.word, u32::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32 as Count;
    use std::thread;

    use super::*;

    const VERY_LONG: Duration = Duration::from_secs(600);

    #[test]
    fn ring_before_the_sleep_is_not_lost() {
        let bell = Bell::new();
        let heard = bell.listen();
        bell.ring_one();
        bell.sleep(heard, VERY_LONG);
        let heard = bell.listen();
        bell.ring_all();
        bell.sleep(heard, VERY_LONG);
    }

    /// As many rings as sleepers, one at a time or for all: nobody sleeps on, whatever the order.
    #[test]
    fn every_sleeper_is_woken() {
        for for_all in [false, true] {
            let (bell, free) = (Bell::new(), Count::new(0));
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..200 {
                            loop {
                                let heard = bell.listen();
                                let take = |free: u32| free.checked_sub(1);
                                if free.fetch_update(SeqCst, SeqCst, take).is_ok() {
                                    break;
                                }
                                bell.sleep(heard, VERY_LONG);
                            }
                        }
                    });
                }
                for _ in 0..800 {
                    free.fetch_add(1, SeqCst);
                    if for_all { bell.ring_all() } else { bell.ring_one() }
                }
            });
            assert_eq!(free.into_inner(), 0);
        }
    }
}
