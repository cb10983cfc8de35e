//! What a tool asks of a segment that it is no part of: by a description of its own that only reads and holds no lock.
//!
//! No file is mapped: one that is cut off meanwhile is a short read, not a signal. Opening neither waits (a FIFO, a
//! lease) nor follows a link. System V segments, which are no files, are attached to be read, and let go of at once.

#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use super::file::{self, Holder, lock_byte};
use super::sysv_call;

/// What stands behind a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Look {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
    pub(crate) links: u64,
    pub(crate) bytes: u64,
    /// Memory or disk behind it: holes take none.
    pub(crate) allocated_bytes: u64,
    pub(crate) is_regular: bool,
}

/// Who locks the life byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LifeByte {
    Nobody,
    Mapped,
    BeingRemoved,
}

/// Opens a file to read it.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Opens what a link of `/proc` stands for: the link is the system's own.
pub(crate) fn open_of_process(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

pub(crate) fn look(file: &File) -> io::Result<Look> {
    let stat = file.metadata()?;
    Ok(Look {
        device: stat.dev(),
        inode: stat.ino(),
        uid: stat.uid(),
        gid: stat.gid(),
        mode: stat.mode() & 0o7777,
        links: stat.nlink(),
        bytes: stat.size(),
        allocated_bytes: stat.blocks().saturating_mul(512),
        is_regular: stat.is_file(),
    })
}

/// One `pread(2)`; may be short.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(buffer, at)
}

pub(crate) fn life(file: &File) -> io::Result<LifeByte> {
    Ok(match file::holder(file, lock_byte::LIFE)? {
        Holder::Nobody => LifeByte::Nobody,
        Holder::Reader => LifeByte::Mapped,
        Holder::Writer => LifeByte::BeingRemoved,
    })
}

/// Whether the tenant of a slot lives, as far as its lock tells.
pub(crate) fn is_slot_held(file: &File, slot: u32) -> io::Result<bool> {
    file::is_write_locked(file, lock_byte::SLOT + i64::from(slot))
}

/// CLOCK_BOOTTIME in milliseconds.
pub(crate) fn boottime_ms() -> u64 {
    super::process::boottime_ns() / 1_000_000
}

/// Bytes of a System V segment, as far as there are any from `at` on. It is attached for that only, to be read; its
/// size never changes, so nobody can cut it off under us.
pub(crate) fn read_sysv(id: u32, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let (memory, shown) = sysv_call::attach(id as i32, false)?;
    let Some(left) = shown.bytes.checked_sub(at).filter(|left| *left > 0) else { return Ok(0) };
    let len = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    for (index, to) in buffer[..len].iter_mut().enumerate() {
        // SAFETY: `at + index` is below the segment's size, all of which is mapped.
        let address = unsafe { memory.base().add(at as usize + index) };
        // SAFETY: mapped readable, and a byte is aligned anywhere. Others write it with stores of other widths, so what
        // is loaded is of some moment, which is all that is promised; an atomic of one byte is never torn.
        *to = unsafe { address.cast::<AtomicU8>().as_ref() }.load(Relaxed);
    }
    Ok(len)
}

/// The size of a System V segment.
pub(crate) fn sysv_bytes(id: u32) -> io::Result<u64> {
    sysv_call::show(id as i32).map(|shown| shown.bytes)
}
