//! Memory without a name, reached by its descriptor: `memfd_create(2)`.
//!
//! ```text
//! create:  memfd -> written whole -> sealed against shrinking -> read-lock LIFE -> mapped
//! reached: by fork (descriptor and mapping are inherited), or by the descriptor (descriptor.rs, socket.rs)
//! ```
//!
//! The process keeps one descriptor, close-on-exec: descriptions of its own for slots and questions are opened through
//! `/proc/self/fd/N`. The memory is there until the last mapping and descriptor are gone, also one that nobody has
//! received yet. It is as long as `max_bytes` from the start, with holes where nothing is reserved, and cannot be cut
//! off (F_SEAL_SHRINK): no hand that holds it can send a SIGBUS to the others, or keep it from being written
//! (F_SEAL_SEAL).

#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};

use super::attached::{Attached, Parts};
use super::file::{self, LockKind, lock_byte};
use super::mapping::Mapping;
use super::reopen::Reopen;
use super::{memory_limit, process, segment_file};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::request::{Opening, Request};

/// Linux 6.3; older kernels say EINVAL.
const MFD_NOEXEC_SEAL: libc::c_uint = 0x0008;

/// A new memfd that can be sealed and not be executed
/// ([`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html)), close-on-exec. `name` is seen in
/// `/proc/PID/maps` and `/proc/PID/fd`.
#[doc(alias = "memfd_create")]
pub(super) fn new(name: &CStr) -> io::Result<File> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    match memfd_create(name, flags | MFD_NOEXEC_SEAL) {
        Err(cause) if cause.raw_os_error() == Some(libc::EINVAL) => memfd_create(name, flags),
        other => other,
    }
}

fn memfd_create(name: &CStr, flags: libc::c_uint) -> io::Result<File> {
    // SAFETY: a C string. (By number: older C libraries lack the function.)
    let fd = unsafe { libc::syscall(libc::SYS_memfd_create, name.as_ptr(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call just made this descriptor and nobody else knows it.
    Ok(unsafe { File::from_raw_fd(fd as i32) })
}

/// Keeps the file from being cut off, and its seals from being added to
/// ([`F_ADD_SEALS`](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html)).
#[doc(alias = "F_ADD_SEALS")]
pub(super) fn seal(file: &File) -> io::Result<()> {
    // SAFETY: no pointer.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The seals of a memfd ([`F_GET_SEALS`](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html)); `None`: the
/// file is of a kind that has none.
#[doc(alias = "F_GET_SEALS")]
pub(super) fn seals(file: &File) -> Option<i32> {
    // SAFETY: no pointer.
    let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
    (seals != -1).then_some(seals)
}

/// A sealed memfd of one page: where the slots of memory that is no file are locked.
pub(super) fn new_companion(name: &str) -> Result<Reopen> {
    let made = || {
        let file = new(&label(name)?)?;
        file::reserve(&file, 0, super::mapping::page_bytes() as u64)?;
        seal(&file)?;
        Reopen::kept(file)
    };
    made().map_err(|cause| Error::system(format!("make a file of locks for the segment `{name}` (memfd)"), &cause))
}

/// Makes the segment. It has no name, so there is nothing to open.
pub(super) fn open(request: &Request<'_>) -> Result<Attached> {
    refuse_to_open(request, "from who has it: by fork, by `Segment::receive`, or by `Segment::from_fd`")?;
    let name = display_name(request, "memfd");
    let failed = |cause: io::Error| {
        let error = Error::system(format!("make the segment {name}"), &cause);
        match error.kind() {
            ErrorKind::NoSpace if cause.raw_os_error() == Some(libc::EFBIG) => {
                error.hint("the process's limit for files is lower than its size (ulimit -f)")
            }
            ErrorKind::NoSpace => error.hint("the machine, or its memory cgroup (memory.max), has no memory for it"),
            _ => error,
        }
    };
    let plan = request.plan;
    memory_limit::check(segment_file::first_bytes(plan), &format!("make the segment {name}"))?;
    let mut header = plan.header(process::random().map_err(failed)?, process::pid(), segment_file::unix_ns());
    let file = new(&label(&plan.name).map_err(failed)?).map_err(failed)?;
    // Who holds the descriptor may use it: there is no name by which others could come. (And no need to execute it.)
    file::set_mode(&file, 0o666).map_err(failed)?;
    segment_file::write_whole(&file, plan, &mut header).map_err(failed)?;
    // As long as it will ever be, with holes: no address of the mapping lies behind the end, whatever others write.
    let page = super::mapping::page_bytes() as u64;
    file::reserve(&file, header.max_bytes - page, page).map_err(failed)?;
    seal(&file).map_err(failed)?;
    if !file::try_lock(&file, LockKind::Read, lock_byte::LIFE).map_err(failed)? {
        return Err(failed(io::Error::other("a new file is locked by somebody else")));
    }
    let bytes = usize::try_from(header.max_bytes).unwrap_or(usize::MAX);
    let memory = Mapping::shared(&file, 0, bytes, true).map_err(failed)?;
    let segment = Reopen::kept(file).map_err(failed)?;
    let locks = segment.same();
    Attached::new(Parts { path: name, segment, locks, header, memory, created: true })
}

/// What has no name can only be made, and reached by other ways.
pub(super) fn refuse_to_open(request: &Request<'_>, reached: &str) -> Result<()> {
    if request.opening != Opening::Open {
        return Ok(());
    }
    let what = format!("a segment of backing {:?} has no name by which it could be opened", request.backing);
    Err(Error::new(ErrorKind::Unsupported, what).hint(format!("get it {reached}, or use the backing `Posix`")))
}

/// What people are told: `memfd:NAME`.
pub(super) fn display_name(request: &Request<'_>, what: &str) -> String {
    if request.plan.name.is_empty() { what.to_owned() } else { format!("{what}:{}", request.plan.name) }
}

fn label(name: &str) -> io::Result<CString> {
    file::c_string(format!("cotenant-{name}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_file_cannot_be_cut_off_or_sealed_further_but_grows() {
        let file = new(c"test").expect("a memfd");
        file::reserve(&file, 0, 8192).expect("two pages");
        seal(&file).expect("seals");
        assert!(seals(&file).is_some_and(|seals| seals & libc::F_SEAL_SHRINK != 0));
        assert_eq!(file.set_len(4096).expect_err("shorter").raw_os_error(), Some(libc::EPERM));
        // SAFETY: no pointer.
        let added = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_GROW) };
        assert_eq!((added, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EPERM)));
        file::reserve(&file, 8192, 4096).expect("a third page");
    }
}
