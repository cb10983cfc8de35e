//! How the two sides of a queue wait for each other, and why a message costs no fence.
//!
//! ```text
//! sender:    READY; (no fence)     look at the bell
//! receiver:  listen at the bell;   barrier in all of them;   look for READY;   sleep
//! ```
//!
//! One of the two must see the other. A fence of the sender's would do, but it waits for the message to leave the
//! processor: more than all else that sending takes. So who is about to sleep pays: `membarrier` makes every processor
//! that runs a process of a queue pass a barrier. Where it is forbidden, or on other systems, the sender fences; if
//! only the sleeper may not call it, it sleeps for short times only.
//!
//! Who expects something soon spins first, never on one processor; the longer, the more often that paid.

use std::cell::Cell;
use std::time::Duration;

use crate::lock::atomic::Ordering::SeqCst;
use crate::lock::atomic::{compiler_fence, fence};
use crate::lock::naps::Naps;
use crate::lock::{barrier, futex};
use crate::sync::bell::Bell;
use crate::sync::patience::LONGEST_SLEEP;

const FEWEST_SPINS: u32 = 16;
/// Some ten microseconds.
const MOST_SPINS: u32 = 1024;
/// Of who cannot be sure of being woken.
const UNSURE_SLEEP: Duration = Duration::from_millis(1);

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
    spins: Cell<u32>,
}

impl Waiting {
    pub(super) fn new() -> Waiting {
        Waiting { passes_barriers: barrier::register(), spins: Cell::new(MOST_SPINS / 4) }
    }

    /// Between a change and the look whether somebody waits for it.
    #[inline(always)]
    pub(super) fn fence(&self) {
        if self.passes_barriers { compiler_fence(SeqCst) } else { fence(SeqCst) }
    }

    /// Looks again and again for a moment. Whether `is_there` came to be.
    pub(super) fn spin(&self, mut is_there: impl FnMut() -> bool) -> bool {
        if !futex::has_many_processors() {
            return false;
        }
        let spins = self.spins.get();
        for _ in 0..spins {
            if is_there() {
                self.spins.set((spins * 2).min(MOST_SPINS));
                return true;
            }
            std::hint::spin_loop();
        }
        self.spins.set((spins / 2).max(FEWEST_SPINS));
        false
    }

    /// Announces a sleeper. Look, then [`sleep`](Sleeper::sleep).
    pub(super) fn listen(bell: &Bell) -> Sleeper<'_> {
        let heard = bell.listen();
        let is_sure = barrier::pass_in_all();
        Sleeper { bell, heard, is_sure }
    }
}

pub(super) struct Sleeper<'a> {
    bell: &'a Bell,
    heard: u32,
    is_sure: bool,
}

impl Sleeper<'_> {
    /// Sleeps, at most `left`, until the bell rings. `watches`: somebody's death would change what is waited for.
    pub(super) fn sleep(self, naps: &mut Naps, left: Duration, watches: bool) {
        let longest = match (watches, self.is_sure) {
            (true, _) if !cfg!(test) => naps.next(),
            (_, false) => UNSURE_SLEEP,
            _ => LONGEST_SLEEP,
        };
        let longest = longest.min(left);
        naps.note(self.bell);
        self.bell.sleep(self.heard, longest);
        naps.slept(longest, false);
    }
}
