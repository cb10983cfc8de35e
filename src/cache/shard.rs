//! A shard: its own words, reading without a lock, and the lock of those who write.
//!
//! ```text
//! word 0         which index (extent, buckets) and period: what a reader loads first       a line of its own
//! word 8         lock of the writers
//! words 9 ..     versions, orders, open slabs, counts                                      written under the lock
//! words 32 ..    flights: who computes which key                                           `flight`
//! words 96 ..    heads of the lists of holes, by kind of slab and length                   `space`
//! words 352 ..   what the holder of each flight waits for itself                           `flight`
//! ```
//!
//! A reader: sequence number of the bucket - slot - entry, copied - sequence number again. It tries again if the bucket
//! changed meanwhile, which only a writer that got its change done can cause; after some tries it looks at that entry
//! alone, whatever happens to its neighbours, and if that is written anew all the time, it takes the lock (`alone`).
//!
//! A writer holds the lock. Every store of its leaves a shard that readers and the next writer can use; what a death
//! leaves wrong are sums and lists, which the next holder works out anew (`repair`).

#![allow(unsafe_code)]

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::{Duration, Instant};

use super::entry::Entry;
use super::index::{Bucket, Index, Probe, SPILLED};
use super::memory::{Memory, ShardWords};
use super::words::hold_bytes;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::atomic::{AtomicU64, fence};
use crate::lock::{Locked as LockedHow, NotLocked, RawLock, Ticket};
use crate::sys::process;

pub(super) const INDEX: usize = 0;
const LOCK: usize = 8;
pub(super) const NEXT_VERSION: usize = 9;
pub(super) const NEXT_ORDER: usize = 10;
/// One more than the number of the slab that is being filled, by kind.
pub(super) const OPEN: [usize; 2] = [11, 12];
/// Extents whose slabs this shard uses.
pub(super) const EXTENTS: usize = 13;
pub(super) const ENTRIES: usize = 14;
/// Of keys and values.
pub(super) const BYTES: usize = 15;
pub(super) const INSERTED: usize = 16;
pub(super) const REMOVED: usize = 17;
pub(super) const EVICTED_FOR_SPACE: usize = 18;
pub(super) const EVICTED_EXPIRED: usize = 19;
pub(super) const EVICTED_BY_INDEX: usize = 20;
pub(super) const REPAIRED: usize = 21;
/// 1: there has been no room since the cache was made, cleared or grown.
pub(super) const WAS_FULL: usize = 22;
pub(super) const FLIGHTS_AT: usize = 32;
pub(super) const FLIGHTS: usize = 32;
pub(super) const FLIGHT_WORDS: usize = 2;
pub(super) const HOLES_AT: usize = 96;
pub(super) const WAITS_AT: usize = HOLES_AT + 2 * HOLE_WORDS_MAX;
const _: () = assert!(WAITS_AT + FLIGHTS == super::layout::SHARD_WORDS);
/// Holes up to so many words are used again at once; longer ones when their slab is emptied.
pub(super) const HOLE_WORDS_MAX: usize = 128;

/// How often a reader that meets a change of the bucket tries again, before it looks at the entry alone (`alone`).
pub(super) const TRIES: usize = 16;
/// How long a writer waits for another one, which holds the lock for microseconds unless it is stopped there.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

const PERIOD: u64 = 0xff;

#[derive(Clone, Copy)]
pub(super) struct Shard<'m> {
    pub(super) memory: &'m Memory,
    pub(super) number: usize,
    pub(super) words: &'static ShardWords,
}

/// What a reader found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) version: u64,
    pub(super) is_expired: bool,
    pub(super) expires_ms: u64,
}

pub(super) enum Seen {
    Here(Read),
    /// Not in this bucket; whether it may be in the second.
    Absent(bool),
    Changed,
}

/// A shard whose lock this thread holds until this is dropped.
pub(super) struct Locked<'m> {
    pub(super) shard: Shard<'m>,
    ticket: Ticket,
}

/// The word that says which index a shard uses, and the period.
#[derive(Clone, Copy)]
pub(super) struct IndexWord(pub(super) u64);

