//! Pipes and FIFOs: [`pipe(7)`](https://man7.org/linux/man-pages/man7/pipe.7.html).

#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use super::process;
use crate::channel::{Opened, PipeReader, PipeWriter};

/// So many bytes the system writes in one piece, or not at all.
pub(crate) const ATOMIC_BYTES: usize = libc::PIPE_BUF;
/// Why there are no FIFOs.
pub(crate) const NO_FIFOS: Option<&str> = None;

/// Both ends of a new pipe, the reading one first. They are closed by exec.
#[doc(alias = "pipe2")]
pub(crate) fn pipe() -> io::Result<(File, File)> {
    let mut ends = [-1; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else's.
    Ok(ends.map(|end| unsafe { File::from_raw_fd(end) }).into())
}

/// What keeps a FIFO's name: nothing of this process.
#[derive(Debug)]
pub(crate) struct Name;

/// What the handles on one writing end share: nothing here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn;

/// Makes a FIFO with these permission bits, whatever the mask is.
#[doc(alias = "mkfifo")]
pub(crate) fn make_fifo(path: &Path, mode: u32) -> io::Result<Name> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a text that ends with 0.
    if unsafe { libc::mkfifo(name.as_ptr(), 0o600) } != 0 {
        return Err(io::Error::last_os_error());
    }
    set_mode(path, mode).map(|()| Name).inspect_err(|_| {
        // Half made it is of no use to anybody, and keeps the name.
        if is_fifo(path).is_ok_and(|it| it) {
            let _ = unlink_fifo(path);
        }
    })
}

/// Not by the name: whoever may write its folder could have put a link to another file there.
#[doc(alias = "fchmod")]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC);
    let it = options.open(path)?;
    let about = it.metadata()?;
    if !about.file_type().is_fifo() || about.uid() != process::effective_uid() {
        return Err(io::Error::other("somebody put something else in its place at once"));
    }
    if about.mode() & 0o7777 == mode {
        return Ok(());
    }
    change_mode(&it, mode)
}

/// Of what a descriptor of O_PATH leads to. Linux 6.6 has a call for that; before it takes /proc.
#[doc(alias = "fchmodat2")]
fn change_mode(it: &File, mode: u32) -> io::Result<()> {
    /// `SYS_fchmodat2`, on every machine.
    const FCHMODAT2: libc::c_long = 452;
    let (descriptor, flags) = (it.as_raw_fd(), libc::AT_EMPTY_PATH);
    // SAFETY: a text that ends with 0.
    if unsafe { libc::syscall(FCHMODAT2, descriptor, c"".as_ptr(), mode, flags) } == 0 {
        return Ok(());
    }
    let by_descriptor = format!("/proc/self/fd/{descriptor}");
    std::fs::set_permissions(by_descriptor, std::fs::Permissions::from_mode(mode)).map_err(|error| {
        let why = "the mode of a FIFO cannot be changed safely without /proc before Linux 6.6";
        if error.kind() == io::ErrorKind::NotFound { io::Error::new(io::ErrorKind::Unsupported, why) } else { error }
    })
}

pub(crate) fn unlink_fifo(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

/// Opens the reading end of a FIFO without waiting for a writer.
pub(crate) fn open_reader(path: &Path) -> io::Result<Opened<ReadEnd>> {
    Ok(open_fifo(path, false)?.map(|file| ReadEnd { file, waits_for_writer: true }))
}

/// Opens the writing end of a FIFO, if somebody reads (`ENXIO`: nobody does).
pub(crate) fn open_writer(path: &Path) -> io::Result<Opened<File>> {
    open_fifo(path, true)
}

/// The reading end of a pipe or a FIFO.
#[derive(Debug)]
pub(crate) struct ReadEnd {
    file: File,
    /// Until somebody has written, a FIFO seems to be at its end.
    waits_for_writer: bool,
}

impl ReadEnd {
    pub(crate) fn of_pipe(file: File) -> ReadEnd {
        ReadEnd { file, waits_for_writer: false }
    }

    pub(crate) fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        set_nonblocking(&self.file, on)
    }

    /// Waits for bytes, or the end of the stream. `false`: not within `timeout`.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        wait(&self.file, false, timeout)
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8], is_nonblocking: bool) -> io::Result<usize> {
        if self.waits_for_writer && !buffer.is_empty() {
            // A FIFO that no writer has opened yet is not readable, although a read would give 0.
            let timeout = is_nonblocking.then_some(Duration::ZERO);
            while !self.wait(timeout)? {
                if is_nonblocking {
                    return Err(io::Error::from_raw_os_error(libc::EAGAIN));
                }
            }
            self.waits_for_writer = false;
        }
        self.file.read(buffer)
    }
}

