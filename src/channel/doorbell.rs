//! `Doorbell`: a bell, and on which processor it was rung last.
//!
//! Who is about to sleep lets a moment pass before its last look, in which the stores of who rings arrive
//! (`waiting.rs`). On one processor nothing is on its way: one of the two runs at a time.

use crate::lock::atomic::AtomicU32;
use crate::lock::atomic::Ordering::Relaxed;
use crate::lock::futex;
use crate::sync::bell::Bell;

/// As it lies in shared memory.
#[repr(C)]
pub(super) struct Doorbell {
    bell: Bell,
    /// The processor's number and one; 0 if nobody knows. A hint.
    rung_on: AtomicU32,
}

impl Doorbell {
    pub(super) const fn new() -> Doorbell {
        Doorbell { bell: Bell::new(), rung_on: AtomicU32::new(0) }
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    #[inline(always)]
    pub(super) fn has_a_listener(&self) -> bool {
        self.bell.has_a_listener()
    }

    /// As [`Bell::ring_one`].
    #[inline(always)]
    pub(super) fn ring_one(&self) {
        if self.has_a_listener() {
            self.ring(Bell::ring_one);
        }
    }

    /// As [`Bell::ring_all`].
    #[inline(always)]
    pub(super) fn ring_all(&self) {
        if self.has_a_listener() {
            self.ring(Bell::ring_all);
        }
    }

    /// As [`Bell::ring_out`]: a sole end goes, and others of its side may have fallen asleep before it came.
    pub(super) fn ring_out(&self) {
        self.ring(Bell::ring_out);
    }

    #[cold]
    fn ring(&self, ring: fn(&Bell)) {
        // Only if it changes: sleepers read it.
        let here = futex::processor();
        if self.rung_on.load(Relaxed) != here {
            self.rung_on.store(here, Relaxed);
        }
        ring(&self.bell);
    }

    /// Whether it was rung last by somebody who ran where this thread runs.
    pub(super) fn was_rung_here(&self) -> bool {
        let rung_on = self.rung_on.load(Relaxed);
        rung_on != 0 && rung_on == futex::processor()
    }
}
