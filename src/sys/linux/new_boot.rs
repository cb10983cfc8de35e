//! A segment in a file after a fall of the machine: no lock of the run before may name a tenant of this one.
//!
//! The disk has some of the pages as they were last, and some as they were before: a lock word may name a tenancy that
//! the participant's entry has not counted yet. The next tenant of the slot would have that name, and the lock an owner
//! who lives and never unlocks. So the first who comes to take a slot, in another run of the machine, raises all
//! generations by a step of chance before, and has that written to the disk. Killed on the way: the next one does it
//! again. Readers may have come earlier: they have no slots.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::os::unix::fs::FileExt;

use super::file::{self, LockKind, lock_byte};
use super::process;
use super::slot::MAX_GENERATION;
use crate::segment::header::{HEADER_BYTES, Header, PARTICIPANT_BYTES};

/// Tenancies that may be lost on the way to the disk; the step is at least as large, and at most twice.
const STEP: u32 = 256;

/// This run of the machine; 0 where the system does not tell.
pub(super) fn this_boot() -> u64 {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    // A random UUID: its digits, folded into 64 bits.
    let digits = id.chars().filter_map(|digit| digit.to_digit(16));
    digits.fold(0, |folded: u64, digit| folded.rotate_left(4) ^ u64::from(digit))
}

/// Whether the slots of the segment with this header were last taken in another run of the machine.
fn is_another(header: &Header) -> bool {
    let now = this_boot();
    now != 0 && header.boot != now
}

/// Makes sure that slots of this run of the machine may be taken. `header` was read before, `locks` is the name of the
/// file of locks in `folder`. `false`: another one is at it. The caller holds a read lock on the life byte, so nobody
/// removes the segment.
pub(super) fn has_begun(file: &File, header: &Header, folder: &File, locks: &CStr) -> io::Result<bool> {
    if !is_another(header) {
        return Ok(true);
    }
    // One at a time. Everybody who takes a slot comes by here first: that nobody has done it means that nobody has one.
    let flags = libc::O_RDWR | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let locks = file::open_at(Some(folder), locks, flags, 0)?;
    if !file::try_lock(&locks, LockKind::Write, lock_byte::GROW)? {
        return Ok(false);
    }
    let mut boot = [0; 8];
    file.read_exact_at(&mut boot, offset_of!(Header, boot) as u64)?;
    if u64::from_ne_bytes(boot) != this_boot() {
        raise_generations(file, header)?;
    }
    Ok(true)
}

/// The caller holds the write lock on the growth byte, and nobody has a slot.
fn raise_generations(file: &File, header: &Header) -> io::Result<()> {
    let chance = process::random()?;
    let step = STEP + (u32::from(chance[0]) | u32::from(chance[1]) << 8) % STEP;
    let reserved = header.participants_reserved.min(header.participants_max);
    for slot in 0..u64::from(reserved) {
        let at = HEADER_BYTES as u64 + slot * u64::from(PARTICIPANT_BYTES);
        let mut generation = [0; 4];
        file.read_exact_at(&mut generation, at)?;
        let raised = u32::from_ne_bytes(generation).saturating_add(step).min(MAX_GENERATION);
        file.write_all_at(&raised.to_ne_bytes(), at)?;
    }
    file.sync_data()?;
    file.write_all_at(&this_boot().to_ne_bytes(), offset_of!(Header, boot) as u64)?;
    file.sync_data()
}
