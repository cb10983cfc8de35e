//! `Receiver`: takes messages out of a queue; a message that its receiver has not done with comes again.
//!
//! ```text
//! any receiver    lock -> TAKEN, next -> unlock;   the bytes where they lie;   DONE or RETURNED
//! sole receiver   next;                            the bytes where they lie;   head, DONE or RETURNED
//! ```
//!
//! A sole receiver holds `receiving` as long as it lives, so what is READY before `next` is its: whoever takes the lock
//! over from the dead gives it back (`places.rs`). Nobody moves `head` over a record that is neither DONE nor SKIP, so
//! a message's bytes stay as long as somebody has it.

#![allow(unsafe_code)]

mod leaving;
mod message;
mod numbers;

use std::cell::Cell;
use std::time::Duration;

use super::end::End;
use super::errors;
use super::places::{Fate, Places, Refusal, lock_for_a_moment, lock_receiving};
use super::record::{bytes_and_deliveries, is, owner_half, units_of, what};
use super::ring::Ring;
use super::waiting::{Wait, Waiting};
use crate::error::Result;
use crate::lock::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::lock::raw_lock::Asks;
use crate::lock::{NotLocked, Ticket};
use crate::sync::bell::Bell;
use crate::sync::patience::Patience;

pub use message::Message;
pub use numbers::MessageNumbers;

/// Receives messages of a [`Queue`](super::Queue). Made by [`Queue::receiver`](super::Queue::receiver), or
/// [`sole_receiver`](super::Queue::sole_receiver), to which a message costs no atomic read-modify-write.
///
/// It may go to another thread; each thread has its own. What a process that is killed had received and not
/// acknowledged comes again, to any receiver, if the queue delivers at least once; else it is lost with it.
pub struct Receiver<'q> {
    end: End<'q>,
    /// Of a sole receiver, as in `Places`. Each for itself: both at once are loaded before their stores have arrived.
    head: Cell<u64>,
    next: Cell<u64>,
    /// Of a sole receiver: where `next` was when it last had to wait.
    waited_at: Cell<u64>,
    /// Of a sole receiver: of the last message.
    units: Cell<u64>,
}

// SAFETY: what it points to is shared by atomics; its tickets may be used by any thread of the process.
unsafe impl Send for Receiver<'_> {}

/// So many messages like the last one were taken between two waits: more than a message, and its answer.
const IN_A_STREAM: u64 = 4;

/// A message that was taken.
#[derive(Clone, Copy)]
struct Taken {
    position: u64,
    bytes: u64,
    deliveries: u32,
}

