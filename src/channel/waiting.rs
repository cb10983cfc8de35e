//! How the two sides of a queue wait for each other, and why a message costs no fence.
//!
//! ```text
//! sender:    READY; (no fence)     look at the bell
//! receiver:  listen at the bell;   barrier in all of them;   look for READY;   sleep
//! ```
//!
//! One of the two must see the other. A fence of the sender's would do, but it waits for the message to leave the
//! processor: more than all else that sending takes. So who is about to sleep long pays: `membarrier` makes every
//! processor that runs a process of a queue pass a barrier. The first sleep does without: its last look comes longer
//! after it listens than a store stays in a processor, and should that not have been enough, it is over soon. Where the
//! call is forbidden, or on other systems, the sender fences; if only the sleeper may not call it, all sleeps are
//! short.
//!
//! Who expects something soon spins first, never on one processor, and only as long as that paid lately: after some
//! waits in vain it sleeps at once, and tries again more and more seldom.

use std::cell::Cell;
use std::time::Duration;

use super::doorbell::Doorbell;
use crate::lock::atomic::Ordering::SeqCst;
use crate::lock::atomic::{compiler_fence, fence};
use crate::lock::naps::Naps;
use crate::lock::raw_lock::Asks;
use crate::lock::{NotLocked, barrier, futex};
use crate::sync::patience::{LONGEST_SLEEP, Patience};

const FEWEST_SPINS: u32 = 16;
/// Some fifty microseconds: who is woken by us answers within that.
const MOST_SPINS: u32 = 2048;
/// Some 0.5 us.
const PAUSES_IN_A_STREAM: u32 = 32;
/// After so many waits without spinning it is tried again: two who sleep for each other would else do so for ever.
/// Four times as many each time that it did not pay.
const FEWEST_WAITS_UNTIL_TRIED: u32 = 64;
const MOST_WAITS_UNTIL_TRIED: u32 = 16384;
/// Of who cannot be sure of being woken. Longer than the timer's tick: an earlier one costs more than the sleep.
const UNSURE_SLEEP: Duration = Duration::from_millis(10);
/// Some 0.2 us: longer than a store stays in a processor.
const PAUSES_BEFORE_A_LAST_LOOK: u32 = 10;

/// How long a call waits.
#[derive(Clone, Copy)]
pub(super) enum Wait {
    No,
    AtMost(Duration),
    Ever,
}

/// What a sender or receiver keeps for telling and waiting.
pub(super) struct Waiting {
    /// This process passes the barriers of who sleeps.
    passes_barriers: bool,
    /// 0: it does not pay, or there is one processor.
    spins: Cell<u32>,
    /// Waits until it is tried again, and after how many that is then.
    left: Cell<u32>,
    pause: Cell<u32>,
}

impl Waiting {
    pub(super) fn new() -> Waiting {
        Waiting {
            passes_barriers: barrier::register(),
            spins: Cell::new(first_spins()),
            left: Cell::new(FEWEST_WAITS_UNTIL_TRIED),
            pause: Cell::new(FEWEST_WAITS_UNTIL_TRIED),
        }
    }

    /// Between a change and the look whether somebody waits for it.
    #[inline(always)]
    pub(super) fn fence(&self) {
        if self.passes_barriers { compiler_fence(SeqCst) } else { fence(SeqCst) }
    }

    /// Who takes one message after the other lets some more come before it looks: at the heels of its sender, each
    /// message costs both of them a cache line on its way.
    #[inline]
    pub(super) fn let_some_come(&self) {
        (0..self.spins.get().min(PAUSES_IN_A_STREAM)).for_each(|_| std::hint::spin_loop());
    }

    /// Looks again and again for a moment, until `look` finds something.
    #[inline]
    pub(super) fn spin<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let spins = if self.spins.get() > 0 { self.spins.get() } else { self.spins_again() };
        for _ in 0..spins {
            if let Some(found) = look() {
                self.spins.set(MOST_SPINS);
                if self.pause.get() > FEWEST_WAITS_UNTIL_TRIED {
                    self.pause.set(FEWEST_WAITS_UNTIL_TRIED);
                }
                return Some(found);
            }
            std::hint::spin_loop();
        }
        if spins > 0 {
            self.learn(spins);
        }
        None
    }

    /// Whether to try once more.
    #[cold]
    fn spins_again(&self) -> u32 {
        let left = self.left.get() - 1;
        self.left.set(if left == 0 { self.pause.get() } else { left });
        if left == 0 { first_spins() } else { 0 }
    }

    /// Spinning found nothing.
    #[cold]
    fn learn(&self, spins: u32) {
        let pause = self.pause.get();
        if pause == FEWEST_WAITS_UNTIL_TRIED && spins > FEWEST_SPINS {
            // It paid lately.
            self.spins.set(spins / 2);
            return;
        }
        self.spins.set(0);
        self.left.set(pause);
        self.pause.set((pause * 4).min(MOST_WAITS_UNTIL_TRIED));
    }

    /// The sleeps of one wait for what `doorbell` tells of.
    /// `is_sole`: nobody else has anything to wake up for, until this end goes and rings for them.
    pub(super) fn sleeps(doorbell: &Doorbell, is_sole: bool) -> Sleeps<'_> {
        Sleeps { doorbell, naps: Naps::new(), is_first: true, is_sole }
    }
}

fn first_spins() -> u32 {
    if futex::has_many_processors() { MOST_SPINS } else { 0 }
}

pub(super) struct Sleeps<'a> {
    doorbell: &'a Doorbell,
    naps: Naps,
    is_first: bool,
    is_sole: bool,
}

/// Somebody who announced that it sleeps.
pub(super) struct Listener {
    heard: u32,
    is_sure: bool,
    /// What it is to ask about owners.
    pub(super) asks: Asks,
}

impl Sleeps<'_> {
    /// Announces a sleeper. Look, then [`sleep`](Sleeps::sleep).
    pub(super) fn listen(&mut self) -> Listener {
        let heard = self.doorbell.bell().listen();
        if self.is_first {
            let is_alone = !futex::has_many_processors() || self.doorbell.was_rung_here();
            let pauses = if is_alone { 0 } else { PAUSES_BEFORE_A_LAST_LOOK };
            (0..pauses).for_each(|_| std::hint::spin_loop());
            return Listener { heard, is_sure: cfg!(any(test, cotenant_model)), asks: Asks::UnlessJustAsked };
        }
        let is_sure = barrier::pass_in_all();
        let asks = if self.naps.is_our_turn(self.doorbell.bell(), 0) { Asks::Always } else { Asks::UnlessMarked };
        Listener { heard, is_sure, asks }
    }

    /// Sleeps until the bell rings, or looking again is due. `watches`: somebody's death would change what is waited
    /// for.
    pub(super) fn sleep(&mut self, listener: &Listener, patience: Patience, watches: bool) -> Result<(), NotLocked> {
        let longest = match (watches, listener.is_sure) {
            (_, false) => UNSURE_SLEEP,
            (true, true) if !cfg!(test) => self.naps.next(),
            _ => LONGEST_SLEEP,
        };
        let longest = patience.sleep(longest)?;
        if !std::mem::take(&mut self.is_first) {
            self.naps.note(self.doorbell.bell());
        }
        self.doorbell.bell().sleep(listener.heard, longest);
        self.naps.slept(longest, false);
        Ok(())
    }
}

impl Drop for Sleeps<'_> {
    fn drop(&mut self) {
        self.naps.end(self.doorbell.bell());
        if self.is_sole {
            self.doorbell.bell().silence();
        }
    }
}
