//! A record of the ring: a message, what is being written, or units that are passed over.
//!
//! ```text
//! 0      mark      who has it, and what it is
//! 8      length    bytes of the message (low half), how often it was handed out before (high half)
//! 16     the message
//! ```
//!
//! ```text
//!   EMPTY -> RESERVED -> READY -> TAKEN -> DONE          a unit's mark is EMPTY before it is the next record's
//!               |          ^        |
//!               v          '- RETURNED                   by who had it, or, when that is dead, by anybody
//!              SKIP
//! ```
//!
//! A sole sender goes from EMPTY to READY, because nobody else reserves; a sole receiver leaves READY and moves `next`,
//! because nobody else takes. So READY behind `next` is a message, and READY before it one that a sole receiver has.

use crate::lock::atomic::AtomicU64;

/// A ring is counted in units. Not in cache lines: records that share them cost fewer on their way.
pub(super) const UNIT_BYTES: u64 = 16;
pub(super) const HEADER_BYTES: u64 = 16;

/// Starts a record: its first unit.
#[repr(C)]
pub(super) struct Header {
    pub(super) mark: AtomicU64,
    pub(super) length: AtomicU64,
}

const _: () = assert!(size_of::<Header>() == HEADER_BYTES as usize && HEADER_BYTES == UNIT_BYTES);

/// What a record is: the low half of its mark. The high half is that of its owner's lock words while it is RESERVED or
/// TAKEN.
pub(super) mod is {
    pub(in super::super) const EMPTY: u32 = 0;
    pub(in super::super) const RESERVED: u32 = 1;
    pub(in super::super) const READY: u32 = 2;
    /// Nothing: given up, or the rest of the ring before its end.
    pub(in super::super) const SKIP: u32 = 3;
    pub(in super::super) const TAKEN: u32 = 4;
    pub(in super::super) const RETURNED: u32 = 5;
    pub(in super::super) const DONE: u32 = 6;
}

pub(super) const fn owned(what: u32, owner_half: u32) -> u64 {
    (owner_half as u64) << 32 | what as u64
}

pub(super) const fn what(mark: u64) -> u32 {
    mark as u32
}

pub(super) const fn owner_half(mark: u64) -> u32 {
    (mark >> 32) as u32
}

/// Bytes of the message, and how often it was handed out before, of a header's `length`.
pub(super) const fn bytes_and_deliveries(length: u64) -> (u64, u32) {
    (length & 0xffff_ffff, (length >> 32) as u32)
}

/// Units of a record with a message of so many bytes.
pub(super) const fn units_of(bytes: u64) -> u64 {
    (bytes + HEADER_BYTES).div_ceil(UNIT_BYTES)
}

/// Bytes for the length of a record that is to be passed over.
pub(super) const fn bytes_to_skip(units: u64) -> u64 {
    units * UNIT_BYTES - HEADER_BYTES
}