impl IndexWord {
    pub(super) fn new(extent: usize, period: u64) -> IndexWord {
        IndexWord((extent as u64) << 8 | period & PERIOD)
    }

    #[inline]
    pub(super) fn extent(self) -> usize {
        (self.0 >> 8) as usize
    }

    #[inline]
    pub(super) fn period(self) -> u64 {
        self.0 & PERIOD
    }
}

/// Milliseconds since the system started.
pub(super) fn now_ms() -> u64 {
    process::milliseconds_since_start()
}

#[inline]
pub(super) fn is_expired(expires_ms: u64) -> bool {
    expires_ms != 0 && now_ms() >= expires_ms
}

impl<'m> Shard<'m> {
    #[inline]
    pub(super) fn of(memory: &'m Memory, number: usize) -> Shard<'m> {
        Shard { memory, number, words: memory.shard_words(number) }
    }

    #[inline]
    pub(super) fn index_word(&self) -> IndexWord {
        // Acquire pairs with the Release of `grow`: who sees the extent sees its buckets filled.
        IndexWord(self.words[INDEX].load(Acquire))
    }

    /// The index in use; `None` if the words name none.
    #[inline]
    pub(super) fn index(&self) -> Option<Index> {
        self.memory.index(self.number, self.index_word().extent())
    }

    /// What lies at a place that a slot names; `None` if nothing can.
    #[inline]
    pub(super) fn entry(&self, place: u32) -> Option<Entry> {
        self.memory.entry(self.number, place)
    }

    /// Looks for a key, and has `copy` copy what it wants of the entry, which lies at a place: perhaps several times,
    /// and what it copied counts only if this gives something. Takes no lock and waits for nobody, unless others write
    /// that very entry all the time.
    ///
    /// The first read of an entry in a period notes that in its slot: one store at most for each entry and period.
    #[inline]
    pub(super) fn read(&self, probe: Probe, key: &[u8], mut copy: impl FnMut(u32, Entry)) -> Option<Read> {
        let index_word = self.index_word();
        let index = self.memory.index(self.number, index_word.extent())?;
        match self.read_bucket(index.first(probe), index_word, probe, key, &mut copy) {
            Seen::Here(read) => Some(read),
            Seen::Absent(false) => None,
            Seen::Absent(true) | Seen::Changed => self.read_both(probe, key, &mut copy),
        }
    }

    /// As [`read`](Shard::read), where one look into the first bucket did not tell.
    #[inline(never)]
    fn read_both(&self, probe: Probe, key: &[u8], copy: &mut impl FnMut(u32, Entry)) -> Option<Read> {
        for _ in 0..TRIES {
            let index_word = self.index_word();
            let index = self.memory.index(self.number, index_word.extent())?;
            let seen = match self.read_bucket(index.first(probe), index_word, probe, key, copy) {
                Seen::Absent(true) => self.read_bucket(index.second(probe), index_word, probe, key, copy),
                seen => seen,
            };
            match seen {
                Seen::Here(read) => return Some(read),
                Seen::Absent(_) => return None,
                Seen::Changed => std::hint::spin_loop(),
            }
        }
        self.read_alone(probe, key, copy)
    }

    // Always: what it gives then stays in registers.
    #[inline(always)]
    fn read_bucket(
        &self,
        bucket: Bucket,
        index_word: IndexWord,
        probe: Probe,
        key: &[u8],
        copy: &mut impl FnMut(u32, Entry),
    ) -> Seen {
        // Acquire pairs with the Release of `count_change`.
        let before = bucket.sequence().load(Acquire);
        for nth in bucket.candidates(probe) {
            let slot = bucket.load(nth);
            if !slot.may_be(probe) {
                continue;
            }
            // Places and lengths that make no sense are hostile, or of an entry that has gone meanwhile.
            let Some(entry) = self.entry(slot.place()) else { continue };
            if entry.lengths.key_bytes != key.len() || !hold_bytes(entry.key(), key) {
                continue;
            }
            copy(slot.place(), entry);
            let (version, expires_ms) = (entry.version().load(Relaxed), entry.expires_ms().load(Relaxed));
            if self.has_changed(bucket, before, index_word) {
                return Seen::Changed;
            }
            let is_expired = is_expired(expires_ms);
            if !is_expired && !self.memory.is_read_only {
                if let Some(used) = slot.used_in(index_word.period()) {
                    // A hint: lost if the slot changes in this moment.
                    let _ = bucket.slots()[nth].compare_exchange(slot.0, used.0, Relaxed, Relaxed);
                }
            }
            return Seen::Here(Read { version, is_expired, expires_ms });
        }
        if self.has_changed(bucket, before, index_word) { Seen::Changed } else { Seen::Absent(before & SPILLED != 0) }
    }

    /// Whether what was read in the bucket, and of entries that its slots led to, may be of different moments.
    #[inline]
    pub(super) fn has_changed(&self, bucket: Bucket, before: u64, index_word: IndexWord) -> bool {
        // Pairs with the Release fence before memory is written again (`space`): who read one of those stores sees that
        // the bucket changed before, or the index.
        fence(Acquire);
        let now = self.words[INDEX].load(Relaxed);
        bucket.sequence().load(Relaxed) != before || IndexWord(now).extent() != index_word.extent()
    }

    fn raw_lock(&self) -> &'static RawLock {
        as_lock(&self.words[LOCK])
    }

