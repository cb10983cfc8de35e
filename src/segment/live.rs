//! The words of a mapped segment that change while it is in use.
//!
//! All are atomics at fixed offsets of the mapping; what is read is a hint or is checked by the reader. A value of
//! `Live` says only where the mapping lies: who keeps it keeps the mapping beside it.

#![allow(unsafe_code)]

use std::mem::offset_of;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::events::{EVENT_BYTES, Place};
use super::header::{
    ASKED_AT, BITMAP_AT, BITMAP_WORDS, HEADER_BYTES, Header, PARTICIPANT_BYTES, PARTICIPANT_DEATHS_AT,
};

/// One participant's entry: who holds the slot. Written by the slot's tenant after it has the slot's lock.
///
/// A tenant killed between two stores leaves a mixed entry; the next tenant writes it anew, and readers take it for
/// what it is: information for people, except `generation`, which is one word.
#[repr(C)]
pub(crate) struct Participant {
    /// Counts the tenants; the lock word names an owner by slot and generation.
    pub(crate) generation: AtomicU32,
    /// As the tenant sees itself; 0 = the slot is free.
    pub(crate) pid: AtomicU32,
    /// CLOCK_BOOTTIME at attach: a process with this id that started later is another one.
    pub(crate) attached_boottime_ns: AtomicU64,
    /// Inode of the tenant's PID namespace: process ids of another one mean nothing here.
    pub(crate) pid_namespace: AtomicU64,
    /// The program's name, cut to 24 bytes.
    pub(crate) program: [AtomicU64; 3],
    pub(crate) uid: AtomicU32,
    /// Since when one of its threads sleeps for a lock: the low half of CLOCK_BOOTTIME in milliseconds.
    pub(crate) waits_since_ms: AtomicU32,
    /// For which lock: its offset in the segment; 0 = none.
    pub(crate) waits_for_at: AtomicU64,
}

const _: () = assert!(size_of::<Participant>() == PARTICIPANT_BYTES as usize);

impl Participant {
    /// Stores a program's name, cut to fit.
    pub(crate) fn set_program(&self, name: &[u8]) {
        for (i, word) in self.program.iter().enumerate() {
            let mut bytes = [0_u8; 8];
            for (to, from) in bytes.iter_mut().zip(name.iter().skip(i * 8)) {
                *to = *from;
            }
            word.store(u64::from_le_bytes(bytes), Relaxed);
        }
    }

    /// The program's name, with what cannot be printed replaced.
    pub(crate) fn program(&self) -> String {
        let mut bytes = [0_u8; 24];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(&self.program) {
            chunk.copy_from_slice(&word.load(Relaxed).to_le_bytes());
        }
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
    }
}

/// A mapped header with the participants behind it.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    base: NonNull<u8>,
    participants_max: u32,
    /// Where the ring of events lies, and how many it holds; none for who only reads.
    events: Option<(usize, u32)>,
}

// SAFETY: all access goes through atomics.
unsafe impl Send for Live {}
// SAFETY: as above.
unsafe impl Sync for Live {}

impl Live {
    /// Bytes that must be mapped for `participants_max` participants.
    pub(crate) const fn mapped_bytes(participants_max: u32) -> usize {
        HEADER_BYTES + participants_max as usize * PARTICIPANT_BYTES as usize
    }

    /// Bytes that must be mapped for what this header says is there.
    #[allow(dead_code)] // Where nothing is shared.
    pub(crate) fn mapped_bytes_of(header: &Header) -> usize {
        let events = u64::from(header.events_max) * u64::from(EVENT_BYTES);
        let events_end = header.events_at.saturating_add(events);
        Live::mapped_bytes(header.participants_max).max(usize::try_from(events_end).unwrap_or(usize::MAX))
    }

    /// Without events.
    ///
    /// # Safety
    /// `base` is page-aligned and the start of a shared mapping of [`Live::mapped_bytes`] readable and writable bytes
    /// that is never unmapped while the value or a copy of it is used. (Pages behind the file's reserved part may
    /// fault; only reserved participants are touched.)
    pub(crate) unsafe fn new(base: NonNull<u8>, participants_max: u32) -> Live {
        Live { base, participants_max, events: None }
    }

