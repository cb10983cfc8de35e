//! `QueueHead`: what the processes of a queue share besides its ring, each part on cache lines of its own.
//!
//! ```text
//! 0     delivery, unit, message_max_bytes  written once, before anybody else sees it
//! 128   sending  tail                      changed by who holds `sending`
//! 256   receiving  next  returned          changed by who holds `receiving`; `returned` by anybody
//! 384   head                               likewise; read by senders that find no room
//! 512   committed                          receivers sleep here
//! 640   freed                              senders sleep here
//! ```
//!
//! `head <= next <= tail + what a killed sender left unsaid`; all three count units of the ring and never go back.
//! Whoever reads one distrusts it (`ring.rs`). 128 bytes apart, because processors fetch lines in pairs.

#![allow(unsafe_code)]

use std::mem::offset_of;

use super::doorbell::Doorbell;
use super::record::UNIT_BYTES;
use crate::lock::RawLock;
use crate::lock::atomic::{AtomicU32, AtomicU64};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// The head of a queue's area, as it lies in shared memory.
#[repr(C, align(128))]
pub(super) struct QueueHead {
    /// 1 at most once, 2 at least once.
    pub(super) delivery: AtomicU32,
    /// Bytes that the ring is counted in.
    pub(super) unit_bytes: AtomicU32,
    /// Of one message; told to people, and never believed.
    pub(super) message_max_bytes: AtomicU64,
    _to_128: [u64; 14],
    /// Held while a record is reserved; by a sole sender as long as it lives.
    pub(super) sending: RawLock,
    /// The unit behind the last record that was reserved.
    pub(super) tail: AtomicU64,
    _to_256: [u64; 14],
    /// Held while a record is taken; by a sole receiver as long as it lives.
    pub(super) receiving: RawLock,
    /// The first record that nobody has taken yet.
    pub(super) next: AtomicU64,
    /// So many messages came back, about: a hint.
    pub(super) returned: AtomicU32,
    _unused_too: u32,
    _to_384: [u64; 13],
    /// The first record whose memory is still used.
    pub(super) head: AtomicU64,
    _to_512: [u64; 15],
    pub(super) committed: Doorbell,
    _to_640: [u64; 15],
    pub(super) freed: Doorbell,
    _to_768: [u64; 15],
}

pub(super) const HEAD_BYTES: usize = 768;

const _: () = assert!(size_of::<QueueHead>() == HEAD_BYTES);
const _: () = assert!(offset_of!(QueueHead, sending) == 128 && offset_of!(QueueHead, tail) == 136);
const _: () = assert!(offset_of!(QueueHead, receiving) == 256 && offset_of!(QueueHead, next) == 264);
const _: () = assert!(offset_of!(QueueHead, returned) == 272 && offset_of!(QueueHead, head) == 384);
const _: () = assert!(offset_of!(QueueHead, committed) == 512 && offset_of!(QueueHead, freed) == 640);

impl QueueHead {
    pub(super) const fn new(delivery: u32, message_max_bytes: u64) -> QueueHead {
        QueueHead {
            delivery: AtomicU32::new(delivery),
            unit_bytes: AtomicU32::new(UNIT_BYTES as u32),
            message_max_bytes: AtomicU64::new(message_max_bytes),
            _to_128: [0; 14],
            sending: RawLock::new(),
            tail: AtomicU64::new(0),
            _to_256: [0; 14],
            receiving: RawLock::new(),
            next: AtomicU64::new(0),
            returned: AtomicU32::new(0),
            _unused_too: 0,
            _to_384: [0; 13],
            head: AtomicU64::new(0),
            _to_512: [0; 15],
            committed: Doorbell::new(),
            _to_640: [0; 15],
            freed: Doorbell::new(),
            _to_768: [0; 15],
        }
    }
}

const fn part(name: &'static str, at: usize, schema: &'static Schema) -> Part {
    Part { name, at: at as u64, doc: "", schema: Some(schema) }
}

// SAFETY: atomics, and lock words that bear the death of their owners; the rest is never read.
unsafe impl ProcessSync for QueueHead {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Queue",
        Kind::Queue,
        &[
            part("delivery", offset_of!(Self, delivery), u32::SCHEMA),
            part("unit_bytes", offset_of!(Self, unit_bytes), u32::SCHEMA),
            part("message_max_bytes", offset_of!(Self, message_max_bytes), u64::SCHEMA),
            part("sending", offset_of!(Self, sending), u64::SCHEMA),
            part("tail", offset_of!(Self, tail), u64::SCHEMA),
            part("receiving", offset_of!(Self, receiving), u64::SCHEMA),
            part("next", offset_of!(Self, next), u64::SCHEMA),
            part("returned", offset_of!(Self, returned), u32::SCHEMA),
            part("head", offset_of!(Self, head), u64::SCHEMA),
            part("committed", offset_of!(Self, committed), u32::SCHEMA),
            part("freed", offset_of!(Self, freed), u32::SCHEMA),
        ],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}
