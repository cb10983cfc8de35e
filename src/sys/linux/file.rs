//! Files by descriptor: unnamed creation, linking into place, reservation, open-file-description locks.
//!
//! Safe wrappers; each says which C call it is. A descriptor is a `std::fs::File`, closed on drop, close-on-exec.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd};

use libc::c_int;

use super::file_system;

/// Byte offsets that hold no data: locks on them mean something.
pub(crate) mod lock_byte {
    /// Read-locked by everybody who maps the data; who can write-lock it knows that nobody does.
    pub(crate) const LIFE: i64 = 1 << 40;
    /// Write-locked by the one who makes the segment grow.
    pub(crate) const GROW: i64 = LIFE + 1;
    /// Write-locked by the one who takes the name from a segment that is in use.
    pub(crate) const UNLINK: i64 = LIFE + 2;
    /// Plus the slot's number: write-locked while the slot's tenant lives.
    pub(crate) const SLOT: i64 = LIFE + 4096;
}

/// What is reserved at once when signals come in between.
const MOST_PIECE_BYTES: u64 = 16 << 20;
const LEAST_PIECE_BYTES: u64 = 64 << 10;

/// What stands at a path or behind a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stat {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) links: u64,
    pub(crate) bytes: u64,
    /// Memory, or disk, behind it: holes take none.
    pub(crate) allocated_bytes: u64,
}

impl Stat {
    pub(crate) fn is_regular(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }

    pub(crate) fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// Whether both are the same file.
    pub(crate) fn same_file(&self, other: &Stat) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    fn from_libc(stat: &libc::stat) -> Stat {
        Stat {
            device: stat.st_dev,
            inode: stat.st_ino,
            mode: stat.st_mode,
            uid: stat.st_uid,
            gid: stat.st_gid,
            #[allow(clippy::unnecessary_cast)] // 32 bits wide on some targets.
            links: stat.st_nlink as u64,
            bytes: stat.st_size as u64,
            allocated_bytes: (stat.st_blocks as u64).saturating_mul(512),
        }
    }
}

fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Turns a path or name into what C wants.
pub(crate) fn c_string(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a name contains a zero byte"))
}

