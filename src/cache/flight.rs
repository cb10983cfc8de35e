//! Single flight: of all who miss a key, in all processes, one computes it and the others wait.
//!
//! ```text
//! flight   | cell: names who computes | hash of the key |         some for each shard
//! waits    | for which other flight the cell's holder waits       one for each flight
//! ```
//!
//! Begun under the shard's lock, which is not held while somebody computes. The cell names its holder: when that ends,
//! by a panic or a death too, those who wait look again, and one of them computes.
//!
//! Who computes may ask for other keys, and wait for those who compute them; if these wait for it in turn, nobody
//! would ever go on. So who holds a flight says which one it waits for, in `waits` of each that it holds, then follows
//! what the others say: if that leads back to it, it does not wait and computes itself. Of those who close a circle at
//! the same moment one at least sees it. Flights of other caches, whose `waits` cannot be followed from here, are not
//! waited for at all by who holds one.

use std::cell::RefCell;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use super::index::Probe;
use super::memory::Memory;
use super::shard::{FLIGHT_WORDS, FLIGHTS, FLIGHTS_AT, Locked, Shard, WAITS_AT, as_lock};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::atomic::{AtomicU64, fence};
use crate::lock::{NotLocked, RawLock, Ticket};

/// Who waits looks again so often: the cell may have become another key's, and a circle may have closed.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// Flights that are followed from one to the next.
const STEPS: usize = 1024;

thread_local! {
    /// What this thread computes, the innermost last.
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy)]
struct Held {
    cell: &'static RawLock,
    waits: &'static AtomicU64,
    /// Which cache it is of, as this process has it.
    cache: *const AtomicU64,
}

/// Who computes a key.
pub(super) enum Flight {
    /// This thread, until it is dropped.
    Ours(Computing),
    Theirs(Awaited),
    /// So many keys of the shard are being computed that nobody can be told of this one.
    Untold,
}

/// The right to compute a key. Stays on its thread.
pub(super) struct Computing {
    cell: &'static RawLock,
    ticket: Ticket,
}

impl Drop for Computing {
    fn drop(&mut self) {
        // A thread that ends has no list any more, and computes nothing.
        let _ = HELD.try_with(|held| {
            held.borrow_mut().retain(|held| !std::ptr::eq(held.cell, self.cell));
        });
        self.cell.release(self.ticket);
    }
}

/// Another's computation: in which shard, and which of its flights.
pub(super) struct Awaited {
    shard: usize,
    nth: usize,
}

/// What came of waiting.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    /// The computation has come to an end, or it was a while: look again.
    LookAgain,
    /// Who computes it waits for this thread.
    InCircle,
}

impl Awaited {
    /// What is written in `waits`; 0 is nobody.
    fn name(&self) -> u64 {
        (self.shard * FLIGHTS + self.nth) as u64 + 1
    }

    /// What such a word names, if there can be one.
    fn named(memory: &Memory, name: u64) -> Option<Awaited> {
        let number = (name as usize).checked_sub(1)?;
        let awaited = Awaited { shard: number / FLIGHTS, nth: number % FLIGHTS };
        (awaited.shard < memory.shape.shards).then_some(awaited)
    }

    fn words(&self, memory: &Memory) -> (&'static RawLock, &'static AtomicU64) {
        let words = Shard::of(memory, self.shard).words;
        (as_lock(&words[FLIGHTS_AT + self.nth * FLIGHT_WORDS]), &words[WAITS_AT + self.nth])
    }

    /// Waits until it has come to an end, or for a while.
    pub(super) fn wait(&self, memory: &Memory) -> Result<Waited> {
        let (cell, _) = self.words(memory);
        if cell.is_held_by_this_thread() {
            return Err(not_had(NotLocked::WouldDeadlock));
        }
        // In a child of a fork the list is its parent's.
        let mut held = HELD.with_borrow(Vec::clone);
        held.retain(|held| held.cell.is_held_by_this_thread());
        if held.iter().any(|held| held.cache != cache_of(memory)) {
            return Ok(Waited::InCircle);
        }
        held.iter().for_each(|held| held.waits.store(self.name(), SeqCst));
        // Pairs with the same of who closes a circle at this moment: one of the two sees what the other one stored.
        fence(SeqCst);
        let waited = if !held.is_empty() && self.leads_to_this_thread(memory) {
            Ok(Waited::InCircle)
        } else {
            match cell.wait_until_free(Some(Instant::now() + LONGEST_WAIT)) {
                Ok(()) | Err(NotLocked::TimedOut | NotLocked::WouldBlock | NotLocked::NotRecoverable) => {
                    Ok(Waited::LookAgain)
                }
                Err(why) => Err(not_had(why)),
            }
        };
        // Killed before it: the next holder of the cell begins with no such word.
        held.iter().for_each(|held| held.waits.store(0, Relaxed));
        waited
    }

    /// Whether its holder waits for one who waits ... for this thread.
    fn leads_to_this_thread(&self, memory: &Memory) -> bool {
        let mut next = Some(Awaited { ..*self });
        for _ in 0..STEPS {
            let Some(flight) = next else { return false };
            let (cell, waits) = flight.words(memory);
            if cell.is_held_by_this_thread() {
                return true;
            }
            next = if cell.is_held() { Awaited::named(memory, waits.load(SeqCst)) } else { None };
        }
        // A circle of others, one of whom sees it, too.
        false
    }
}

/// Forgets what tasks of the model held that have ended: all tasks are one thread.
#[cfg(cotenant_model)]
pub(super) fn forget_held() {
    HELD.with_borrow_mut(Vec::clear);
}

fn cache_of(memory: &Memory) -> *const AtomicU64 {
    memory.pins_used()
}

impl Locked<'_> {
    /// Begins the flight of a key that is not there, unless somebody else has.
    pub(super) fn begin_flight(&self, probe: Probe) -> Result<Flight> {
        let flights = || {
            let words = &self.shard.words[FLIGHTS_AT..][..FLIGHTS * FLIGHT_WORDS];
            words.chunks_exact(FLIGHT_WORDS).map(|flight| (as_lock(&flight[0]), &flight[1])).enumerate()
        };
        let of_key = flights().find(|(_, (cell, hash))| hash.load(Relaxed) == probe.hash() && cell.is_held());
        if let Some((nth, _)) = of_key {
            // A dead one's is given back while it is waited for.
            return Ok(Flight::Theirs(Awaited { shard: self.shard.number, nth }));
        }
        let free = || flights().find(|(_, (cell, _))| !cell.is_held());
        let dead = || flights().find(|(_, (cell, _))| cell.reclaim_unless_just_asked());
        let Some((nth, (cell, hash))) = free().or_else(dead) else { return Ok(Flight::Untold) };
        let Some(ticket) = cell.claim().map_err(not_had)? else { return Ok(Flight::Untold) };
        // Killed before these: a dead one's flight of another key.
        let waits = &self.shard.words[WAITS_AT + nth];
        waits.store(0, Relaxed);
        hash.store(probe.hash(), Relaxed);
        HELD.with_borrow_mut(|held| held.push(Held { cell, waits, cache: cache_of(self.shard.memory) }));
        Ok(Flight::Ours(Computing { cell, ticket }))
    }
}

fn not_had(why: NotLocked) -> Error {
    match why {
        NotLocked::NoSlot(error) => *error,
        _ => Error::new(ErrorKind::WouldDeadlock, "cannot compute an entry of the cache: this thread is computing it")
            .hint("what computes an entry must not ask for the entry that it computes"),
    }
}