/// Opens an end of a FIFO without waiting for the other one.
fn open_fifo(path: &Path, writes: bool) -> io::Result<Opened<File>> {
    let mut options = File::options();
    options.read(!writes).write(writes).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOFOLLOW);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) => {
            // A link gives ELOOP, a socket ENXIO as a FIFO without readers does.
            let about = std::fs::symlink_metadata(path).ok();
            if about.as_ref().is_some_and(|about| !about.file_type().is_fifo()) {
                return Ok(Opened::NoFifo);
            }
            // Whoever laid it there may never read it: it is told at once, not after a wait.
            let whose = about.and_then(|about| planted_by(path, about.uid()).ok()?);
            return whose.map_or(Err(error), |whose| Ok(Opened::Planted(whose)));
        }
    };
    let about = file.metadata()?;
    if !about.file_type().is_fifo() {
        return Ok(Opened::NoFifo);
    }
    if let Some(whose) = planted_by(path, about.uid())? {
        return Ok(Opened::Planted(whose));
    }
    set_nonblocking(&file, false)?;
    Ok(Opened::End(file))
}

/// Who has laid a FIFO of this owner there, if it is none that this user may trust: in a folder that everybody may
/// write, such as /tmp, another user can have taken the name first. That is the rule of the kernel's
/// [`fs.protected_fifos`](https://docs.kernel.org/admin-guide/sysctl/fs.html), for those who open without O_CREAT, too.
fn planted_by(path: &Path, owner: u32) -> io::Result<Option<String>> {
    if owner == process::effective_uid() || owner == 0 {
        return Ok(None);
    }
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let about = std::fs::metadata(folder)?;
    let is_theirs = about.mode() & 0o002 == 0 || about.uid() == owner;
    Ok((!is_theirs).then(|| format!("user {owner}, and everybody may write the folder {}", folder.display())))
}

/// The error of a process that may not open more files.
pub(crate) const TOO_MANY_FILES: i32 = libc::EMFILE;
/// Why there is no end to write, where [`has_no_reader`].
pub(crate) const NO_READER: &str = "nobody reads it";

/// Whether nobody has the FIFO open for reading.
pub(crate) fn has_no_reader(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENXIO)
}

pub(crate) fn is_fifo(path: &Path) -> io::Result<bool> {
    Ok(std::fs::symlink_metadata(path)?.file_type().is_fifo())
}

pub(crate) fn set_nonblocking(file: &File, on: bool) -> io::Result<()> {
    // SAFETY: no pointer.
    let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
    if flags == -1 {
        return Err(io::Error::last_os_error());
    }
    let wanted = if on { flags | libc::O_NONBLOCK } else { flags & !libc::O_NONBLOCK };
    // SAFETY: no pointer.
    if wanted != flags && unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, wanted) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// How many writes of [`ATOMIC_BYTES`] there is room for, at most; `None`: nobody knows.
///
/// # Errors
/// `BrokenPipe`: nobody reads.
#[doc(alias = "F_GETPIPE_SZ")]
#[doc(alias = "FIONREAD")]
pub(crate) fn room(file: &File) -> io::Result<Option<usize>> {
    let mut asked = libc::pollfd { fd: file.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: one entry.
    if unsafe { libc::poll(&raw mut asked, 1, 0) } > 0 && asked.revents & libc::POLLERR != 0 {
        return Err(io::Error::from_raw_os_error(libc::EPIPE));
    }
    // SAFETY: no pointer.
    let capacity = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETPIPE_SZ) };
    let mut unread: libc::c_int = 0;
    // SAFETY: a place for one number.
    let is_known = unsafe { libc::ioctl(file.as_raw_fd(), libc::FIONREAD, &raw mut unread) } == 0;
    let (Ok(capacity), Ok(unread), true) = (usize::try_from(capacity), usize::try_from(unread), is_known) else {
        return Ok(None);
    };
    Ok(Some((capacity / ATOMIC_BYTES).saturating_sub(unread.div_ceil(ATOMIC_BYTES))))
}

/// Writes; waits for room unless the end was made non-blocking, which the system knows.
pub(crate) fn write(mut file: &File, _turn: &Turn, bytes: &[u8], _is_nonblocking: bool) -> io::Result<usize> {
    file.write(bytes)
}

