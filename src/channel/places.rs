//! `Places`: `head` and `next` as whoever holds `receiving` moves them, and what the dead left put right.
//!
//! | killed | what is found | who repairs it |
//! |---|---|---|
//! | with a record RESERVED | RESERVED, its owner dead | who comes to take it: SKIP |
//! | with a message TAKEN | TAKEN, its owner dead | who finds nothing to take, or no room: RETURNED (or DONE) |
//! | between TAKEN and `next` | TAKEN at `next`, its owner dead | who comes to take it |
//! | as the sole receiver | READY before `next` | who takes `receiving` over: RETURNED, or DONE at most once |
//! | between RETURNED and the hint | RETURNED, not counted | who finds nothing to take |
//! | between DONE and `head` | DONE at `head` | who takes next, or finds no room |

use std::time::{Duration, Instant};

use super::record::{bytes_and_deliveries, is, owner_half, units_of, what};
use super::ring::Ring;
use crate::error::Result;
use crate::lock::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::lock::raw_lock::Asks;
use crate::lock::{Locked, NotLocked, RawLock, Ticket};

/// What becomes of a message whose receiver is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// At least once.
    Return,
    /// At most once.
    Drop,
}

#[derive(Clone, Copy)]
pub(super) struct Places {
    pub(super) head: u64,
    pub(super) next: u64,
}

impl Places {
    /// Under `receiving`.
    #[inline]
    pub(super) fn read(ring: &Ring) -> Result<Places> {
        let head = ring.head();
        let places = Places { head: head.head.load(Relaxed), next: head.next.load(Relaxed) };
        if places.next.wrapping_sub(places.head) > ring.unit_count() {
            return Err(ring.corrupt("its indices contradict each other"));
        }
        Ok(places)
    }

    /// Calls `look` with each record from `head` to `next`, until it gives something.
    pub(super) fn find<T>(self, ring: &Ring, mut look: impl FnMut(u64, u64) -> Result<Option<T>>) -> Result<Option<T>> {
        let mut position = self.head;
        while position != self.next {
            // Acquire pairs with the Release of who wrote it: with the mark comes the length.
            let mark = ring.mark(position).load(Acquire);
            if let Some(found) = look(position, mark)? {
                return Ok(Some(found));
            }
            position = position.wrapping_add(ring.units(position)?);
            if self.next.wrapping_sub(position) > ring.unit_count() {
                return Err(ring.corrupt("a record lies across the next one"));
            }
        }
        Ok(None)
    }

    /// Moves `head` over what is used no more. Whether it moved: then senders are to be told.
    #[inline]
    pub(super) fn free(&mut self, ring: &Ring) -> Result<bool> {
        let before = self.head;
        while self.head != self.next {
            // Acquire pairs with the Release of DONE: what its receiver read there happened before senders write it.
            match what(ring.mark(self.head).load(Acquire)) {
                is::DONE | is::SKIP => self.head = self.head.wrapping_add(ring.units(self.head)?),
                _ => break,
            }
            if self.next.wrapping_sub(self.head) > ring.unit_count() {
                return Err(ring.corrupt("a record lies across the next one"));
            }
        }
        if self.head == before {
            return Ok(false);
        }
        // Release pairs with the Acquire of senders.
        ring.head().head.store(self.head, Release);
        Ok(true)
    }

    /// As `free`, at most a few before `next`, which is not stored: for who hurries. What makes no sense stays.
    #[inline(always)]
    pub(super) fn free_some(ring: &Ring, next: u64) -> bool {
        /// More than one takes at a time, so the rest is soon gone.
        const MOST: usize = 4;
        let before = ring.head().head.load(Relaxed);
        let mut head = before;
        for _ in 0..MOST {
            // Acquire as in `free`.
            let is_free = matches!(what(ring.mark(head).load(Acquire)), is::DONE | is::SKIP);
            let units = units_of(bytes_and_deliveries(ring.header(head).length.load(Relaxed)).0);
            if head == next || !is_free || units > next.wrapping_sub(head) {
                break;
            }
            head = head.wrapping_add(units);
        }
        if head != before {
            // Release pairs with the Acquire of senders.
            ring.head().head.store(head, Release);
        }
        head != before
    }

