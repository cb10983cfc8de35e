//! `Ring`: buffers that are written in turn, and one word that names the newest whole one.
//!
//! ```text
//! head: S --------------------+                  publish: lock -> stamp 2(S+1)+1 -> value -> stamp 2(S+1)
//!                             v                           -> head S+1 -> unlock -> ring the bell, if somebody listens
//! | S-2 | S-1 | ...  |  S  | (being written) |   load:    head -> copy buffer S mod k -> is its stamp still 2S?
//! ```
//!
//! Who publishes writes the oldest buffer, never the newest one: killed at any point before the head's store, it leaves
//! the old snapshot, whole, and the next one writes the same buffer anew. A load meets a writer only if k publishes
//! begin and end while it copies. Then the stamp tells, and it copies the newest one again.
//!
//! The head only grows, so no load gives an older snapshot than the one before it. All that a load reads is distrusted:
//! an index is masked, and a head that names a buffer of another publish without having grown meanwhile is damage.

#![allow(unsafe_code)]

use std::convert::Infallible;
use std::ptr::NonNull;
use std::time::Duration;

use super::stamp::Stamp;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use crate::lock::atomic::{AtomicU64, fence};
use crate::lock::{Locked, RawLock, Ticket};
use crate::sync::TryLockError;
use crate::sync::bell::Bell;
use crate::sync::patience::Patience;

/// What loads read first; nothing else lies in its cache lines.
#[repr(C, align(128))]
pub(super) struct Head {
    /// The number of the newest whole snapshot: how often was published.
    pub(super) sequence: AtomicU64,
}

/// What only participants touch: those who publish, and those who wait.
#[repr(C, align(128))]
pub(super) struct Writers {
    pub(super) lock: RawLock,
    pub(super) bell: Bell,
}

/// The greatest sequence: no program publishes so often, so one beyond it is damage.
pub(super) const LAST_SEQUENCE: u64 = u64::MAX >> 2;
/// A load is repeated so often at most.
const REPEATS_MAX: u32 = 1000;

/// Where the parts of a published value lie. Its makers vouch for the buffers: see [`Ring::new`].
#[derive(Clone, Copy)]
pub(super) struct Ring<'a> {
    head: &'a AtomicU64,
    writers: &'a Writers,
    first: NonNull<u8>,
    stride_bytes: usize,
    /// One less than their number, which is a power of two.
    mask: u64,
}

// SAFETY: all that it leads to is accessed atomically.
unsafe impl Send for Ring<'_> {}
// SAFETY: as above.
unsafe impl Sync for Ring<'_> {}

/// Which snapshot a load copied.
#[derive(Clone, Copy)]
pub(super) struct Loaded {
    pub(super) sequence: u64,
    pub(super) repeats: u32,
}

/// The lock of those who publish, held.
pub(super) struct Publishing<'a> {
    ring: &'a Ring<'a>,
    ticket: Ticket,
}

impl Head {
    pub(super) const fn new() -> Head {
        Head { sequence: AtomicU64::new(0) }
    }
}

impl Writers {
    pub(super) const fn new() -> Writers {
        Writers { lock: RawLock::new(), bell: Bell::new() }
    }
}

impl<'a> Ring<'a> {
    /// # Safety
    /// As long as `'a`, `buffers` times `stride_bytes` bytes are mapped from `first` on, each buffer aligned to 8 and
    /// beginning with a [`Stamp`], and all is accessed atomically. To load, the mapping need only be readable.
    #[inline(always)]
    pub(super) const unsafe fn new(
        head: &'a Head,
        writers: &'a Writers,
        first: NonNull<u8>,
        stride_bytes: usize,
        buffers: usize,
    ) -> Ring<'a> {
        debug_assert!(buffers.is_power_of_two() && buffers > 1);
        Ring { head: &head.sequence, writers, first, stride_bytes, mask: buffers as u64 - 1 }
    }

    /// The buffer of that publish, wherever a damaged `sequence` points.
    #[inline(always)]
    fn buffer(&self, sequence: u64) -> NonNull<u8> {
        // SAFETY: masked, so it is inside of the buffers.
        unsafe { self.first.add((sequence & self.mask) as usize * self.stride_bytes) }
    }

    #[inline(always)]
    fn stamp(&self, buffer: NonNull<u8>) -> &'a Stamp {
        // SAFETY: each buffer begins with one, says who made the ring; its fields are atomics.
        unsafe { buffer.cast::<Stamp>().as_ref() }
    }

    /// How often was published. One load.
    #[inline(always)]
    pub(super) fn sequence(&self) -> u64 {
        self.head.load(Relaxed)
    }

    /// The number of the newest snapshot, for a participant that has announced itself at the bell: SeqCst pairs with
    /// the store in `publish`, which then looks at the bell.
    pub(super) fn sequence_after_listening(&self) -> u64 {
        self.head.load(SeqCst)
    }

    pub(super) fn bell(&self) -> &'a Bell {
        &self.writers.bell
    }

    /// Has `copy` copy the newest snapshot out of its buffer; again if it was written over meanwhile. Stores nothing.
    ///
    /// `copy` may find a mixture, and must bear it: only what it copied last counts, and only if this gives no error.
    #[inline(always)]
    pub(super) fn load(&self, mut copy: impl FnMut(NonNull<u8>)) -> Result<Loaded> {
        let mut sequence = self.sequence();
        let mut repeats = 0;
        loop {
            // Relaxed loads and fences: what else an atomic load may be in read-only memory, the language leaves open.
            // Pairs with the store of the head in `publish`: what was written before it is seen.
            fence(Acquire);
            let buffer = self.buffer(sequence);
            copy(buffer);
            // Pairs with the Release fence in `Stamp::begin`: if any of a later publish was copied, its stamp is seen.
            fence(Acquire);
            if self.stamp(buffer).is_whole(sequence) {
                return Ok(Loaded { sequence, repeats });
            }
            sequence = newer(self.head, sequence, repeats)?;
            repeats += 1;
        }
    }

    /// The snapshots that are still whole, from the newest to the oldest, as `copy` gives them.
    pub(super) fn history<R>(&self, mut copy: impl FnMut(u64, &Stamp, NonNull<u8>) -> R) -> Vec<R> {
        let newest = self.sequence();
        fence(Acquire);
        let mut found = Vec::new();
        for age in 0..=self.mask {
            let Some(sequence) = newest.checked_sub(age) else { break };
            let buffer = self.buffer(sequence);
            let stamp = self.stamp(buffer);
            if stamp.sequence() != Some(sequence) {
                continue;
            }
            // As in `load`.
            fence(Acquire);
            let copy = copy(sequence, stamp, buffer);
            fence(Acquire);
            if stamp.is_whole(sequence) {
                found.push(copy);
            }
        }
        found
    }

    /// Takes the lock of those who publish; waits for them as long as it takes, or at most `timeout`.
    ///
    /// # Errors
    /// `TimedOut`, `WouldDeadlock`, or that the process cannot become a participant.
    #[inline(always)]
    pub(super) fn lock(&self, timeout: Option<Duration>) -> Result<Publishing<'_>> {
        let ticket = match self.writers.lock.lock_at_once() {
            Some(ticket) => ticket,
            None => lock_slowly(&self.writers.lock, timeout)?,
        };
        Ok(Publishing { ring: self, ticket })
    }
}

