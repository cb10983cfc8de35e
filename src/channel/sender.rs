//! `Sender`: puts messages into a queue, whole or not at all.
//!
//! ```text
//! any sender    lock -> EMPTY behind, RESERVED, tail -> unlock;   bytes;   READY        two compare-and-swaps
//! sole sender   bytes;   EMPTY behind, READY, tail                                      stores
//! ```
//!
//! A sole sender holds `sending` as long as it lives, so nobody else reserves. READY is the commit: killed before it,
//! there is no message (a RESERVED record whose owner is dead is passed over); after it, the message is accepted.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::end::End;
use super::errors::{self, SendAllError, SendError};
use super::places::{Fate, Places, Refusal, lock_for_a_moment, lock_receiving};
use super::record::{UNIT_BYTES, bytes_to_skip, is, owned, units_of, what};
use super::ring::Ring;
use super::waiting::{Wait, Waiting};
use crate::error::Result;
use crate::lock::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::lock::raw_lock::Asks;
use crate::lock::{Locked, NotLocked, RawLock, Ticket};
use crate::sync::patience::Patience;

/// Sends messages into a [`Queue`](super::Queue). Made by [`Queue::sender`](super::Queue::sender), or
/// [`sole_sender`](super::Queue::sole_sender), whose messages cost no atomic read-modify-write.
///
/// It may go to another thread; each thread has its own. A process that is killed while it sends loses that message
/// and holds up nobody; whatever `send` or `commit` has returned for is accepted and stays.
pub struct Sender<'q> {
    end: End<'q>,
    /// Of a sole sender: where the next record begins.
    tail: Cell<u64>,
    /// `head` when it was last looked at: there is at least so much room.
    head: Cell<u64>,
}

// SAFETY: what it points to is shared by atomics; its tickets may be used by any thread of the process.
unsafe impl Send for Sender<'_> {}

const UNITS_OF_A_LINE: u64 = 64 / UNIT_BYTES;
/// So long before it writes lines a sender asks for them: they are with the receiver's processor, and fetching one
/// takes longer than sending does. Several are then on their way at a time.
const LINES_ASKED_AHEAD: u64 = 16;
/// What is longer is written in one go, which asks for the rest by itself.
const MOST_LINES_ASKED: u64 = 4;

/// Where a record goes.
#[derive(Clone, Copy)]
struct Place {
    tail: u64,
    /// Units up to the ring's end that it does not fit into.
    skipped: u64,
    bytes: u64,
}

impl Place {
    fn at(self) -> u64 {
        self.tail.wrapping_add(self.skipped)
    }

    fn end(self) -> u64 {
        self.at().wrapping_add(units_of(self.bytes))
    }
}