impl<'q> Receiver<'q> {
    pub(super) fn new(ring: Ring, fate: Fate) -> Result<Receiver<'q>> {
        let ticket = ring.head().receiving.this_thread().map_err(|why| errors::of_lock(&ring, why))?;
        Ok(Receiver::with(ring, fate, ticket, None))
    }

    /// Waits so long for other receivers to let go.
    pub(super) fn sole(ring: Ring, fate: Fate, wait: Duration) -> Result<Receiver<'q>> {
        let lock = &ring.head().receiving;
        let ticket = match lock_receiving(&ring, fate, |lock| Patience::of(wait).lock_even_given_up(lock)) {
            Ok(ticket) => lock.keep(ticket),
            Err(Refusal::Lock(why)) => return Err(errors::role_is_taken("receiver", &ring, lock, why)),
            Err(Refusal::Error(error)) => return Err(error),
        };
        match Places::read(&ring) {
            Ok(places) => Ok(Receiver::with(ring, fate, ticket, Some(places))),
            Err(error) => {
                lock.unlock(ticket);
                Err(error)
            }
        }
    }

    fn with(ring: Ring, fate: Fate, ticket: Ticket, places: Option<Places>) -> Receiver<'q> {
        Receiver {
            end: End::new(ring, fate, ticket, places.is_some()),
            head: Cell::new(places.map_or(0, |places| places.head)),
            next: Cell::new(places.map_or(0, |places| places.next)),
            waited_at: Cell::new(0),
            units: Cell::new(1),
        }
    }

    /// The next message; waits while there is none.
    ///
    /// # Errors
    /// The queue is damaged, or this process cannot take part.
    #[inline]
    pub fn recv(&self) -> Result<Message<'_, 'q>> {
        match self.recv_within(Wait::Ever) {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(errors::held_all_the_time(&self.end.ring)),
            Err(error) => Err(error),
        }
    }

    /// The next message; `None` if there is none now, or another receiver is stopped as it takes one: it is waited for
    /// for a millisecond. What a receiver had that died may come some milliseconds after its death only: whether one
    /// lives is not asked each time.
    ///
    /// # Errors
    /// As [`recv`](Receiver::recv).
    #[inline]
    pub fn try_recv(&self) -> Result<Option<Message<'_, 'q>>> {
        self.recv_within(Wait::No)
    }

    /// The next message; `None` if there was none within `timeout`.
    ///
    /// # Errors
    /// As [`recv`](Receiver::recv).
    #[inline]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<Message<'_, 'q>>> {
        self.recv_within(Wait::AtMost(timeout))
    }

    /// Up to `most` messages that are there, at least one; waits while there is none.
    ///
    /// # Errors
    /// As [`recv`](Receiver::recv).
    pub fn recv_many(&self, most: usize) -> Result<Vec<Message<'_, 'q>>> {
        let mut messages = Vec::new();
        if most > 0 {
            messages.push(self.recv()?);
        }
        while messages.len() < most {
            if let Some(taken) = self.at_once() {
                messages.push(self.message(taken));
                continue;
            }
            match self.take(Asks::UnlessMarked) {
                Ok(Some(taken)) => messages.push(self.message(taken)),
                // What was taken is to be handled; the error comes again.
                _ => break,
            }
        }
        Ok(messages)
    }

    #[inline(always)]
    fn message(&self, taken: Taken) -> Message<'_, 'q> {
        Message { receiver: self, taken }
    }

    #[inline(always)]
    fn recv_within(&self, wait: Wait) -> Result<Option<Message<'_, 'q>>> {
        // Field by field: a result that is copied whole is loaded before its stores have arrived.
        match self.at_once() {
            Some(taken) => Ok(Some(self.message(taken))),
            None => match self.take_slowly(wait) {
                Ok(taken) => Ok(taken.map(|taken| self.message(taken))),
                Err(error) => Err(error),
            },
        }
    }

    /// A message that is there, if nothing stands in the way.
    #[inline(always)]
    fn at_once(&self) -> Option<Taken> {
        if self.end.is_sole { self.take_at_once() } else { self.claim_at_once() }
    }

    /// The fast way of a sole receiver.
    #[inline(always)]
    fn take_at_once(&self) -> Option<Taken> {
        let (position, head) = (self.next.get(), self.end.ring.head());
        // Acquire pairs with the Release of `Sender::commit`.
        let is_ready = what(self.end.ring.mark(position).load(Acquire)) == is::READY;
        if !is_ready || head.returned.load(Relaxed) != 0 || !self.end.is_ours() {
            return None;
        }
        let length = self.end.ring.header(position).length.load(Relaxed);
        let (bytes, deliveries) = bytes_and_deliveries(length);
        let units = units_of(bytes);
        if units > self.end.ring.units_to_end(position) {
            return None; // `take` says what it is.
        }
        let next = position.wrapping_add(units);
        self.next.set(next);
        self.units.set(units);
        // Release: who takes `receiving` over from the dead sees what was written before.
        head.next.store(next, Release);
        Some(Taken { position, bytes, deliveries })
    }

    /// The fast way of one of many: nobody has the lock, and the next message is there.
    #[inline(always)]
    fn claim_at_once(&self) -> Option<Taken> {
        let (ring, head) = (&self.end.ring, self.end.ring.head());
        // Who looks at an empty queue does not take the lock from others.
        let is_there = what(ring.mark(head.next.load(Relaxed)).load(Relaxed)) == is::READY;
        if !is_there || head.returned.load(Relaxed) != 0 || !self.end.is_ours() {
            return None;
        }
        let ticket = head.receiving.lock_at_once()?;
        let position = head.next.load(Relaxed);
        // Acquire pairs with the Release of `Sender::commit`.
        let is_ready = what(ring.mark(position).load(Acquire)) == is::READY;
        let length = ring.header(position).length.load(Relaxed);
        let (bytes, deliveries) = bytes_and_deliveries(length);
        let units = units_of(bytes);
        // Else `take` says what it is.
        let is_whole = is_ready && units <= ring.units_to_end(position);
        let mut freed = false;
        if is_whole {
            // Release pairs with the Acquire of who takes it from us.
            ring.mark(position).store(self.taken_mark(), Release);
            // Killed before it: TAKEN at `next`, of a dead owner.
            head.next.store(position.wrapping_add(units), Release);
            freed = Places::free_some(ring, position);
        }
        head.receiving.unlock(ticket);
        if freed {
            self.tell_senders();
        }
        if !is_whole {
            return None;
        }
        self.pass_on();
        Some(Taken { position, bytes, deliveries })
    }

    /// Who was woken for the message that we took may have been too late for it, and is not to sleep on over the next.
    #[inline]
    fn pass_on(&self) {
        let committed = &self.end.ring.head().committed;
        if committed.has_a_listener() && self.is_something_there() {
            committed.ring_one();
        }
    }

    #[inline]
    fn take_part(&self) -> Result<()> {
        self.end.take_part(&self.end.ring.head().receiving, "receiver")
    }

    #[inline(never)]
    fn take_slowly(&self, wait: Wait) -> Result<Option<Taken>> {
        self.take_part()?;
        // A sole receiver that has nothing to look for but the next message.
        let nothing_came_back = self.end.ring.head().returned.load(Relaxed) == 0;
        let in_a_row = self.next.get().wrapping_sub(self.waited_at.get());
        if self.end.is_sole && nothing_came_back && !matches!(wait, Wait::No) {
            if in_a_row >= IN_A_STREAM * self.units.get() {
                self.end.waiting.let_some_come();
            }
            self.waited_at.set(self.next.get());
            let look = || self.take_at_once().map(Some).or_else(|| self.is_something_to_pass().then_some(None));
            if let Some(Some(taken)) = self.end.waiting.spin(look) {
                return Ok(Some(taken));
            }
        }
        if let Some(taken) = self.take(Asks::UnlessMarked)? {
            return Ok(Some(taken));
        }
        let patience = match wait {
            Wait::No => return self.take_from_the_dead(Asks::UnlessJustAsked),
            Wait::AtMost(timeout) => Patience::of(timeout),
            Wait::Ever => Patience::Endless,
        };
        if !self.end.is_sole && self.end.waiting.spin(|| self.is_something_there().then_some(())).is_some() {
            if let Some(taken) = self.take(Asks::UnlessMarked)? {
                return Ok(Some(taken));
            }
        }
        let mut sleeps = Waiting::sleeps(&self.end.ring.head().committed, self.end.is_sole);
        loop {
            let listener = sleeps.listen();
            if let Some(taken) = self.take_from_the_dead(listener.asks)? {
                return Ok(Some(taken));
            }
            if sleeps.sleep(&listener, patience, self.is_watching()).is_err() {
                return Ok(None);
            }
            // Woken for a message, most likely: it is there without another announcement.
            if let Some(taken) = self.at_once() {
                return Ok(Some(taken));
            }
            if let Some(taken) = self.take(Asks::UnlessMarked)? {
                return Ok(Some(taken));
            }
        }
    }

    /// As `take`, also what the dead had.
    fn take_from_the_dead(&self, asks: Asks) -> Result<Option<Taken>> {
        if let Some(taken) = self.take(asks)? {
            return Ok(Some(taken));
        }
        if !self.is_watching() {
            return Ok(None);
        }
        let mine = self.end.ticket().owner_half();
        let recovered = self.at_places(|places| {
            let came_back = places.recover(&self.end.ring, self.end.fate, mine, asks)?;
            Ok((came_back, places.free(&self.end.ring)?))
        })?;
        let Some((came_back, freed)) = recovered else { return Ok(None) };
        if freed {
            self.tell_senders();
        }
        if came_back { self.take(Asks::UnlessMarked) } else { Ok(None) }
    }

    /// Without a lock: something to take, or the record of one who is at it; or others took something meanwhile.
    #[inline]
    fn is_something_there(&self) -> bool {
        let head = self.end.ring.head();
        let next = if self.end.is_sole { self.next.get() } else { head.next.load(Relaxed) };
        // Acquire: `next` is read again after it. Had the ring gone round, this were a message's bytes.
        let is_there = what(self.end.ring.mark(next).load(Acquire)) != is::EMPTY || head.returned.load(Relaxed) > 0;
        is_there || !self.end.is_sole && head.next.load(Relaxed) != next
    }

    /// Of a sole receiver: at `next` lies what `take` handles, such as the rest of the ring that a message did not fit
    /// into. The message may be behind it already.
    #[inline]
    fn is_something_to_pass(&self) -> bool {
        let what = what(self.end.ring.mark(self.next.get()).load(Relaxed));
        !matches!(what, is::EMPTY | is::RESERVED | is::READY)
    }

    /// Whether somebody's death would change what there is to take.
    fn is_watching(&self) -> bool {
        let head = self.end.ring.head();
        let places = Places { head: head.head.load(Relaxed), next: head.next.load(Relaxed) };
        places.head != places.next || what(self.end.ring.mark(places.next).load(Relaxed)) != is::EMPTY
    }

    /// Calls `change` under `receiving`. `None`: a sole receiver has it.
    fn at_places<T>(&self, change: impl FnOnce(&mut Places) -> Result<T>) -> Result<Option<T>> {
        if self.end.is_sole {
            let mut places = Places { head: self.head.get(), next: self.next.get() };
            let result = change(&mut places);
            self.head.set(places.head);
            self.next.set(places.next);
            return result.map(Some);
        }
        let ticket = match lock_receiving(&self.end.ring, self.end.fate, lock_for_a_moment) {
            Ok(ticket) => ticket,
            Err(Refusal::Lock(NotLocked::WouldBlock | NotLocked::TimedOut)) => return Ok(None),
            Err(refusal) => return Err(errors::of_refusal(&self.end.ring, refusal)),
        };
        let result = Places::read(&self.end.ring).and_then(|mut places| change(&mut places));
        self.end.ring.head().receiving.unlock(ticket);
        result.map(Some)
    }

    /// Takes a message, if there is one.
    fn take(&self, asks: Asks) -> Result<Option<Taken>> {
        if !self.is_something_there() {
            return Ok(None);
        }
        let taken = self.at_places(|places| {
            // A sole receiver does so where it acknowledges.
            let freed = !self.end.is_sole && places.free(&self.end.ring)?;
            let taken = match self.take_returned(places)? {
                None => self.take_next(places, asks)?,
                returned => returned,
            };
            Ok((taken, freed))
        })?;
        let Some((taken, freed)) = taken else { return Ok(None) };
        if freed {
            self.tell_senders();
        }
        if taken.is_some() && !self.end.is_sole {
            self.pass_on();
        }
        Ok(taken)
    }

    fn take_next(&self, places: &mut Places, asks: Asks) -> Result<Option<Taken>> {
        let ring = &self.end.ring;
        let mine = self.end.ticket().owner_half();
        for _ in 0..ring.unit_count() {
            let position = places.next;
            // Acquire pairs with the Release of whoever wrote the mark.
            let mark = ring.mark(position).load(Acquire);
            match what(mark) {
                is::EMPTY => return Ok(None),
                is::READY => return self.take_at(places, false).map(Some),
                is::RETURNED => return self.take_at(places, true).map(Some),
                is::SKIP | is::DONE => places.pass(ring, ring.length(position)?.0),
                is::RESERVED | is::TAKEN if !ring.is_dead(position, owner_half(mark), mine, asks) => return Ok(None),
                is::RESERVED => {
                    // Not over a mark that its owner changed just before it died.
                    let _ = ring.mark(position).compare_exchange(mark, is::SKIP.into(), Release, Relaxed);
                }
                // Killed before it moved `next`.
                is::TAKEN if self.end.fate == Fate::Return => return self.take_at(places, true).map(Some),
                is::TAKEN => ring.mark(position).store(is::DONE.into(), Release),
                _ => return Err(ring.corrupt("a mark makes no sense")),
            }
        }
        Ok(None)
    }

    fn take_at(&self, places: &mut Places, again: bool) -> Result<Taken> {
        let taken = self.claim(places.next, again)?;
        // Killed before it: TAKEN at `next`, of a dead owner.
        places.pass(&self.end.ring, taken.bytes);
        Ok(taken)
    }

    /// Puts this process's name on a record.
    fn claim(&self, position: u64, again: bool) -> Result<Taken> {
        let ring = &self.end.ring;
        let (bytes, before) = ring.length(position)?;
        let deliveries = if again { before.saturating_add(1) } else { before };
        if again {
            ring.header(position).length.store(u64::from(deliveries) << 32 | bytes, Relaxed);
        }
        // A sole receiver's is READY, as it was: a store would take the line from its sender.
        if again || !self.end.is_sole {
            // Release pairs with the Acquire of who takes it from us.
            ring.mark(position).store(self.taken_mark(), Release);
        }
        Ok(Taken { position, bytes, deliveries })
    }

    /// A message that came back.
    #[inline]
    fn take_returned(&self, places: &Places) -> Result<Option<Taken>> {
        let returned = &self.end.ring.head().returned;
        let seen = returned.load(Relaxed);
        if seen == 0 {
            return Ok(None);
        }
        let taken = places.find(&self.end.ring, |position, mark| {
            if what(mark) != is::RETURNED {
                return Ok(None);
            }
            self.claim(position, true).map(Some)
        })?;
        // One less; or none, unless one comes back meanwhile.
        let left = if taken.is_some() { seen - 1 } else { 0 };
        if returned.compare_exchange(seen, left, Relaxed, Relaxed).is_err() && taken.is_some() {
            let _ = returned.fetch_update(Relaxed, Relaxed, |now| now.checked_sub(1));
        }
        Ok(taken)
    }
}