    /// Takes the shard for writing, and puts right what a dead writer left.
    pub(super) fn lock(self) -> Result<Locked<'m>> {
        self.lock_within(LONGEST_WAIT)
    }

    /// As [`lock`](Shard::lock), for who does not want to wait so long.
    #[inline]
    pub(super) fn lock_within(self, longest_wait: Duration) -> Result<Locked<'m>> {
        let lock = self.raw_lock();
        let taken = match lock.lock_at_once() {
            Some(ticket) => Ok((ticket, LockedHow::Clean)),
            // Nobody gives it up; damaged bytes may say so.
            None => lock.lock_given_up_until(Instant::now() + longest_wait),
        };
        let (ticket, how) = taken.map_err(|why| self.not_locked(why))?;
        let locked = Locked { shard: self, ticket };
        if let LockedHow::Inconsistent(_) = how {
            locked.repair();
            lock.mark_consistent(ticket);
        }
        locked.adopt_extents();
        Ok(locked)
    }

    #[cold]
    fn not_locked(&self, why: NotLocked) -> Error {
        match why {
            NotLocked::NoSlot(error) => *error,
            NotLocked::TimedOut => {
                let owner = self.raw_lock().owner().and_then(|half| self.raw_lock().describe_owner(half));
                let who = owner.map_or("another process".into(), |(pid, program)| format!("process {pid} ({program})"));
                Error::new(ErrorKind::Busy, format!("cannot change the cache: {who} is at it and does not finish"))
                    .hint("it may be stopped: let it go on, or end it")
            }
            NotLocked::WouldDeadlock | NotLocked::WouldBlock | NotLocked::NotRecoverable => {
                Error::new(ErrorKind::Corrupt, "the cache is damaged: a lock word contradicts itself")
                    .hint("end the programs that use it and remove its segment")
            }
        }
    }
}

impl Locked<'_> {
    pub(super) fn word(&self, at: usize) -> &'static AtomicU64 {
        &self.shard.words[at]
    }

    /// Adds to a word that only holders of the lock write.
    pub(super) fn add(&self, at: usize, number: i64) {
        let word = self.word(at);
        word.store(word.load(Relaxed).wrapping_add_signed(number), Relaxed);
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shard.raw_lock().mark_inconsistent(self.ticket);
        }
        self.shard.raw_lock().unlock(self.ticket);
    }
}

/// A word as the lock that it is.
pub(super) fn as_lock(word: &'static AtomicU64) -> &'static RawLock {
    // SAFETY: `RawLock` is transparent over this type, and any bits are a value.
    unsafe { &*std::ptr::from_ref(word).cast::<RawLock>() }
}
