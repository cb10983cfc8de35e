//! The calls of System V shared memory, and what the system says of a segment.
//!
//! Safe wrappers; each says which C call it is. A segment has a key, which programs agree on (0: none), and an id,
//! which the system gives. It is the memory of whoever attached it, and of the system itself: unlike a file's name, it
//! takes memory until somebody removes it.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr::{NonNull, null, null_mut};
use std::sync::atomic::{AtomicU64, Ordering::Acquire};

use libc::c_int;

use super::mapping::Mapping;
use crate::segment::header::HEADER_BYTES;

/// What `ipcs -m` shows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) id: i32,
    /// Who owns it. The maker may give it to anybody.
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Who made it.
    pub(super) creator_uid: u32,
    pub(super) mode: u32,
    pub(super) bytes: u64,
    pub(super) creator_pid: u32,
    pub(super) attached: u64,
    pub(super) created_unix_s: i64,
}

fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The key of a file and a number, as [`ftok(3)`](https://man7.org/linux/man-pages/man3/ftok.3.html) makes it: the low
/// bits of the number, the device and the inode. Two files can have one key.
#[doc(alias = "ftok")]
pub(super) fn key_of_file(path: &Path, number: u8) -> io::Result<i32> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path)?;
    let key = (file.ino() & 0xffff) as u32 | ((file.dev() & 0xff) as u32) << 16 | u32::from(number) << 24;
    Ok(key as i32)
}

/// Makes a segment ([`shmget(2)`](https://man7.org/linux/man-pages/man2/shmget.2.html)); EEXIST if the key is taken.
#[doc(alias = "shmget")]
pub(super) fn make(key: i32, bytes: usize, mode: u32) -> io::Result<i32> {
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | (mode & 0o666) as c_int;
    // SAFETY: no pointer.
    check(unsafe { libc::shmget(key, bytes, flags) })
}

/// The id of the segment with that key.
pub(super) fn find(key: i32) -> io::Result<i32> {
    // SAFETY: no pointer.
    check(unsafe { libc::shmget(key, 0, 0) })
}

/// Attaches a segment anywhere ([`shmat(2)`](https://man7.org/linux/man-pages/man2/shmat.2.html)), and gives what the
/// system says of it. Unmapping detaches it, and children of a fork are attached too.
///
/// Asked in this order, because an id that was asked about may be another, smaller segment's before it is attached; one
/// that is attached stays what it is.
#[doc(alias = "shmat")]
pub(super) fn attach(id: i32, writable: bool) -> io::Result<(Mapping, Shown)> {
    let flags = if writable { 0 } else { libc::SHM_RDONLY };
    // SAFETY: no address is asked for, so no memory in use is replaced.
    let base = unsafe { libc::shmat(id, null(), flags) };
    if base as isize == -1 {
        return Err(io::Error::last_os_error());
    }
    let detach = |cause: io::Error| {
        // SAFETY: attached above, and nobody else knows of it.
        unsafe { libc::shmdt(base) };
        cause
    };
    let shown = show(id).map_err(detach)?;
    let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
    let bytes = usize::try_from(shown.bytes).unwrap_or(usize::MAX);
    // SAFETY: just attached, known to nobody else, and of this size: it is never another segment while it is attached.
    let memory = unsafe { Mapping::adopt(base, bytes.next_multiple_of(super::mapping::page_bytes())) };
    Ok((memory, shown))
}

/// Removes a segment as soon as nobody is attached, its key at once (IPC_RMID of
/// [`shmctl(2)`](https://man7.org/linux/man-pages/man2/shmctl.2.html)).
#[doc(alias = "IPC_RMID")]
pub(super) fn remove(id: i32) -> io::Result<()> {
    // SAFETY: this command takes no pointer.
    check(unsafe { libc::shmctl(id, libc::IPC_RMID, null_mut()) }).map(drop)
}

/// What the system knows of a segment (IPC_STAT of
/// [`shmctl(2)`](https://man7.org/linux/man-pages/man2/shmctl.2.html)). EACCES: it belongs to others; EINVAL, EIDRM: it
/// is gone.
#[doc(alias = "IPC_STAT")]
fn stat(id: i32) -> io::Result<libc::shmid_ds> {
    let mut stat = MaybeUninit::<libc::shmid_ds>::zeroed();
    // SAFETY: the buffer is of the call's own type.
    check(unsafe { libc::shmctl(id, libc::IPC_STAT, stat.as_mut_ptr()) })?;
    // SAFETY: filled, and all integers.
    Ok(unsafe { stat.assume_init() })
}

/// As `ipcs -m -i ID` shows it.
pub(super) fn show(id: i32) -> io::Result<Shown> {
    let stat = stat(id)?;
    #[allow(clippy::unnecessary_cast)] // Other widths on other targets.
    Ok(Shown {
        id,
        uid: stat.shm_perm.uid,
        gid: stat.shm_perm.gid,
        creator_uid: stat.shm_perm.cuid,
        mode: stat.shm_perm.mode as u32 & 0o777,
        bytes: stat.shm_segsz as u64,
        creator_pid: stat.shm_cpid as u32,
        attached: stat.shm_nattch as u64,
        created_unix_s: stat.shm_ctime as i64,
    })
}