impl<'q> Sender<'q> {
    pub(super) fn new(ring: Ring, fate: Fate) -> Result<Sender<'q>> {
        let ticket = ring.head().sending.this_thread().map_err(|why| errors::of_lock(&ring, why))?;
        Ok(Sender::with(ring, fate, ticket, None))
    }

    /// Waits so long for other senders to let go.
    pub(super) fn sole(ring: Ring, fate: Fate, wait: Duration) -> Result<Sender<'q>> {
        let lock = &ring.head().sending;
        let (ticket, _) = Patience::of(wait)
            .lock_even_given_up(lock)
            .map_err(|why| errors::role_is_taken("sender", &ring, lock, why))?;
        lock.mark_consistent(ticket); // `end` repairs what the dead left.
        let ticket = lock.keep(ticket);
        match ring.end(ring.head().tail.load(Acquire)) {
            Ok(tail) => Ok(Sender::with(ring, fate, ticket, Some(tail))),
            Err(error) => {
                lock.unlock(ticket);
                Err(error)
            }
        }
    }

    fn with(ring: Ring, fate: Fate, ticket: Ticket, tail: Option<u64>) -> Sender<'q> {
        Sender {
            end: End::new(ring, fate, ticket, tail.is_some()),
            tail: Cell::new(tail.unwrap_or(0)),
            // Acquire pairs with the Release of `Places::free`.
            head: Cell::new(ring.head().head.load(Acquire)),
        }
    }

    /// Sends the message; waits while there is no room.
    ///
    /// # Errors
    /// `Refused`: it is longer than any message can be, the queue is damaged, or this process cannot take part.
    #[inline]
    pub fn send<M: AsRef<[u8]>>(&self, message: M) -> std::result::Result<(), SendError<M>> {
        self.send_within(message, Wait::Ever)
    }

    /// Sends the message if there is room now, and no other sender is stopped as it takes some: it is waited for for a
    /// millisecond.
    ///
    /// # Errors
    /// `Full` gives the message back; else as [`send`](Sender::send).
    #[inline]
    pub fn try_send<M: AsRef<[u8]>>(&self, message: M) -> std::result::Result<(), SendError<M>> {
        self.send_within(message, Wait::No)
    }

    /// Sends the message; waits at most `timeout` for room.
    ///
    /// # Errors
    /// `TimedOut` gives the message back; else as [`send`](Sender::send).
    #[inline]
    pub fn send_timeout<M: AsRef<[u8]>>(&self, message: M, timeout: Duration) -> std::result::Result<(), SendError<M>> {
        self.send_within(message, Wait::AtMost(timeout))
    }

    /// Sends the messages in their order, and wakes receivers once at the end; waits while there is no room. Gives how
    /// many were accepted: all of them, unless there is an error.
    ///
    /// # Errors
    /// As [`send`](Sender::send), of the first message that could not be sent, with how many were sent before it.
    pub fn send_all<M: AsRef<[u8]>>(&self, messages: &[M]) -> std::result::Result<(), SendAllError> {
        for (sent, message) in messages.iter().enumerate() {
            let bytes = message.as_ref();
            if let Some(place) = self.at_once(bytes.len()) {
                self.write(place, bytes);
                continue;
            }
            let placed = match self.place_slowly(bytes.len(), Wait::No) {
                Ok(None) => {
                    // Receivers make room.
                    self.tell_receivers();
                    self.place_slowly(bytes.len(), Wait::Ever)
                }
                placed => placed,
            };
            match placed {
                Ok(Some(place)) => self.write(place, bytes),
                Ok(None) => return Err(SendAllError { sent, error: errors::held_all_the_time(&self.end.ring) }),
                Err(error) => {
                    self.tell_receivers();
                    return Err(SendAllError { sent, error });
                }
            }
        }
        self.tell_receivers();
        Ok(())
    }

    /// A place for a message of `len` bytes in the queue itself, to be written there and
    /// [committed](Reservation::commit); waits while there is no room. What it holds at first are old bytes.
    ///
    /// Messages behind it wait for it as long as this process lives, so do not keep it long; dropped, or when the
    /// process dies, it is passed over.
    ///
    /// # Errors
    /// As [`send`](Sender::send).
    pub fn reserve(&mut self, len: usize) -> Result<Reservation<'_, 'q>> {
        let ring = self.end.ring;
        self.reserve_within(len, Wait::Ever)?.ok_or_else(|| errors::held_all_the_time(&ring))
    }

    /// As [`reserve`](Sender::reserve); `None` if there is no room now.
    ///
    /// # Errors
    /// As [`send`](Sender::send).
    pub fn try_reserve(&mut self, len: usize) -> Result<Option<Reservation<'_, 'q>>> {
        self.reserve_within(len, Wait::No)
    }

    /// As [`reserve`](Sender::reserve); `None` if there was no room within `timeout`.
    ///
    /// # Errors
    /// As [`send`](Sender::send).
    pub fn reserve_timeout(&mut self, len: usize, timeout: Duration) -> Result<Option<Reservation<'_, 'q>>> {
        self.reserve_within(len, Wait::AtMost(timeout))
    }

    #[inline]
    fn reserve_within(&mut self, len: usize, wait: Wait) -> Result<Option<Reservation<'_, 'q>>> {
        let place = match self.at_once(len) {
            Some(place) => place,
            None => match self.place_slowly(len, wait)? {
                Some(place) => place,
                None => return Ok(None),
            },
        };
        Ok(Some(Reservation { sender: self, place, is_committed: false }))
    }

    #[inline]
    fn send_within<M: AsRef<[u8]>>(&self, message: M, wait: Wait) -> std::result::Result<(), SendError<M>> {
        let bytes = message.as_ref();
        if let Some(place) = self.at_once(bytes.len()) {
            self.write(place, bytes);
            self.tell_receivers();
            return Ok(());
        }
        self.send_slowly(message, wait)
    }

    #[inline(never)]
    fn send_slowly<M: AsRef<[u8]>>(&self, message: M, wait: Wait) -> std::result::Result<(), SendError<M>> {
        let bytes = message.as_ref();
        match self.place_slowly(bytes.len(), wait) {
            Ok(Some(place)) => {
                self.write(place, bytes);
                self.tell_receivers();
                Ok(())
            }
            Ok(None) => Err(match wait {
                Wait::No => SendError::Full(message),
                _ => SendError::TimedOut(message),
            }),
            Err(error) => Err(SendError::Refused(message, error)),
        }
    }

    #[inline(always)]
    fn write(&self, place: Place, bytes: &[u8]) {
        let to = self.end.ring.message(place.at()).as_ptr();
        // SAFETY: the place has room for so many bytes, and is this sender's alone until `commit`.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.commit(place);
    }

    /// A place for a record, if nothing stands in the way. Inlined up to the public methods: what is returned through
    /// memory is loaded before its stores have arrived, which costs more than all else.
    #[inline(always)]
    fn at_once(&self, len: usize) -> Option<Place> {
        if self.end.is_sole { self.place_at_once(len) } else { self.reserve_at_once(len) }
    }

    /// The fast way of a sole sender: behind the last record, without a look at what others write.
    #[inline(always)]
    fn place_at_once(&self, len: usize) -> Option<Place> {
        let (tail, bytes) = (self.tail.get(), len as u64);
        // First of all that the sum of units cannot overflow.
        let fits = bytes <= self.end.ring.message_max_bytes();
        let place = self.place_behind(tail, bytes.min(self.end.ring.message_max_bytes()));
        (fits && self.has_room(place) && self.end.is_ours()).then_some(place)
    }

    /// The fast way of one of many: nobody has the lock, nobody was killed, and there is room as far as is known.
    #[inline(always)]
    fn reserve_at_once(&self, len: usize) -> Option<Place> {
        let (ring, bytes) = (&self.end.ring, len as u64);
        let lock = &ring.head().sending;
        if bytes > ring.message_max_bytes() || !self.end.is_ours() {
            return None;
        }
        let ticket = lock.lock_at_once()?;
        let tail = ring.head().tail.load(Relaxed);
        let place = self.place_behind(tail, bytes);
        // Relaxed: only this lock's holders write the mark behind the last record.
        let has_place = what(ring.mark(tail).load(Relaxed)) == is::EMPTY && self.has_room(place);
        if has_place {
            self.mark_reserved(place);
        }
        lock.unlock(ticket);
        if !has_place {
            return None;
        }
        self.ask_for_lines(place);
        Some(place)
    }

    /// Room for a record behind `tail`, if there is.
    fn room(&self, tail: u64, bytes: u64) -> Result<Option<Place>> {
        let place = self.place_behind(tail, bytes);
        if self.has_room(place) {
            return Ok(Some(place));
        }
        // Acquire pairs with the Release of `Places::free`: what was read there was read before.
        self.head.set(self.end.ring.head().head.load(Acquire));
        if tail.wrapping_sub(self.head.get()) > self.end.ring.unit_count() {
            return Err(self.end.ring.corrupt("its indices contradict each other"));
        }
        Ok(self.has_room(place).then_some(place))
    }

    #[inline(always)]
    fn place_behind(&self, tail: u64, bytes: u64) -> Place {
        let to_end = self.end.ring.units_to_end(tail);
        let skipped = if units_of(bytes) > to_end { to_end } else { 0 };
        Place { tail, skipped, bytes }
    }

    /// As far as this sender knows: for the record, and for the mark behind it.
    #[inline(always)]
    fn has_room(&self, place: Place) -> bool {
        place.skipped + units_of(place.bytes) < self.free_behind(place.tail)
    }

    /// Free units, as far as this sender knows: others may have gone on by more than the ring since it looked.
    #[inline(always)]
    fn free_behind(&self, tail: u64) -> u64 {
        self.end.ring.unit_count().saturating_sub(tail.wrapping_sub(self.head.get()))
    }

    /// A place for a record, when there is none at once; `None` if there is none in time.
    fn place_slowly(&self, len: usize, wait: Wait) -> Result<Option<Place>> {
        let bytes = len as u64;
        if bytes > self.end.ring.message_max_bytes() {
            return Err(errors::too_long(&self.end.ring, bytes));
        }
        self.end.take_part(&self.end.ring.head().sending, "sender")?;
        if let Some(place) = self.try_place(bytes, wait)? {
            return Ok(Some(place));
        }
        if self.reclaim(Asks::UnlessJustAsked)? {
            if let Some(place) = self.try_place(bytes, wait)? {
                return Ok(Some(place));
            }
        }
        let patience = match wait {
            Wait::No => return Ok(None),
            Wait::AtMost(timeout) => Patience::of(timeout),
            Wait::Ever => Patience::Endless,
        };
        // Not at the heels of receivers: each message would cost both of them a cache line on its way.
        let (seen, some) = (self.head.get(), self.end.ring.unit_count() / 8);
        let is_some_free = || self.end.ring.head().head.load(Relaxed).wrapping_sub(seen) >= some;
        if self.end.waiting.spin(|| is_some_free().then_some(())).is_some() {
            if let Some(place) = self.try_place(bytes, wait)? {
                return Ok(Some(place));
            }
        }
        let mut sleeps = Waiting::sleeps(&self.end.ring.head().freed, self.end.is_sole);
        loop {
            let listener = sleeps.listen();
            if let Some(place) = self.try_place(bytes, wait)? {
                return Ok(Some(place));
            }
            if self.reclaim(listener.asks)? {
                continue;
            }
            if sleeps.sleep(&listener, patience, true).is_err() {
                return Ok(None);
            }
            if let Some(place) = self.try_place(bytes, wait)? {
                return Ok(Some(place));
            }
        }
    }

    fn try_place(&self, bytes: u64, wait: Wait) -> Result<Option<Place>> {
        if self.end.is_sole {
            return self.room(self.tail.get(), bytes);
        }
        let head = self.end.ring.head();
        let locked = match wait {
            Wait::Ever => head.sending.lock_given_up(),
            // By a sole sender it is held for longer than a moment: then there is no room for others.
            Wait::No | Wait::AtMost(_) => lock_for_a_moment(&head.sending),
        };
        let ticket = match locked {
            Ok((ticket, Locked::Clean)) => ticket,
            Ok((ticket, Locked::Inconsistent(_))) => {
                // Whatever a dead holder left, `end` finds where its records end.
                head.sending.mark_consistent(ticket);
                ticket
            }
            Err(NotLocked::TimedOut | NotLocked::WouldBlock) => return Ok(None),
            Err(why) => return Err(errors::of_lock(&self.end.ring, why)),
        };
        let placed = self.end.ring.end(head.tail.load(Relaxed)).and_then(|tail| self.room(tail, bytes));
        if let Ok(Some(place)) = placed {
            self.mark_reserved(place);
        }
        head.sending.unlock(ticket);
        if let Ok(Some(place)) = placed {
            self.ask_for_lines(place);
        }
        placed
    }

    /// Under `sending`. The first store that others see is the last one.
    fn mark_reserved(&self, place: Place) {
        let (ring, at) = (&self.end.ring, place.at());
        ring.mark(place.end()).store(u64::from(is::EMPTY), Relaxed);
        ring.header(at).length.store(place.bytes, Relaxed);
        // Release pairs with the Acquire of receivers, and of `end`.
        ring.mark(at).store(owned(is::RESERVED, self.end.ticket().owner_half()), Release);
        self.mark_skipped(place);
        // Killed before it: `end` finds the record from the old tail on.
        ring.head().tail.store(place.end(), Release);
    }

    #[inline]
    fn mark_skipped(&self, place: Place) {
        if place.skipped > 0 {
            self.end.ring.header(place.tail).length.store(bytes_to_skip(place.skipped), Relaxed);
            // Release: with it the record behind it is seen.
            self.end.ring.mark(place.tail).store(u64::from(is::SKIP), Release);
        }
    }

    /// The message is accepted from the last store on.
    #[inline(always)]
    fn commit(&self, place: Place) {
        let (ring, at) = (&self.end.ring, place.at());
        if !self.end.is_sole {
            // Release pairs with the Acquire of receivers: with the mark comes the message.
            ring.mark(at).store(u64::from(is::READY), Release);
            return;
        }
        let end = place.end();
        // Before the record can be seen.
        ring.mark(end).store(u64::from(is::EMPTY), Relaxed);
        ring.header(at).length.store(place.bytes, Relaxed);
        ring.mark(at).store(u64::from(is::READY), Release);
        self.mark_skipped(place);
        self.tail.set(end);
        ring.head().tail.store(end, Release);
        self.ask_for_lines(place);
    }

    /// Those that records like this one will take, while they are free: each line once.
    #[inline(always)]
    fn ask_for_lines(&self, place: Place) {
        let (units, end) = (units_of(place.bytes), place.end());
        if units > MOST_LINES_ASKED * UNITS_OF_A_LINE {
            // That of the mark behind the next one, which is written before the next one can be seen. Or for where
            // receivers are by now.
            if self.free_behind(end) > units {
                self.end.ring.ask_for(end.wrapping_add(units));
            } else {
                // Acquire as in `room`.
                self.head.set(self.end.ring.head().head.load(Acquire));
            }
            return;
        }
        let ahead = LINES_ASKED_AHEAD * UNITS_OF_A_LINE;
        let from = place.at().wrapping_add(ahead);
        // Not from the position behind them: it may have passed the last number of all.
        let lines = (from % UNITS_OF_A_LINE + units) / UNITS_OF_A_LINE;
        if self.free_behind(end) >= ahead + lines * UNITS_OF_A_LINE {
            (0..lines).for_each(|nth| self.end.ring.ask_for(from.wrapping_add((nth + 1) * UNITS_OF_A_LINE)));
        }
    }

    #[inline(always)]
    fn tell_receivers(&self) {
        self.end.waiting.fence();
        self.end.ring.head().committed.ring_one();
    }

    /// Makes room where receivers have not got round to it, or died. Whether there is more.
    #[cold]
    fn reclaim(&self, asks: Asks) -> Result<bool> {
        let receiving = &self.end.ring.head().receiving;
        let ticket = match lock_receiving(&self.end.ring, self.end.fate, RawLock::try_lock_given_up) {
            Ok(ticket) => ticket,
            // A sole receiver has it, of this very thread perhaps: it frees what it leaves.
            Err(Refusal::Lock(NotLocked::WouldBlock | NotLocked::TimedOut | NotLocked::WouldDeadlock)) => {
                return Ok(false);
            }
            Err(refusal) => return Err(errors::of_refusal(&self.end.ring, refusal)),
        };
        let freed = Places::read(&self.end.ring).and_then(|mut places| {
            let came_back = places.recover(&self.end.ring, self.end.fate, self.end.ticket().owner_half(), asks)?;
            Ok((came_back, places.free(&self.end.ring)?))
        });
        receiving.unlock(ticket);
        let (came_back, freed) = freed?;
        if came_back {
            self.tell_receivers();
        }
        if freed {
            self.end.ring.head().freed.ring_all();
        }
        Ok(freed)
    }
}

