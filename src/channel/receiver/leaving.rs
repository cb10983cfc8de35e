//! A record is left: its memory is free, or it comes again; and senders that wait for room are told.

use super::super::places::{Fate, give_back};
use super::super::record::{is, owned, units_of};
use super::{Receiver, Taken};
use crate::lock::atomic::Ordering::{Relaxed, Release};

impl Receiver<'_> {
    /// Room was made.
    #[inline(always)]
    pub(super) fn tell_senders(&self) {
        self.end.waiting.fence();
        let head = self.end.ring.head();
        if head.freed.has_a_listener() {
            self.wake_senders();
        }
    }

    /// Not before a quarter is free: a sender that is woken for each place would be woken for each message.
    #[cold]
    fn wake_senders(&self) {
        if self.end.ring.used_units() <= self.most_used_to_wake() {
            self.end.ring.head().freed.ring_all();
        }
    }

    fn most_used_to_wake(&self) -> u64 {
        self.end.ring.unit_count() / 4 * 3
    }

    /// The record is used no more, or to come again.
    #[inline(always)]
    pub(super) fn leave(&self, taken: Taken, fate: Fate) {
        let is_first = self.end.is_sole && taken.position == self.head.get() && fate == Fate::Drop;
        if !is_first || !self.end.is_ours() {
            return self.leave_slowly(taken.position, units_of(taken.bytes), fate);
        }
        let head = taken.position.wrapping_add(units_of(taken.bytes));
        self.head.set(head);
        if head != self.next.get() {
            // Those behind it that were done with before; damage is told by the next call.
            let _ = self.at_places(|places| places.free(&self.end.ring));
        }
        // Release pairs with the Acquire of senders.
        self.end.ring.head().head.store(self.head.get(), Release);
        self.tell_senders();
    }

    /// What marks a record that this end took.
    #[inline]
    pub(super) fn taken_mark(&self) -> u64 {
        if self.end.is_sole { is::READY.into() } else { owned(is::TAKEN, self.end.ticket().owner_half()) }
    }

    #[inline(never)]
    fn leave_slowly(&self, position: u64, units: u64, fate: Fate) {
        // In a child of a fork the message is its parent's.
        if !self.end.is_ours() {
            return;
        }
        let ring = &self.end.ring;
        // A child of a fork that has taken part since: what its parent took may be another message by now, also one
        // that this child has.
        if !self.end.is_sole && ring.mark(position).load(Relaxed) != self.taken_mark() {
            return;
        }
        if self.end.has_copies.get() && position.wrapping_sub(ring.head().head.load(Relaxed)) > ring.unit_count() {
            return;
        }
        if fate == Fate::Return {
            give_back(ring, position, fate);
            self.end.waiting.fence();
            ring.head().committed.ring_one();
            return;
        }
        // Release pairs with the Acquire of `Places::free`.
        ring.mark(position).store(is::DONE.into(), Release);
        self.end.waiting.fence();
        // Others free under the lock, when they next take.
        if self.end.is_sole || ring.head().freed.has_a_listener() && self.is_time_to_free(units) {
            self.free_for_senders();
        }
    }

    /// Whether senders would be woken if a record of so many units were freed, or nobody will take another and free it
    /// then. The record is not looked at: since it is DONE, it may be gone, and its place another message's.
    fn is_time_to_free(&self, units: u64) -> bool {
        self.end.ring.used_units().saturating_sub(units) <= self.most_used_to_wake() || !self.is_something_there()
    }

    #[cold]
    fn free_for_senders(&self) {
        // Another one has the lock: senders look for themselves.
        if let Ok(Some(true)) = self.at_places(|places| places.free(&self.end.ring)) {
            self.wake_senders();
        }
    }
}