/// Gives a segment of this process to a group (IPC_SET).
#[doc(alias = "IPC_SET")]
pub(super) fn set_group(id: i32, gid: u32) -> io::Result<()> {
    let mut stat = stat(id)?;
    stat.shm_perm.gid = gid;
    // SAFETY: the buffer is of the call's own type.
    check(unsafe { libc::shmctl(id, libc::IPC_SET, &raw mut stat) }).map(drop)
}

/// The segment with that key, as everybody may see it in `/proc/sysvipc/shm`, also those of other users.
pub(super) fn show_by_key(key: i32) -> Option<Shown> {
    shown_in(&std::fs::read_to_string("/proc/sysvipc/shm").ok()?, key)
}

fn shown_in(table: &str, key: i32) -> Option<Shown> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        (fields.first()?.parse() == Ok(key)).then_some(())?;
        Some(Shown {
            id: fields.get(1)?.parse().ok()?,
            bytes: fields.get(3)?.parse().ok()?,
            creator_pid: fields.get(4)?.parse().ok()?,
            attached: fields.get(6)?.parse().ok()?,
            uid: fields.get(7)?.parse().ok()?,
            gid: fields.get(8)?.parse().ok()?,
            creator_uid: fields.get(9)?.parse().ok()?,
            mode: u32::from_str_radix(fields.get(2)?, 8).ok()? & 0o777,
            created_unix_s: fields.get(13)?.parse().ok()?,
        })
    })
}

/// How many segments there are, of everybody.
pub(super) fn count() -> Option<usize> {
    Some(std::fs::read_to_string("/proc/sysvipc/shm").ok()?.lines().count().saturating_sub(1))
}

/// One of the system's limits, `/proc/sys/kernel/NAME`.
pub(super) fn limit(name: &str) -> Option<u64> {
    std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?.trim().parse().ok()
}

/// Copies bytes of an attached segment, which others may be writing, in words of eight; what lies behind its end, and
/// what is not a whole word, stays as it was.
pub(super) fn copy(memory: &Mapping, at: usize, to: &mut [u8]) {
    assert!(at % 8 == 0, "word at {at}");
    let words = memory.bytes().saturating_sub(at) / 8;
    for (number, to) in to.chunks_exact_mut(8).enumerate().take(words) {
        // SAFETY: inside the mapping: `words` counts those behind `at`.
        let address = unsafe { memory.base().add(at + number * 8) };
        // SAFETY: aligned (a page's start plus multiples of 8), mapped readable, and only loaded from.
        let word = unsafe { address.cast::<AtomicU64>().as_ref() };
        // Acquire pairs with the Release of `anonymous::write_header`: what follows the magic is whole.
        to.copy_from_slice(&word.load(Acquire).to_ne_bytes());
    }
}

/// A copy of the first page. A magic that is there is all there: it is written last.
pub(super) fn first_page(memory: &Mapping) -> [u8; HEADER_BYTES] {
    let mut page = [0_u8; HEADER_BYTES];
    copy(memory, 0, &mut page);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_a_file_is_what_the_c_library_makes() {
        for (path, number) in [("/", 1), ("/proc", 255), ("/dev/shm", 77)] {
            let name = std::ffi::CString::new(path).expect("no zero");
            // SAFETY: a C string.
            let expected = unsafe { libc::ftok(name.as_ptr(), c_int::from(number)) };
            assert_eq!(key_of_file(Path::new(path), number).expect("it exists"), expected, "{path} {number}");
        }
    }

    #[test]
    fn attached_memory_is_as_large_as_the_system_says_of_it() {
        let page = super::super::mapping::page_bytes();
        let id = make(0, 3 * page - 1, 0o600).expect("a segment");
        let attached = attach(id, true);
        remove(id).expect("removing it");
        let (memory, shown) = attached.expect("it was there");
        assert_eq!((memory.bytes(), shown.bytes, shown.attached), (3 * page, 3 * page as u64 - 1, 1));
        assert_eq!((shown.id, shown.creator_uid, shown.mode), (id, shown.uid, 0o600));
        drop(memory);
        assert!(attach(id, false).is_err(), "it went with its only user");
    }

    #[test]
    fn line_of_the_table_is_read_by_its_columns() {
        let table = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      \
                     atime      dtime      ctime                   rss                  swap\n 1094861636         98   \
                     600                  8192   413   414      2  1000  1001     0     0 1700000001 1700000002 \
                     1700000003                     0                     0\n";
        let shown = Shown {
            id: 98,
            uid: 1000,
            gid: 1001,
            creator_uid: 0,
            mode: 0o600,
            bytes: 8192,
            creator_pid: 413,
            attached: 2,
            created_unix_s: 1_700_000_003,
        };
        assert_eq!(shown_in(table, 1_094_861_636), Some(shown));
        assert_eq!(shown_in(table, 98), None);
    }
}