    /// Gives back the messages of the dead. Whether there was one, or one that came back uncounted.
    ///
    /// On the way it joins what is used no more behind a message that somebody keeps: whoever looks again, under the
    /// lock, does not go over each of them.
    #[cold]
    pub(super) fn recover(self, ring: &Ring, fate: Fate, mine: u32, asks: Asks) -> Result<bool> {
        let mut found = false;
        let mut living = mine;
        let mut unused = None;
        self.find(ring, |position, mark| {
            let is_unused = matches!(what(mark), is::DONE | is::SKIP);
            let is_at_start = ring.units_to_end(position) == ring.unit_count();
            if let Some(from) = unused.take_if(|_| !is_unused || is_at_start) {
                ring.join(from, position);
            }
            match what(mark) {
                _ if is_unused => _ = unused.get_or_insert(position),
                is::TAKEN if owner_half(mark) != living => {
                    if ring.is_dead(position, owner_half(mark), mine, asks) {
                        give_back(ring, position, fate);
                        found = true;
                    } else {
                        living = owner_half(mark);
                    }
                }
                is::RETURNED if ring.head().returned.load(Relaxed) == 0 => {
                    ring.head().returned.fetch_add(1, Relaxed);
                    found = true;
                }
                _ => {}
            }
            Ok(None::<()>)
        })?;
        if let Some(from) = unused {
            ring.join(from, self.next);
        }
        Ok(found)
    }

    /// What a sole receiver that is gone had taken: READY, although before `next`.
    #[cold]
    pub(super) fn settle(self, ring: &Ring, fate: Fate) -> Result<()> {
        self.find(ring, |position, mark| {
            if what(mark) == is::READY {
                give_back(ring, position, fate);
            }
            Ok(None::<()>)
        })?;
        Ok(())
    }

    /// Goes past the record at `next`.
    pub(super) fn pass(&mut self, ring: &Ring, bytes: u64) {
        self.next = self.next.wrapping_add(units_of(bytes));
        // Release: who takes `receiving` over from the dead sees what was written before.
        ring.head().next.store(self.next, Release);
    }
}

/// Lets a message come again, or go.
pub(super) fn give_back(ring: &Ring, position: u64, fate: Fate) {
    match fate {
        Fate::Return => {
            ring.mark(position).store(u64::from(is::RETURNED), Release);
            // Killed before it: who finds nothing to take looks for it.
            ring.head().returned.fetch_add(1, Relaxed);
        }
        Fate::Drop => ring.mark(position).store(u64::from(is::DONE), Release),
    }
}

/// Takes `receiving`, and puts right what a dead holder left.
pub(super) fn lock_receiving(
    ring: &Ring,
    fate: Fate,
    how: impl FnOnce(&RawLock) -> std::result::Result<(Ticket, Locked), NotLocked>,
) -> std::result::Result<Ticket, Refusal> {
    let lock = &ring.head().receiving;
    let (ticket, locked) = how(lock)?;
    if let Locked::Inconsistent(_) = locked {
        let settled = Places::read(ring).and_then(|places| places.settle(ring, fate));
        if let Err(error) = settled {
            lock.unlock(ticket);
            return Err(Refusal::Error(error));
        }
        lock.mark_consistent(ticket);
    }
    Ok(ticket)
}

/// Both locks are held for some stores; by a sole sender or receiver for longer.
pub(super) fn lock_for_a_moment(lock: &RawLock) -> std::result::Result<(Ticket, Locked), NotLocked> {
    /// Longer than anybody holds it who runs. A model has no clock.
    const A_MOMENT: Duration = if cfg!(cotenant_model) { Duration::from_secs(3600) } else { Duration::from_millis(1) };
    match lock.try_lock_given_up() {
        Err(NotLocked::WouldBlock) => lock.lock_given_up_until(Instant::now() + A_MOMENT),
        other => other,
    }
}

/// Why a call does not come to its end.
pub(super) enum Refusal {
    Lock(NotLocked),
    Error(crate::error::Error),
}

impl From<NotLocked> for Refusal {
    fn from(why: NotLocked) -> Refusal {
        Refusal::Lock(why)
    }
}

impl From<crate::error::Error> for Refusal {
    fn from(error: crate::error::Error) -> Refusal {
        Refusal::Error(error)
    }
}