impl Drop for Sender<'_> {
    fn drop(&mut self) {
        if self.end.is_sole && self.end.is_ours() {
            self.end.ring.head().sending.unlock(self.end.ticket());
            self.end.ring.head().freed.ring_out();
        }
    }
}

/// A message that is being written in the queue itself. It derefs to its bytes.
#[must_use = "a reservation that is not committed is dropped, and no message"]
pub struct Reservation<'s, 'q> {
    sender: &'s Sender<'q>,
    place: Place,
    is_committed: bool,
}

impl Reservation<'_, '_> {
    /// Publishes the message. When this returns it is accepted. In a child of a fork a place that its parent reserved
    /// is its parent's to commit, and nothing happens.
    #[inline]
    pub fn commit(mut self) {
        self.is_committed = true;
        if self.is_ours() {
            self.sender.commit(self.place);
            self.sender.tell_receivers();
        }
    }

    /// For C: not the copy of a child of a fork.
    #[doc(hidden)]
    #[inline]
    pub fn is_ours(&self) -> bool {
        self.sender.end.is_ours()
    }
}

impl Deref for Reservation<'_, '_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let bytes = self.sender.end.ring.message(self.place.at());
        // SAFETY: as in `deref_mut`.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr(), self.place.bytes as usize) }
    }
}

impl DerefMut for Reservation<'_, '_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        let bytes = self.sender.end.ring.message(self.place.at());
        // SAFETY: so many bytes lie in the ring behind the header; until it is committed or dropped the record is this
        // sender's, and whoever shares the queue keeps to that (docs/safety.md, the second promise).
        unsafe { std::slice::from_raw_parts_mut(bytes.as_ptr(), self.place.bytes as usize) }
    }
}

impl Drop for Reservation<'_, '_> {
    fn drop(&mut self) {
        let end = &self.sender.end;
        if self.is_committed || end.is_sole || !end.is_ours() {
            return; // Of a sole sender nobody has seen anything yet.
        }
        end.ring.mark(self.place.at()).store(u64::from(is::SKIP), Release);
        self.sender.tell_receivers();
    }
}

impl std::fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("is_sole", &self.end.is_sole).finish_non_exhaustive()
    }
}
