//! What this kernel and this file system can do, found by doing it: for tools that say why sharing fails.
//!
//! Nothing stays: memory is unmapped, files have no name, or lose it at once.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::file::{self, LockKind, lock_byte};
use super::mapping::{Mapping, page_bytes};
use super::{futex, memfd, process};

/// A feature and how trying it went.
pub(crate) struct Tried {
    pub(crate) name: &'static str,
    pub(crate) result: io::Result<()>,
}

/// What does not depend on a file system.
pub(crate) fn kernel() -> Vec<Tried> {
    vec![
        Tried { name: "wipe-on-fork", result: Mapping::wiped_on_fork(page_bytes()).map(drop) },
        Tried { name: "futex-wake-op", result: futex_wake_op() },
        Tried { name: "robust-list", result: robust_list() },
        Tried { name: "memfd-seals", result: memfd_seals() },
        Tried { name: "memfd-noexec-seal", result: memfd_noexec_seal() },
        Tried { name: "populate-write", result: populate_write() },
        Tried { name: "pid-descriptors", result: pid_descriptors() },
    ]
}

/// What depends on the file system of `folder`, which must be one that this user may write.
pub(crate) fn file_system(folder: &Path) -> Vec<Tried> {
    let unnamed = File::open(folder).and_then(|folder| Ok((file::create_unnamed(&folder, 0o600)?, folder)));
    let (unnamed, folder) = match unnamed {
        Ok(made) => made,
        Err(cause) => return vec![Tried { name: "unnamed-files", result: Err(cause) }],
    };
    vec![
        Tried { name: "reserve", result: file::reserve(&unnamed, 0, page_bytes() as u64) },
        Tried { name: "description-locks", result: description_locks(&unnamed) },
        Tried { name: "unnamed-files", result: link_and_unlink(&unnamed, &folder) },
    ]
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn link_and_unlink(unnamed: &File, folder: &File) -> io::Result<()> {
    // As a segment in the making is called: whoever finds it, if we are killed here, removes it.
    let name = file::c_string(format!(".new-{:016x}", u128::from_le_bytes(process::random()?) as u64).as_bytes())?;
    file::link_unnamed(unnamed, folder, &name)?;
    file::unlink_at(folder, &name)
}

fn description_locks(unnamed: &File) -> io::Result<()> {
    if !file::try_lock(unnamed, LockKind::Write, lock_byte::LIFE)? {
        return Err(io::Error::other("a new file is locked by somebody else"));
    }
    let again = File::open(format!("/proc/self/fd/{}", unnamed.as_raw_fd()))?;
    if file::is_write_locked(&again, lock_byte::LIFE)? {
        return Ok(());
    }
    Err(io::Error::other("a lock is not seen by others"))
}

/// FUTEX_WAKE_OP ([`futex(2)`](https://man7.org/linux/man-pages/man2/futex.2.html)) on a word that nobody waits for.
#[doc(alias = "FUTEX_WAKE_OP")]
fn futex_wake_op() -> io::Result<()> {
    let word = AtomicU64::new(1);
    let low = futex::low_half(&word);
    // Operation SET, argument 0; comparison EQ, argument 0.
    const SET_ZERO: u32 = 0;
    // SAFETY: both addresses are those of a word of ours.
    check(unsafe { libc::syscall(libc::SYS_futex, low, libc::FUTEX_WAKE_OP, 1, 0_usize, low, SET_ZERO) })?;
    if word.load(Relaxed) as u32 == 0 { Ok(()) } else { Err(io::Error::other("it did not clear the word")) }
}

/// Whether the C library has told the kernel of a list for this thread
/// ([`get_robust_list(2)`](https://man7.org/linux/man-pages/man2/get_robust_list.2.html)).
#[doc(alias = "get_robust_list")]
fn robust_list() -> io::Result<()> {
    let mut head: *mut libc::c_void = null_mut();
    let mut bytes = 0_usize;
    // SAFETY: both are ours to be written.
    check(unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut bytes) })?;
    if head.is_null() { Err(io::Error::other("the C library has registered none")) } else { Ok(()) }
}

fn memfd_seals() -> io::Result<()> {
    memfd::seal(&memfd::new(c"cotenant-doctor")?)
}

/// F_SEAL_EXEC, Linux 6.3.
fn memfd_noexec_seal() -> io::Result<()> {
    const MFD_NOEXEC_SEAL: libc::c_uint = 0x0008;
    // SAFETY: a C string.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_create, c"cotenant-doctor".as_ptr(), MFD_NOEXEC_SEAL) };
    let fd = check(fd)? as i32;
    // SAFETY: just made, and nobody else knows it.
    check(unsafe { libc::close(fd) }.into()).map(drop)
}

fn populate_write() -> io::Result<()> {
    const MADV_POPULATE_WRITE: i32 = 23;
    let page = Mapping::wiped_on_fork(page_bytes())?;
    // SAFETY: a mapping of ours; it is written to as if by us.
    check(unsafe { libc::madvise(page.base().as_ptr().cast(), page.bytes(), MADV_POPULATE_WRITE) }.into()).map(drop)
}

fn pid_descriptors() -> io::Result<()> {
    // SAFETY: no pointer.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, process::pid(), 0) })? as i32;
    // SAFETY: just made, and nobody else knows it.
    check(unsafe { libc::close(fd) }.into()).map(drop)
}