/// [`openat(2)`](https://man7.org/linux/man-pages/man2/open.2.html), always close-on-exec. Whether a link at the
/// end of the path is followed is the caller's `O_NOFOLLOW`.
#[doc(alias = "openat")]
pub(crate) fn open_at(folder: Option<&File>, name: &CStr, flags: c_int, mode: u32) -> io::Result<File> {
    let folder = folder.map_or(libc::AT_FDCWD, AsRawFd::as_raw_fd);
    // SAFETY: `name` is a C string; the call has no other pointer.
    let fd = check(unsafe { libc::openat(folder, name.as_ptr(), flags | libc::O_CLOEXEC, mode) })?;
    // SAFETY: the call just made this descriptor and nobody else knows it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// [`fstat(2)`](https://man7.org/linux/man-pages/man2/fstat.2.html).
#[doc(alias = "fstat")]
pub(crate) fn stat(file: &File) -> io::Result<Stat> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the buffer is as large as the call wants.
    check(unsafe { libc::fstat(file.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: the call succeeded and has filled it.
    Ok(Stat::from_libc(unsafe { stat.assume_init_ref() }))
}

/// [`fstatat(2)`](https://man7.org/linux/man-pages/man2/fstat.2.html) without following a link.
#[doc(alias = "fstatat")]
pub(crate) fn stat_at(folder: &File, name: &CStr) -> io::Result<Stat> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: `name` is a C string and the buffer is as large as the call wants.
    check(unsafe { libc::fstatat(folder.as_raw_fd(), name.as_ptr(), stat.as_mut_ptr(), flags) })?;
    // SAFETY: the call succeeded and has filled it.
    Ok(Stat::from_libc(unsafe { stat.assume_init_ref() }))
}

/// A file without a name in `folder` ([`O_TMPFILE`](https://man7.org/linux/man-pages/man2/open.2.html)).
#[doc(alias = "O_TMPFILE")]
pub(crate) fn create_unnamed(folder: &File, mode: u32) -> io::Result<File> {
    open_at(Some(folder), c".", libc::O_TMPFILE | libc::O_RDWR, mode)
}

/// Gives an unnamed file its name ([`linkat(2)`](https://man7.org/linux/man-pages/man2/link.2.html)); EEXIST when the
/// name is taken. By descriptor, and where the kernel keeps that for root (before 6.10) by way of `/proc`.
#[doc(alias = "linkat")]
pub(crate) fn link_unnamed(file: &File, folder: &File, name: &CStr) -> io::Result<()> {
    let to = folder.as_raw_fd();
    let empty = libc::AT_EMPTY_PATH;
    // SAFETY: both are C strings.
    match check(unsafe { libc::linkat(file.as_raw_fd(), c"".as_ptr(), to, name.as_ptr(), empty) }) {
        Err(cause) if matches!(cause.raw_os_error(), Some(libc::ENOENT | libc::EPERM)) => {
            let from = c_string(format!("/proc/self/fd/{}", file.as_raw_fd()).as_bytes())?;
            let follow = libc::AT_SYMLINK_FOLLOW;
            // SAFETY: both are C strings.
            check(unsafe { libc::linkat(libc::AT_FDCWD, from.as_ptr(), to, name.as_ptr(), follow) }).map(drop)
        }
        other => other.map(drop),
    }
}

/// [`renameat2(2)`](https://man7.org/linux/man-pages/man2/rename.2.html) that fails with EEXIST when `to` is taken.
#[doc(alias = "renameat2")]
pub(crate) fn rename_new(folder: &File, from: &CStr, to: &CStr) -> io::Result<()> {
    let fd = folder.as_raw_fd();
    // SAFETY: both names are C strings. (By number: not every C library has the function.)
    let result =
        unsafe { libc::syscall(libc::SYS_renameat2, fd, from.as_ptr(), fd, to.as_ptr(), libc::RENAME_NOREPLACE) };
    check(result as c_int).map(drop)
}

/// [`unlinkat(2)`](https://man7.org/linux/man-pages/man2/unlink.2.html).
#[doc(alias = "unlinkat")]
pub(crate) fn unlink_at(folder: &File, name: &CStr) -> io::Result<()> {
    // SAFETY: `name` is a C string.
    check(unsafe { libc::unlinkat(folder.as_raw_fd(), name.as_ptr(), 0) }).map(drop)
}

/// [`mkdirat(2)`](https://man7.org/linux/man-pages/man2/mkdir.2.html).
#[doc(alias = "mkdir")]
pub(crate) fn make_folder(path: &CStr, mode: u32) -> io::Result<()> {
    // SAFETY: `path` is a C string.
    check(unsafe { libc::mkdir(path.as_ptr(), mode) }).map(drop)
}

/// [`fchmod(2)`](https://man7.org/linux/man-pages/man2/chmod.2.html): the mode as it was asked for, whatever the umask.
#[doc(alias = "fchmod")]
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    // SAFETY: no pointer.
    check(unsafe { libc::fchmod(file.as_raw_fd(), mode) }).map(drop)
}

/// [`fchown(2)`](https://man7.org/linux/man-pages/man2/chown.2.html) of the group alone.
#[doc(alias = "fchown")]
pub(crate) fn set_group(file: &File, gid: u32) -> io::Result<()> {
    // SAFETY: no pointer.
    check(unsafe { libc::fchown(file.as_raw_fd(), u32::MAX, gid) }).map(drop)
}

/// The size in bytes that this process's files may have
/// ([`RLIMIT_FSIZE`](https://man7.org/linux/man-pages/man2/getrlimit.2.html)).
#[doc(alias = "getrlimit")]
pub(crate) fn size_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the structure is the call's own type; should the call fail, it stays as it is.
    unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) };
    limit.rlim_cur
}

