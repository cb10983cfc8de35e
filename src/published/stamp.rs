//! `Stamp`: the head of each buffer: whose snapshot lies in it, whether it is whole, and who published it.
//!
//! ```text
//!  0        8           16         24     28      32        56
//!  | stamp  | publisher | unix_ns  | pid  | unused | program | value ...
//!    2 S + 1: publish S is being written     2 S: it is whole
//! ```
//!
//! Everything behind the stamp is written between the two states of the stamp, as the value is.

use std::cell::Cell;
use std::mem::offset_of;
use std::time::{Duration, SystemTime};

use crate::lock::atomic::Ordering::{Relaxed, Release};
use crate::lock::atomic::{AtomicU32, AtomicU64, fence};
use crate::lock::{RawLock, Ticket, owner};
use crate::process_sync::ProcessSync;
use crate::schema::Part;
use crate::sys::process;

/// The head of a buffer, on 8 bytes.
#[repr(C)]
pub(super) struct Stamp {
    stamp: AtomicU64,
    /// Slot, generation and thread, as a lock word has them.
    publisher: AtomicU64,
    /// When, in nanoseconds since 1970; 0: it is the initial value.
    unix_ns: AtomicU64,
    pid: AtomicU32,
    unused: u32,
    /// The program's name, cut to 24 bytes.
    program: [AtomicU64; 3],
}

/// Bytes of a [`Stamp`].
pub(super) const STAMP_BYTES: usize = 56;

const _: () = assert!(size_of::<Stamp>() == STAMP_BYTES && align_of::<Stamp>() == 8);
const _: () = assert!(offset_of!(Stamp, unix_ns) == 16 && offset_of!(Stamp, program) == 32);

/// The fields of a buffer in front of its value, as schemas have them.
pub(super) const STAMP_PARTS: [Part; 5] = [
    Part { name: "stamp", at: offset_of!(Stamp, stamp) as u64, doc: "", schema: Some(u64::SCHEMA) },
    Part { name: "publisher", at: offset_of!(Stamp, publisher) as u64, doc: "", schema: Some(u64::SCHEMA) },
    Part { name: "unix_ns", at: offset_of!(Stamp, unix_ns) as u64, doc: "", schema: Some(u64::SCHEMA) },
    Part { name: "pid", at: offset_of!(Stamp, pid) as u64, doc: "", schema: Some(u32::SCHEMA) },
    Part { name: "program", at: offset_of!(Stamp, program) as u64, doc: "", schema: Some(<[u8; 24]>::SCHEMA) },
];

/// Who published a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Publisher {
    /// Its process id, as it sees itself.
    pub pid: u32,
    /// Its program's name, cut to 15 bytes; empty where none is known (memory of no segment).
    pub program: String,
    /// Its slot among the participants of the segment; 0: memory of no segment.
    pub slot: u32,
    /// The how-manieth tenant of the slot.
    pub generation: u32,
    /// Its thread, in its own PID namespace.
    pub thread_id: u32,
}

/// What this thread writes into its stamps, as long as it is of the process that looked it up.
struct Myself {
    /// One more than [`owner::current_epoch`], which a child of a fork has another one of; 0: not looked up.
    epoch: Cell<u64>,
    pid: Cell<u32>,
    program: [Cell<u64>; 3],
}

thread_local! {
    static MYSELF: Myself =
        const { Myself { epoch: Cell::new(0), pid: Cell::new(0), program: [const { Cell::new(0) }; 3] } };
}

impl Stamp {
    pub(super) const fn new() -> Stamp {
        Stamp {
            stamp: AtomicU64::new(0),
            publisher: AtomicU64::new(0),
            unix_ns: AtomicU64::new(0),
            pid: AtomicU32::new(0),
            unused: 0,
            program: [const { AtomicU64::new(0) }; 3],
        }
    }

    /// Says that `sequence` is being written, then who writes it. The value follows.
    #[inline(always)]
    pub(super) fn begin(&self, sequence: u64, lock: &RawLock, ticket: Ticket) {
        // Release pairs with the fence in `newer`: who sees this stamp sees the head that was published before it.
        self.stamp.store(being_written(sequence), Release);
        // Pairs with the Acquire fence in `Ring::load`: who sees any of what follows sees the stamp, too.
        fence(Release);
        self.publisher.store(ticket.word(), Relaxed);
        self.unix_ns.store(process::unix_ns_coarse(), Relaxed);
        MYSELF.with(|myself| {
            if myself.epoch.get() != u64::from(owner::current_epoch()) + 1 {
                myself.look_up(lock, ticket);
            }
            self.pid.store(myself.pid.get(), Relaxed);
            for (to, from) in self.program.iter().zip(&myself.program) {
                to.store(from.get(), Relaxed);
            }
        });
    }

    /// Says that `sequence` is whole. Release pairs with the Acquire fence after [`is_whole`](Stamp::is_whole).
    #[inline(always)]
    pub(super) fn finish(&self, sequence: u64) {
        self.stamp.store(whole(sequence), Release);
    }

    /// Whether `sequence` lies here, whole. An Acquire fence before it: all that was copied before is of `sequence`
    /// then.
    #[inline(always)]
    pub(super) fn is_whole(&self, sequence: u64) -> bool {
        self.stamp.load(Relaxed) == whole(sequence)
    }

    /// Which publish lies here, if one does, whole. Followed by an Acquire fence and a copy, then by
    /// [`is_whole`](Stamp::is_whole).
    pub(super) fn sequence(&self) -> Option<u64> {
        let stamp = self.stamp.load(Relaxed);
        (stamp % 2 == 0).then_some(stamp / 2)
    }

    /// When it was published; `None`: it is the initial value.
    pub(super) fn published_at(&self) -> Option<SystemTime> {
        let unix_ns = self.unix_ns.load(Relaxed);
        (unix_ns != 0).then(|| SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(unix_ns))).flatten()
    }

    /// Who published it; `None`: it is the initial value.
    pub(super) fn publisher(&self) -> Option<Publisher> {
        let word = self.publisher.load(Relaxed);
        let mut program = [0; 24];
        for (to, from) in program.chunks_exact_mut(8).zip(&self.program) {
            to.copy_from_slice(&from.load(Relaxed).to_le_bytes());
        }
        (word != 0).then(|| Publisher {
            pid: self.pid.load(Relaxed),
            program: printable_name(&program),
            slot: (word >> 52) as u32,
            generation: (word >> 33) as u32 & 0x7_ffff,
            thread_id: word as u32 & 0x3fff_ffff,
        })
    }
}

const fn whole(sequence: u64) -> u64 {
    sequence.wrapping_mul(2)
}

const fn being_written(sequence: u64) -> u64 {
    whole(sequence) | 1
}

impl Myself {
    #[cold]
    fn look_up(&self, lock: &RawLock, ticket: Ticket) {
        let of_this_process = || (std::process::id(), String::new());
        let (pid, name) = lock.describe_owner(ticket.owner_half()).unwrap_or_else(of_this_process);
        for (at, to) in self.program.iter().enumerate() {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(name.bytes().skip(at * 8)) {
                *to = from;
            }
            to.set(u64::from_le_bytes(word));
        }
        self.pid.set(pid);
        self.epoch.set(u64::from(owner::current_epoch()) + 1);
    }
}

/// A zero-filled name, with what cannot be printed replaced.
fn printable_name(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
