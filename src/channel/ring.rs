//! `Ring`: a queue's records as anybody reads them, whatever the bytes say.
//!
//! ```text
//!        head            next                 tail
//!  ...    | DONE | TAKEN  | READY | RESERVED   | EMPTY | anything ...      of so many units, a power of two
//! ```
//!
//! A position counts units from the queue's beginning and is never used again; the low bits are its place. A record
//! lies in one piece: where it would pass the ring's end, a SKIP fills the rest. Behind the last record there is always
//! a unit whose mark is EMPTY, written before the record can be seen: nobody takes old bytes for a record.
//!
//! Everything is distrusted, and positions wrap, although no queue of 600 years comes to that: each number is read
//! once, checked, then used. A place is masked, so it lies in the ring whatever a position says; a length must end
//! before the ring does; no walk is longer than the ring.

#![allow(unsafe_code)]

use std::ptr::NonNull;

use super::head::QueueHead;
use super::record::{HEADER_BYTES, Header, UNIT_BYTES, bytes_and_deliveries, bytes_to_skip, is, units_of, what};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::atomic::AtomicU64;
use crate::lock::atomic::Ordering::{Acquire, Relaxed};
use crate::lock::ranges;
use crate::lock::raw_lock::Asks;

/// The smallest ring: 1 KiB.
pub(super) const MIN_UNITS: u64 = 64;
/// Lengths are 32-bit numbers of bytes.
pub(super) const MAX_UNITS: u64 = (1 << 32) / UNIT_BYTES;

#[derive(Clone, Copy)]
pub(super) struct Ring {
    head: NonNull<QueueHead>,
    units: NonNull<u8>,
    mask: u64,
    /// For errors: such as "`jobs` of the segment ...".
    name: NonNull<str>,
}

impl Ring {
    /// # Safety
    /// A head, and at least `unit_count` units behind `units`, on a boundary of units: mapped, writable and reserved as
    /// long as the value or a copy is used; and as long the name lives. `unit_count` is a power of two.
    pub(super) unsafe fn new(head: &QueueHead, units: NonNull<u8>, unit_count: u64, name: &str) -> Ring {
        debug_assert!(unit_count.is_power_of_two() && units.addr().get() % UNIT_BYTES as usize == 0);
        Ring { head: NonNull::from(head), units, mask: unit_count - 1, name: NonNull::from(name) }
    }

    #[inline(always)]
    pub(super) fn head(&self) -> &QueueHead {
        // SAFETY: mapped as long as this is used, by `new`'s contract; all that changes in it is atomic.
        unsafe { self.head.as_ref() }
    }

    #[inline(always)]
    pub(super) fn unit_count(&self) -> u64 {
        self.mask + 1
    }

    /// The longest message for which there is always room once others are gone: also where a SKIP goes before it.
    pub(super) fn message_max_bytes(&self) -> u64 {
        self.unit_count() / 2 * UNIT_BYTES - HEADER_BYTES - UNIT_BYTES
    }

    /// Units from the position's place to the ring's end.
    #[inline(always)]
    pub(super) fn units_to_end(&self, position: u64) -> u64 {
        self.unit_count() - (position & self.mask)
    }

    #[inline(always)]
    fn at(&self, position: u64) -> NonNull<u8> {
        // SAFETY: masked, so inside the units.
        unsafe { self.units.add(((position & self.mask) * UNIT_BYTES) as usize) }
    }

    #[inline(always)]
    pub(super) fn header(&self, position: u64) -> &Header {
        // SAFETY: the first bytes of a unit, aligned; everybody uses them as atomics whenever they are a header, and
        // whoever is misled by damage reads some word of the ring.
        unsafe { self.at(position).cast::<Header>().as_ref() }
    }

    #[inline(always)]
    pub(super) fn mark(&self, position: u64) -> &AtomicU64 {
        &self.header(position).mark
    }

    /// Asks for the cache line there, to be written soon; no store, and nothing waits for it.
    #[inline(always)]
    pub(super) fn ask_for(&self, position: u64) {
        let place = self.at(position);
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: a hint that changes neither memory nor registers, of an address in the ring. Every processor that
        // Linux and Windows run on in 64 bits takes it, some as no operation.
        unsafe {
            std::arch::asm!("prefetchw [{}]", in(reg) place.as_ptr(), options(nostack, preserves_flags));
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = place;
    }

    /// Where the message of the record lies; the caller has checked its length.
    #[inline(always)]
    pub(super) fn message(&self, position: u64) -> NonNull<u8> {
        // SAFETY: behind the header; where there is nothing behind it, nothing is read or written.
        unsafe { self.at(position).add(HEADER_BYTES as usize) }
    }

    /// Bytes of the message there, and how often it was handed out before. Its mark was read with Acquire.
    #[inline]
    pub(super) fn length(&self, position: u64) -> Result<(u64, u32)> {
        let length = self.header(position).length.load(Relaxed);
        let (bytes, deliveries) = bytes_and_deliveries(length);
        if units_of(bytes) > self.units_to_end(position) {
            return Err(self.corrupt("a record is longer than the ring"));
        }
        Ok((bytes, deliveries))
    }

    /// Units of the record there.
    #[inline]
    pub(super) fn units(&self, position: u64) -> Result<u64> {
        self.length(position).map(|(bytes, _)| units_of(bytes))
    }

    /// Units from `head` to `tail`, about; 0 if receivers are past a `tail` that a killed sender left behind: the next
    /// sender finds where the records end.
    pub(super) fn used_units(&self) -> u64 {
        let head = self.head();
        let used = head.tail.load(Relaxed).wrapping_sub(head.head.load(Relaxed));
        if used > self.unit_count() { 0 } else { used }
    }

    /// Makes one record of those from `from` on, which nobody uses and which lie in one piece. Under `receiving`.
    pub(super) fn join(&self, from: u64, end: u64) {
        let units = end.wrapping_sub(from);
        // Killed before it: they stay several.
        if self.units(from).is_ok_and(|first| first < units) {
            self.header(from).length.store(bytes_to_skip(units), Relaxed);
        }
    }

    /// The first position from `from` on whose mark is EMPTY: behind the last record, although its sender was killed
    /// before it moved `tail`. Under `sending`.
    pub(super) fn end(&self, from: u64) -> Result<u64> {
        let mut position = from;
        // Acquire pairs with the Release of who wrote the record: with its mark comes its length.
        while what(self.mark(position).load(Acquire)) != is::EMPTY {
            position = position.wrapping_add(self.units(position)?);
            if position.wrapping_sub(from) > self.unit_count() {
                return Err(self.corrupt("its records have no end"));
            }
        }
        Ok(position)
    }

    /// Whether `owner_half`, which has the record there, is dead.
    pub(super) fn is_dead(&self, position: u64, owner_half: u32, mine: u32, asks: Asks) -> bool {
        let word = self.mark(position);
        // Another thread of this process lives as long as we do.
        owner_half != mine
            && match asks {
                Asks::UnlessMarked => false,
                Asks::UnlessJustAsked => ranges::is_dead_unless_just_asked(word, owner_half),
                Asks::Always => ranges::is_dead(word, owner_half, false),
            }
    }

    /// What people know the queue by.
    pub(super) fn name(&self) -> &str {
        // SAFETY: it lives as long as this is used, by `new`'s contract.
        unsafe { self.name.as_ref() }
    }

    #[cold]
    pub(super) fn corrupt(&self, why: &str) -> Error {
        Error::new(ErrorKind::Corrupt, format!("the queue {} is damaged: {why}", self.name()))
            .hint("end the programs that use it and make it anew")
    }
}
