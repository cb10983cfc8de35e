//! A segment reached by a descriptor: received over a socket, inherited over exec, kept by a service manager.
//!
//! ```text
//! give   a fresh description, read-locking LIFE while it is on its way: nobody takes the segment for dead meanwhile
//! take   what is it? -> a description of our own (/proc/self/fd/N) -> LIFE -> header -> mapped whole, a slot
//! ```
//!
//! Whoever gives a descriptor may be hostile. So it is asked what it is before anything else is done with it: a regular
//! file, open for reading and writing; a memfd only if it cannot be cut off, and a file with a name only if it is this
//! user's or a group's of ours: files can be cut off by whoever may write them, which is a SIGBUS for who maps them.
//! Locks belong to descriptions, so the receiver opens one of its own; slots are its own anyway.

#![allow(unsafe_code)]

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::attached::{Attached, Parts};
use super::file::{self, Holder, LockKind, Stat, lock_byte};
use super::mapping::Mapping;
use super::reopen::Reopen;
use super::{catalog, file_system, memfd, process, segment_file};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::{BackingKind, HEADER_BYTES, Header, SegmentKind};

/// What leads to a segment.
pub(super) struct Descriptors {
    pub(super) segment: OwnedFd,
    /// The file of its locks, if others may read it.
    pub(super) locks: Option<OwnedFd>,
}

/// Descriptors of their own for the segment's files, for somebody else.
pub(super) fn give(attached: &Attached) -> Result<Descriptors> {
    let header = attached.header();
    if matches!(kind(header), Some(BackingKind::Anonymous | BackingKind::SysV)) {
        let what = format!("the segment {} is not a file, so there is no descriptor for it", attached.path);
        return Err(Error::new(ErrorKind::Unsupported, what)
            .hint("use the backing `Memfd`, or `Posix`, whose descriptors can be sent"));
    }
    let failed = |cause: io::Error| {
        let error = Error::system(format!("open the segment {} for somebody else", attached.path), &cause);
        if cause.kind() == io::ErrorKind::NotFound {
            return error.hint("its name was removed, its descriptor closed (closefrom), or /proc is not mounted");
        }
        error
    };
    let segment = attached.segment.open().map_err(failed)?;
    if !file::try_lock(&segment, LockKind::Read, lock_byte::LIFE).map_err(failed)? {
        return Err(Error::new(ErrorKind::Busy, format!("the segment {} is being removed", attached.path)));
    }
    let locks = match header.companion_ino {
        0 => None,
        _ => Some(attached.locks.open().map_err(failed)?.into()),
    };
    Ok(Descriptors { segment: segment.into(), locks })
}

fn kind(header: &Header) -> Option<BackingKind> {
    use BackingKind::{Anonymous, File, FileMapping, Memfd, Posix, SysV};
    [Anonymous, Memfd, Posix, SysV, File, FileMapping].into_iter().find(|kind| *kind as u8 == header.backing)
}

/// Attaches the segment behind a descriptor.
pub(super) fn take(descriptors: Descriptors) -> Result<Attached> {
    let given = File::from(descriptors.segment);
    let stat = check_file(&given)?;
    let path = path_of(&given);
    let name = path.as_deref().map_or_else(|| "behind the descriptor".into(), |path| path.display().to_string());
    let failed = |doing: &str, cause: &io::Error| Error::system(format!("{doing} the segment {name}"), cause);
    let found = Reopen::kept(given).map_err(|cause| failed("look at", &cause))?;
    let own = found.open().map_err(|cause| cannot_reopen(&failed("open", &cause), &cause))?;

    let mut page = [0_u8; HEADER_BYTES];
    let bytes = segment_file::read_up_to(&own, &mut page).map_err(|cause| failed("read", &cause))?;
    let header = Header::check(&page[..bytes], stat.bytes, &name)?;
    if header.kind != SegmentKind::Objects as u8 {
        let what = format!("the segment {name} holds variables of a `shared!` block, not objects");
        return Err(Error::new(ErrorKind::Mismatch, what).hint("programs that declare the block attach it by its name"));
    }
    let is_memfd = kind(&header) == Some(BackingKind::Memfd);
    let name = if is_memfd { format!("memfd:{}", catalog::text(&header.name)) } else { name.clone() };
    let backing = check_backing(&own, &stat, &header, &name)?;
    join_life(&own, &header, backing, &name)?;

    // A name that leads to it needs no descriptor, and shows when it goes.
    let segment = match path.filter(|_| backing != BackingKind::Memfd) {
        Some(path) => by_path(&path, &stat).unwrap_or(found),
        None => found,
    };
    let locks = match header.companion_ino {
        0 => segment.same(),
        inode => locks(descriptors.locks, &segment, &header, inode, &name)?,
    };
    let length = usize::try_from(header.max_bytes).unwrap_or(usize::MAX);
    let memory = Mapping::shared(&own, 0, length, true).map_err(|cause| failed("map", &cause))?;
    Attached::new(Parts { path: name, segment, locks, header, memory, created: false })
}

