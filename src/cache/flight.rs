//! Single flight: of all who miss a key, in all processes, one computes it and the others wait.
//!
//! ```text
//! flight   | cell: names who computes | hash of the key |         some for each shard
//! ```
//!
//! Begun under the shard's lock, which is not held while somebody computes. The cell names its holder: when that ends,
//! by a panic or a death too, those who wait look again, and one of them computes.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::index::Probe;
use super::shard::{FLIGHT_WORDS, FLIGHTS, FLIGHTS_AT, Locked, as_lock};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{NotLocked, RawLock, Ticket};

/// Who waits looks again so often: the cell may have become another key's.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Who computes a key.
pub(super) enum Flight {
    /// This thread, until it is dropped.
    Ours(Computing),
    Theirs(Awaited),
    /// So many keys of the shard are being computed that nobody can be told of this one.
    Untold,
}

/// The right to compute a key.
pub(super) struct Computing {
    cell: &'static RawLock,
    ticket: Ticket,
}

impl Drop for Computing {
    fn drop(&mut self) {
        self.cell.release(self.ticket);
    }
}

/// Another's computation.
pub(super) struct Awaited(&'static RawLock);

impl Awaited {
    /// Waits until it has come to an end, or for a while: look again.
    pub(super) fn wait(&self) -> Result<()> {
        match self.0.wait_until_free(Some(Instant::now() + LONGEST_WAIT)) {
            Ok(()) | Err(NotLocked::TimedOut | NotLocked::WouldBlock | NotLocked::NotRecoverable) => Ok(()),
            Err(why) => Err(not_had(why)),
        }
    }
}

impl Locked<'_> {
    /// Begins the flight of a key that is not there, unless somebody else has.
    pub(super) fn begin_flight(&self, probe: Probe) -> Result<Flight> {
        let flights = || {
            let words = &self.shard.words[FLIGHTS_AT..][..FLIGHTS * FLIGHT_WORDS];
            words.chunks_exact(FLIGHT_WORDS).map(|flight| (as_lock(&flight[0]), &flight[1]))
        };
        let of_key = flights().find(|(cell, hash)| hash.load(Relaxed) == probe.hash() && cell.is_held());
        if let Some((cell, _)) = of_key {
            // A dead one's is given back while it is waited for.
            return Ok(Flight::Theirs(Awaited(cell)));
        }
        let free = || flights().find(|(cell, _)| !cell.is_held());
        let dead = || flights().find(|(cell, _)| cell.reclaim_unless_just_asked());
        let Some((cell, hash)) = free().or_else(dead) else { return Ok(Flight::Untold) };
        let Some(ticket) = cell.claim().map_err(not_had)? else { return Ok(Flight::Untold) };
        // Killed before it: a dead one's flight of another key.
        hash.store(probe.hash(), Relaxed);
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