#[cold]
#[inline(never)]
fn lock_slowly(lock: &RawLock, timeout: Option<Duration>) -> Result<Ticket> {
    let patience = timeout.map_or(Patience::Endless, Patience::of);
    let locked = patience.lock_even_given_up(lock).map_err(TryLockError::<Infallible>::from);
    let (ticket, locked) = locked.map_err(Error::from)?;
    if let Locked::Inconsistent(_) = locked {
        // The dead one has left the newest snapshot as it was; what it began in the next buffer is written over.
        lock.mark_consistent(ticket);
    }
    Ok(ticket)
}

#[cfg(test)]
impl Ring<'_> {
    pub(super) fn head_for_tests(&self) -> *const u8 {
        std::ptr::from_ref(self.head).cast()
    }
}

impl Publishing<'_> {
    /// Refuses a child of a fork, which holds a copy of its parent's lock: in the middle of an `update` user code runs,
    /// which may fork.
    pub(super) fn is_still_ours(&self) -> Result<()> {
        if self.ticket.still_this_process() {
            return Ok(());
        }
        let why = "a child of a fork cannot end the update that its parent began";
        Err(Error::new(ErrorKind::Unsupported, why).hint("begin one of its own"))
    }

    /// Has `write` write the next snapshot into its buffer, and makes it the newest one. Gives its number.
    ///
    /// # Errors
    /// `Corrupt`: there is no next number.
    #[inline(always)]
    pub(super) fn publish(self, write: impl FnOnce(NonNull<u8>)) -> Result<u64> {
        let ring = self.ring;
        // Only who has the lock changes it.
        let newest = ring.sequence();
        if newest >= LAST_SEQUENCE {
            return Err(damaged(newest));
        }
        let sequence = newest + 1;
        let buffer = ring.buffer(sequence);
        let stamp = ring.stamp(buffer);
        stamp.begin(sequence, &ring.writers.lock, self.ticket);
        write(buffer);
        stamp.finish(sequence);
        // Killed before this store: the newest snapshot is the old one, and the next one publishes under this number.
        // Release, for `load`. SeqCst pairs with who listens and then looks at the head: see `Bell`.
        ring.head.store(sequence, SeqCst);
        // Killed before it: the next one finds this one dead. What was published stays published.
        drop(self);
        // Killed before it: who sleeps looks again within 0.1 s.
        ring.bell().ring_all();
        Ok(sequence)
    }
}

impl Drop for Publishing<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.ring.writers.lock.unlock(self.ticket);
    }
}

/// The head, after a copy of the snapshot `before` was found to be written over.
#[cold]
#[inline(never)]
fn newer(head: &AtomicU64, before: u64, repeats: u32) -> Result<u64> {
    // Pairs with the Release store of the stamp in `Stamp::begin`.
    fence(Acquire);
    let sequence = head.load(Relaxed);
    // Who wrote over `before` had seen the head go on, and so do we, by the fences.
    if sequence <= before {
        return Err(damaged(sequence));
    }
    if repeats >= REPEATS_MAX {
        let why = "during each of 1,000 copies of a published value, all of its buffers were published anew";
        return Err(Error::new(ErrorKind::Busy, why).hint("publish less often, or with more buffers"));
    }
    Ok(sequence)
}

#[cold]
fn damaged(sequence: u64) -> Error {
    let what = format!("a published value is damaged: it names publish {sequence}, and no buffer holds that one whole");
    Error::new(ErrorKind::Corrupt, what).hint("publish anew, or end the programs that use it and remove its segment")
}