/// For `wait_any`.
impl Receiver<'_> {
    pub(super) fn bell(&self) -> &Bell {
        self.end.ring.head().committed.bell()
    }

    /// Whether `try_recv` would find something; gives back what the dead had on the way.
    pub(super) fn is_ready(&self) -> bool {
        if self.take_part().is_err() {
            return true; // `try_recv` tells.
        }
        let (head, mine) = (self.end.ring.head(), self.end.ticket().owner_half());
        let next = if self.end.is_sole { self.next.get() } else { head.next.load(Relaxed) };
        // Acquire pairs with the Release of `Sender::commit`.
        let mark = self.end.ring.mark(next).load(Acquire);
        let is_there = match what(mark) {
            is::EMPTY => false,
            is::RESERVED | is::TAKEN => self.end.ring.is_dead(next, owner_half(mark), mine, Asks::UnlessJustAsked),
            // Damage, too: `try_recv` tells.
            _ => true,
        };
        if is_there || head.returned.load(Relaxed) > 0 {
            return true;
        }
        let is_watching = head.head.load(Relaxed) != next;
        is_watching
            && self
                .at_places(|places| places.recover(&self.end.ring, self.end.fate, mine, Asks::UnlessJustAsked))
                .is_ok_and(|came_back| came_back == Some(true))
    }
}

impl Drop for Receiver<'_> {
    fn drop(&mut self) {
        if self.end.is_sole && self.end.is_ours() {
            // Messages that were leaked; damage is told by whoever comes next.
            let places = Places { head: self.head.get(), next: self.next.get() };
            let _ = places.settle(&self.end.ring, self.end.fate);
            self.end.ring.head().receiving.unlock(self.end.ticket());
            self.end.ring.head().committed.ring_out();
        }
    }
}

impl std::fmt::Debug for Receiver<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("is_sole", &self.end.is_sole).finish_non_exhaustive()
    }
}