    /// With the events that the header speaks of, if there are any.
    ///
    /// # Safety
    /// As for [`new`](Live::new), of [`Live::mapped_bytes_of`] bytes; the header was checked.
    #[allow(dead_code)] // Where nothing is shared.
    pub(crate) unsafe fn with_events(base: NonNull<u8>, header: &Header) -> Live {
        let events = (header.events_at != 0).then_some((header.events_at as usize, header.events_max));
        Live { base, participants_max: header.participants_max, events }
    }

    /// The ring of events, and the number of the next one.
    pub(crate) fn events(&self) -> Option<(&[Place], &AtomicU64)> {
        let (at, count) = self.events?;
        // SAFETY: inside the mapping that `with_events` was promised.
        let first = unsafe { self.base.add(at) };
        // SAFETY: as many places lie there, aligned (`Header::check`), all atomics, mapped as long as `self` lives.
        let places = unsafe { std::slice::from_raw_parts(first.cast::<Place>().as_ptr(), count as usize) };
        Some((places, self.word64(offset_of!(Header, event_next))))
    }

    fn word64(&self, at: usize) -> &AtomicU64 {
        debug_assert!(at % 8 == 0 && at < HEADER_BYTES);
        // SAFETY: `at` is a constant offset inside the header page, which `new` was promised.
        let address = unsafe { self.base.add(at) };
        // SAFETY: aligned (page base plus a multiple of 8), mapped for as long as `self` lives, only ever atomics.
        unsafe { address.cast::<AtomicU64>().as_ref() }
    }

    fn word32(&self, at: usize) -> &AtomicU32 {
        debug_assert!(at % 4 == 0 && at < HEADER_BYTES);
        // SAFETY: as in `word64`.
        let address = unsafe { self.base.add(at) };
        // SAFETY: as in `word64`.
        unsafe { address.cast::<AtomicU32>().as_ref() }
    }

    pub(crate) fn data_bytes(&self) -> &AtomicU64 {
        self.word64(offset_of!(Header, data_bytes))
    }

    /// The commit word of growth.
    pub(crate) fn object_count(&self) -> &AtomicU32 {
        self.word32(offset_of!(Header, object_count))
    }

    pub(crate) fn participants_reserved(&self) -> &AtomicU32 {
        self.word32(offset_of!(Header, participants_reserved))
    }

    pub(crate) fn deaths(&self) -> &AtomicU64 {
        self.word64(offset_of!(Header, deaths))
    }

    /// How many participants were found dead.
    pub(crate) fn participant_deaths(&self) -> &AtomicU64 {
        self.word64(PARTICIPANT_DEATHS_AT)
    }

    /// In which run of the machine the slots were last taken.
    pub(crate) fn boot(&self) -> &AtomicU64 {
        self.word64(offset_of!(Header, boot))
    }

    /// Counts removals of objects.
    #[allow(dead_code)]
    pub(crate) fn removals(&self) -> &AtomicU64 {
        self.word64(offset_of!(Header, removals))
    }

    /// The first byte of the segment.
    #[allow(dead_code)]
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    #[allow(dead_code)] // Linux alone needs the hint.
    pub(crate) fn bitmap(&self, word: usize) -> &AtomicU64 {
        assert!(word < BITMAP_WORDS, "slot bitmap word {word} does not exist");
        self.word64(BITMAP_AT + word * 8)
    }

    /// When somebody last asked whether an owner lives: `sys::crowd`.
    pub(crate) fn asked(&self, word: u8) -> &AtomicU64 {
        self.word64(ASKED_AT + usize::from(word) * 8)
    }

    pub(crate) fn participants_max(&self) -> u32 {
        self.participants_max
    }

    /// The entry of `slot` (1 to the maximum); `None` for a number that is no slot or whose memory is not reserved.
    pub(crate) fn participant(&self, slot: u32) -> Option<&Participant> {
        if slot == 0 || slot > self.participants_max || slot > self.participants_reserved().load(Relaxed) {
            return None;
        }
        let at = HEADER_BYTES + (slot as usize - 1) * PARTICIPANT_BYTES as usize;
        // SAFETY: inside the mapping that `new` was promised, since `slot <= participants_max`.
        let address = unsafe { self.base.add(at) };
        // SAFETY: 64-byte entries behind a page-aligned header are aligned; the type is all atomics.
        Some(unsafe { address.cast::<Participant>().as_ref() })
    }
}