/// Whether it is a file that one can map to write, asked before anything is done with it.
fn check_file(given: &File) -> Result<Stat> {
    let foreign = |what: String| Error::new(ErrorKind::Foreign, what);
    let stat = file::stat(given).map_err(|cause| Error::system("look at the descriptor of a segment", &cause))?;
    if !stat.is_regular() {
        let what = format!("the descriptor leads to something that is not a regular file (mode {:o})", stat.mode);
        return Err(foreign(what).hint("send what `Segment::to_fd` gives"));
    }
    // Whoever runs such a file system answers when it likes, or says what it likes of owners; and the pages of huge
    // ones may not be there, which is a signal.
    let system = file_system::name(given);
    if system == "FUSE" || system == "hugetlbfs" || file_system::of_several_machines(given).is_some() {
        let what = format!("the descriptor of a segment leads to a file on {system}, which cannot be shared safely");
        return Err(foreign(what).hint("send what `Segment::to_fd` gives"));
    }
    // SAFETY: no pointer.
    let flags = unsafe { libc::fcntl(given.as_raw_fd(), libc::F_GETFL) };
    if flags == -1 || flags & libc::O_PATH != 0 || flags & libc::O_ACCMODE != libc::O_RDWR {
        let what = "the descriptor of a segment was not opened for reading and writing";
        return Err(Error::new(ErrorKind::PermissionDenied, what)
            .hint("whoever gave it lets others read at most: a reader opens the segment by its name"));
    }
    Ok(stat)
}

fn cannot_reopen(error: &Error, cause: &io::Error) -> Error {
    let hint = match cause.kind() {
        io::ErrorKind::PermissionDenied => "its mode does not let this user write it: make it with `mode` and `group`",
        _ => "/proc must be mounted: a description of one's own is opened through /proc/self/fd",
    };
    Error::new(error.kind(), error.to_string()).hint(hint)
}

/// Whether the file is of the kind that its header says, and nobody who should not can cut it off.
fn check_backing(own: &File, stat: &Stat, header: &Header, name: &str) -> Result<BackingKind> {
    let foreign = |why: String, hint: &str| Err(Error::new(ErrorKind::Foreign, why).hint(hint));
    let forbidden = libc::F_SEAL_WRITE | libc::F_SEAL_FUTURE_WRITE;
    match kind(header) {
        Some(BackingKind::Memfd) if file_system::name(own) != "tmpfs" => {
            let what = format!("the segment {name} says that it is a memfd, and lies on {}", file_system::name(own));
            foreign(what, "send what `Segment::to_fd` gives")
        }
        Some(BackingKind::Memfd) => match memfd::seals(own) {
            Some(seals) if seals & forbidden != 0 => {
                foreign(format!("the segment {name} is sealed against writing"), "it cannot be shared so")
            }
            Some(seals) if seals & libc::F_SEAL_SHRINK != 0 => {
                // All of it lies in the file, then, and none can be taken from it.
                if stat.bytes >= header.max_bytes {
                    return Ok(BackingKind::Memfd);
                }
                let what = format!("the segment {name} is cut off: {} of {} bytes", stat.bytes, header.max_bytes);
                Err(Error::new(ErrorKind::Corrupt, what).hint("Cotenant's own memfds are made whole"))
            }
            _ => foreign(
                format!("the segment {name} is not sealed against being cut off (F_SEAL_SHRINK)"),
                "whoever sent it could end this process at any time; Cotenant's own memfds are sealed",
            ),
        },
        Some(backing @ (BackingKind::Posix | BackingKind::File)) => {
            let user = process::effective_uid();
            let is_groups = stat.permissions() & 0o020 != 0 && catalog::groups().contains(&stat.gid);
            if stat.uid == user || stat.uid == 0 || is_groups {
                return Ok(backing);
            }
            foreign(
                format!("the segment {name} belongs to user {}, not to {user} nor to a group of ours", stat.uid),
                "have it sent by a process of this user, use a group, or the backing `Memfd`",
            )
        }
        _ => foreign(format!("the segment {name} says that it is no file"), "send what `Segment::to_fd` gives"),
    }
}