/// Writes without waiting, whoever else writes: up to [`ATOMIC_BYTES`] whole, or `WouldBlock`.
#[doc(alias = "pwritev2")]
pub(crate) fn write_now(file: &File, _turn: &Turn, bytes: &[u8]) -> io::Result<usize> {
    let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: one part, which is read only. -1: no offset, as of a write.
    match unsafe { libc::pwritev2(file.as_raw_fd(), &raw const part, 1, -1, libc::RWF_NOWAIT) } {
        -1 if !knows_nowait(&io::Error::last_os_error()) => write_now_anew(file, bytes),
        -1 => Err(io::Error::last_os_error()),
        written => Ok(written as usize),
    }
}

/// Pipes do since Linux 6.5.
fn knows_nowait(error: &io::Error) -> bool {
    !matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL))
}

/// Through a description of its own, which does not block: that of `file` may be shared with others who do.
fn write_now_anew(file: &File, bytes: &[u8]) -> io::Result<usize> {
    let mut options = File::options();
    options.write(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC);
    let mut anew = options.open(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(|error| {
        // Nobody reads any more.
        if has_no_reader(&error) { io::Error::from_raw_os_error(libc::EPIPE) } else { error }
    })?;
    anew.write(bytes)
}

/// Waits until a read, or a write of [`ATOMIC_BYTES`], would not block (also because the other side is gone). `false`:
/// not within `timeout`.
#[doc(alias = "poll")]
fn wait(file: &File, writes: bool, timeout: Option<Duration>) -> io::Result<bool> {
    let events = if writes { libc::POLLOUT } else { libc::POLLIN };
    let mut asked = libc::pollfd { fd: file.as_raw_fd(), events, revents: 0 };
    // Rounded up, so that nobody asks again and again in the last millisecond.
    let ms = timeout.map_or(-1, |it| it.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i32);
    // SAFETY: one entry.
    match unsafe { libc::poll(&raw mut asked, 1, ms) } {
        -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => Ok(false),
        -1 => Err(io::Error::last_os_error()),
        found => Ok(found > 0),
    }
}

/// The pipe that this descriptor is, opened to be written (`writes`) or read.
///
/// # Safety
/// The caller gives the descriptor away if this succeeds.
pub unsafe fn pipe_end(descriptor: isize, writes: bool) -> io::Result<OwnedFd> {
    let number = i32::try_from(descriptor).ok().filter(|number| *number >= 0);
    let Some(number) = number else { return Err(io::Error::from_raw_os_error(libc::EBADF)) };
    // SAFETY: all zero is valid: numbers.
    let mut about: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: room for one answer.
    if unsafe { libc::fstat(number, &raw mut about) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if about.st_mode & libc::S_IFMT != libc::S_IFIFO {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("descriptor {number} is no pipe")));
    }
    // SAFETY: any number may be asked about.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    let (other, what) = if writes { (libc::O_RDONLY, "written") } else { (libc::O_WRONLY, "read") };
    if flags & libc::O_ACCMODE == other {
        let why = format!("descriptor {number} is the end of a pipe that is not {what}; take the other one");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    // SAFETY: open, and given to us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Waits until a write of [`ATOMIC_BYTES`] would not block. `false`: not within `timeout`.
pub(crate) fn wait_for_room(file: &File, timeout: Option<Duration>) -> io::Result<bool> {
    wait(file, true, timeout)
}

macro_rules! descriptor {
    ($end:ident, $file:ident, $into_file:expr) => {
        impl AsFd for $end {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.$file().as_fd()
            }
        }

        impl From<$end> for OwnedFd {
            fn from(end: $end) -> OwnedFd {
                $into_file(end).into()
            }
        }

        /// Takes over an inherited descriptor.
        impl From<OwnedFd> for $end {
            fn from(descriptor: OwnedFd) -> $end {
                $end::from_file(descriptor.into())
            }
        }
    };
}

impl AsFd for ReadEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

descriptor!(PipeReader, end, |end: PipeReader| end.into_end().file);
descriptor!(PipeWriter, file, PipeWriter::into_file);

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways of writing, of which the kernel offers one.
    #[test]
    fn a_full_pipe_is_not_waited_for() {
        let ways: [fn(&File, &[u8]) -> _; 2] = [|file, bytes| write_now(file, &Turn, bytes), write_now_anew];
        for write in ways {
            let (reader, writer) = pipe().expect("a pipe");
            let mut count = 0;
            let error = loop {
                match write(&writer, &[7; 3000]) {
                    Ok(bytes) => count += usize::from(bytes == 3000),
                    Err(error) => break error,
                }
            };
            assert_eq!((error.kind(), count > 3), (io::ErrorKind::WouldBlock, true), "{error}");
            drop(reader);
            let broken = write(&writer, &[7; 3000]).expect_err("nobody reads");
            assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe, "{broken}");
        }
    }
}