/// Sets the size, then reserves the memory behind `bytes` at `at`
/// ([`fallocate(2)`](https://man7.org/linux/man-pages/man2/fallocate.2.html)), so that a later access cannot meet a
/// full file system. RLIMIT_FSIZE is looked at first: exceeding it would raise a signal.
///
/// Not posix_fallocate(3): where the file system has no such call, that writes zeros to bytes which it has read as
/// zeros, over what others write meanwhile.
#[doc(alias = "fallocate")]
pub(crate) fn reserve(file: &File, at: u64, bytes: u64) -> io::Result<()> {
    if at.saturating_add(bytes) > size_limit() {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    // At first all of it: either it is all there, or nothing was taken.
    let (mut at, mut left, mut piece) = (at, bytes, bytes);
    while left > 0 {
        let now = piece.min(left);
        // SAFETY: no pointer.
        match check(unsafe { libc::fallocate(file.as_raw_fd(), 0, at as i64, now as i64) }) {
            Ok(_) => (at, left) = (at + now, left - now),
            // A signal has undone it. Under a timer (a profiler) it would never be done at once: in smaller pieces.
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {
                piece = (piece / 2).clamp(LEAST_PIECE_BYTES, MOST_PIECE_BYTES);
            }
            Err(cause) if cause.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                let what = format!("its file system ({}) cannot set memory aside", file_system::name(file));
                return Err(io::Error::new(io::ErrorKind::Unsupported, what));
            }
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}

/// Gives the memory of a range back, which reads as zeros from then on.
#[doc(alias = "FALLOC_FL_PUNCH_HOLE")]
pub(crate) fn punch_hole(file: &File, at: u64, bytes: u64) -> io::Result<()> {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: no pointer.
    check(unsafe { libc::fallocate(file.as_raw_fd(), mode, at as i64, bytes as i64) }).map(drop)
}

/// Writes `bytes` bytes from `address` at `at` ([`pwrite(2)`](https://man7.org/linux/man-pages/man2/pwrite.2.html)).
///
/// # Safety
/// `address` points to `bytes` mapped bytes. They may be any bytes, padding included: the kernel copies them.
#[doc(alias = "pwrite")]
pub(crate) unsafe fn write_from(file: &File, address: *const u8, bytes: usize, at: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes {
        let rest = address.wrapping_add(done).cast::<libc::c_void>();
        // SAFETY: the caller promises the bytes; `done` stays below `bytes`.
        let written = unsafe { libc::pwrite(file.as_raw_fd(), rest, bytes - done, (at + done as u64) as i64) };
        match written {
            -1 => {
                let cause = io::Error::last_os_error();
                if cause.kind() != io::ErrorKind::Interrupted {
                    return Err(cause);
                }
            }
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => done += written as usize,
        }
    }
    Ok(())
}

/// Which lock is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockKind {
    Read,
    Write,
}

fn flock(kind: LockKind, byte: i64) -> libc::flock {
    // SAFETY: a C structure of integers, for which zero is a value; F_OFD_ commands want `l_pid` to be zero.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = match kind {
        LockKind::Read => libc::F_RDLCK,
        LockKind::Write => libc::F_WRLCK,
    } as i16;
    lock.l_whence = libc::SEEK_SET as i16;
    lock.l_start = byte;
    lock.l_len = 1;
    lock
}

/// Takes an open-file-description lock on one byte without waiting
/// ([`F_OFD_SETLK`](https://man7.org/linux/man-pages/man2/fcntl_locking.2.html)); `false` if somebody else has it.
#[doc(alias = "F_OFD_SETLK")]
pub(crate) fn try_lock(file: &File, kind: LockKind, byte: i64) -> io::Result<bool> {
    let lock = flock(kind, byte);
    // SAFETY: the structure is the call's own type.
    match check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) }) {
        Ok(_) => Ok(true),
        Err(cause) if matches!(cause.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Who holds a lock.
pub(crate) enum Holder {
    Nobody,
    Reader,
    Writer,
}

/// Who, but this description, locks the byte; one of them, if there are several.
pub(crate) fn holder(file: &File, byte: i64) -> io::Result<Holder> {
    let mut lock = flock(LockKind::Write, byte);
    // SAFETY: the structure is the call's own type.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) })?;
    Ok(match c_int::from(lock.l_type) {
        libc::F_UNLCK => Holder::Nobody,
        libc::F_RDLCK => Holder::Reader,
        _ => Holder::Writer,
    })
}

/// Whether anybody but this description holds any lock on `byte` or behind it.
pub(crate) fn is_locked_from(file: &File, byte: i64) -> io::Result<bool> {
    let mut lock = flock(LockKind::Write, byte);
    lock.l_len = 0;
    // SAFETY: the structure is the call's own type.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) })?;
    Ok(lock.l_type != libc::F_UNLCK as i16)
}

/// Takes the lock of a whole file or folder without waiting, until the description is closed; `false` if somebody else
/// has it ([`flock(2)`](https://man7.org/linux/man-pages/man2/flock.2.html): who can only read can have it, too).
#[doc(alias = "flock")]
pub(crate) fn try_lock_whole(file: &File) -> io::Result<bool> {
    // SAFETY: no pointer.
    match check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }) {
        Ok(_) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Whether anybody but this description write-locks the byte
/// ([`F_OFD_GETLK`](https://man7.org/linux/man-pages/man2/fcntl_locking.2.html) for a read lock, which meets only
/// write locks: a reader that read-locks everything must not make the dead look alive).
#[doc(alias = "F_OFD_GETLK")]
pub(crate) fn is_write_locked(file: &File, byte: i64) -> io::Result<bool> {
    let mut lock = flock(LockKind::Read, byte);
    // SAFETY: the structure is the call's own type.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) })?;
    Ok(lock.l_type != libc::F_UNLCK as i16)
}