/// Joins those who map it. Of a segment with a name that nobody maps, the next who opens the name makes another.
fn join_life(own: &File, header: &Header, backing: BackingKind, name: &str) -> Result<()> {
    let failed = |cause: io::Error| Error::system(format!("lock the segment {name}"), &cause);
    let may_be_left = header.keep != 0 || backing == BackingKind::Memfd;
    let lives = match file::holder(own, lock_byte::LIFE).map_err(failed)? {
        Holder::Reader => true,
        Holder::Nobody => may_be_left,
        Holder::Writer => false,
    };
    if lives && file::try_lock(own, LockKind::Read, lock_byte::LIFE).map_err(failed)? {
        return Ok(());
    }
    let what = format!("nobody is attached to the segment {name} any more");
    Err(Error::new(ErrorKind::NotFound, what).hint("open it by its name, which makes it anew"))
}

/// Where a file of a descriptor lies, as far as `/proc` tells.
fn path_of(file: &File) -> Option<PathBuf> {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let path = std::fs::read_link(link).ok()?.into_os_string().into_vec();
    path.starts_with(b"/").then(|| PathBuf::from(std::ffi::OsString::from_vec(path)))
}

fn by_path(path: &Path, stat: &Stat) -> Option<Reopen> {
    let path = file::c_string(path.as_os_str().as_bytes()).ok()?;
    let there = file::open_at(None, &path, libc::O_PATH | libc::O_NOFOLLOW, 0).ok()?;
    file::stat(&there).is_ok_and(|there| there.same_file(stat)).then_some(Reopen::ByPath { path, stat: *stat })
}

/// The file of locks that the header names: the one that was sent, or else the one beside the segment.
fn locks(sent: Option<OwnedFd>, segment: &Reopen, header: &Header, inode: u64, name: &str) -> Result<Reopen> {
    let failed = |cause: &io::Error| {
        Error::system(format!("open the file of locks of the segment {name}"), cause)
            .hint("send the segment with `Segment::send`, which sends both descriptors")
    };
    let found = match sent {
        Some(sent) => {
            let sent = File::from(sent);
            check_file(&sent)?;
            Reopen::kept(sent)
        }
        None => beside(segment, header).and_then(|path| {
            let file = file::open_at(None, &path, libc::O_RDWR | libc::O_NOFOLLOW, 0)?;
            Ok(Reopen::ByPath { stat: file::stat(&file)?, path })
        }),
    };
    let found = found.map_err(|cause| failed(&cause))?;
    let is_it = found.stat().inode == inode && found.stat().device == segment.stat().device;
    if is_it { Ok(found) } else { Err(failed(&io::Error::other("it is another file than at creation"))) }
}

fn beside(segment: &Reopen, header: &Header) -> io::Result<std::ffi::CString> {
    let Reopen::ByPath { path, .. } = segment else { return Err(io::ErrorKind::NotFound.into()) };
    let folder = Path::new(OsStr::from_bytes(CStr::to_bytes(path))).parent().unwrap_or(Path::new("/"));
    let name = segment_file::companion_name(&header.instance)?;
    file::c_string(folder.join(OsStr::from_bytes(name.to_bytes())).as_os_str().as_bytes())
}
