//! A segment as a reader has it: mapped read-only, without a slot, without a store.
//!
//! ```text
//! open O_RDONLY -> whose is it? -> who locks LIFE? nobody: there is no segment -> read-lock LIFE -> header -> map
//! ```
//!
//! The lock is all that others notice of a reader. Who may read the file may hold it for ever, on every byte: that
//! keeps the values of a segment alive, and nothing else, because slots and growth are locked in a companion that only
//! writers can open.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use super::attach::audience;
use super::file::{self, Holder, LockKind, Stat, lock_byte};
use super::folder::{self, Audience, Folder};
use super::mapping::Mapping;
use super::reopen::Reopen;
use super::{new_boot, process, segment_file};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::{BackingKind, HEADER_BYTES, Header, PARTICIPANT_BYTES, SegmentKind};
use crate::segment::live::Live;
use crate::segment::request::Request;

/// How often it is looked again while a segment is being removed, some two seconds in all.
const ATTEMPTS: u32 = 120;

/// What a reader keeps.
pub(crate) struct Reading {
    path: String,
    header: Header,
    live: Live,
    memory: Mapping,
    /// For the file's length, which is all that keeps an access from a signal.
    file: Reopen,
    named: Reopen,
    /// The path of the file of locks, of a segment that has one.
    companion: Option<CString>,
}

impl Reading {
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn live(&self) -> Live {
        self.live
    }

    /// This run of the machine, as `Header::boot` has it; 0: not known.
    pub(crate) fn this_boot(&self) -> u64 {
        new_boot::this_boot()
    }

    /// Whether the first `bytes` bytes of the segment can be read: they are mapped, and the file is that long.
    pub(crate) fn has_bytes(&self, bytes: u64) -> bool {
        bytes <= self.memory.bytes() as u64 && self.file.stat_again().is_ok_and(|stat| bytes <= stat.bytes)
    }

    /// Tells of a tenant (slot and generation, as the high half of a lock word has them) whether it lives: its process
    /// id. By its slot's lock; where this process may not open the file of those, by the process id, if that means
    /// something here. Of whom neither tells, `None`, as of the dead.
    pub(crate) fn living(&self) -> Box<dyn Fn(u32) -> Option<u32> + '_> {
        let asker = self.locks().ok();
        Box::new(move |tenant| {
            let number = tenant >> 20;
            let end = HEADER_BYTES as u64 + u64::from(number) * u64::from(PARTICIPANT_BYTES);
            let entry = self.live.participant(number).filter(|_| self.has_bytes(end))?;
            let (pid, namespace) = (entry.pid.load(Acquire), entry.pid_namespace.load(Relaxed));
            let since = Some(entry.attached_boottime_ns.load(Relaxed)).filter(|_| process::has_our_clocks(pid));
            let is_held = asker
                .as_ref()
                .map(|asker| file::is_write_locked(asker, lock_byte::SLOT + i64::from(number)).unwrap_or(false));
            let is_gone = || process::is_gone(pid, since);
            let lives = match is_held {
                Some(true) => namespace != process::pid_namespace() || is_gone() != Some(true),
                Some(false) => false,
                None => namespace == process::pid_namespace() && is_gone() == Some(false),
            };
            // Read last: a later tenant has another one.
            let is_it = entry.generation.load(Acquire) == tenant >> 1 & super::slot::MAX_GENERATION;
            (pid != 0 && lives && is_it).then_some(pid)
        })
    }

    /// The file in which slots are locked, through a description that holds no lock.
    fn locks(&self) -> io::Result<File> {
        let Some(path) = &self.companion else { return self.file.open_to_read() };
        let file = file::open_at(None, path, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOFOLLOW, 0)?;
        let is_it = file::stat(&file)?.inode == self.header.companion_ino;
        if is_it { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// Whether the segment's name is gone: who starts now shares with others.
    pub(crate) fn is_unlinked(&self) -> bool {
        self.named.lost_its_name()
    }
}

/// Opens a segment for reading, where the request's user puts it.
pub(crate) fn open(request: &Request<'_>) -> Result<Reading> {
    let user = request.user.unwrap_or_else(process::effective_uid);
    let audience = audience(request.plan)?;
    let name = match request.backing {
        BackingKind::File => Path::new(request.name).file_name().unwrap_or_default().as_bytes(),
        _ => request.name.as_bytes(),
    };
    let name = file::c_string(name).map_err(|cause| Error::system("use that name", &cause))?;
    let mut seen = None;
    for folder in folders(request, audience, user)? {
        let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
        match file::open_at(Some(&folder.file), &name, flags, 0) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => {
                let error = Error::system(format!("open the segment {} to read it", folder.path_of(&name)), &cause);
                seen = Some(match cause.kind() {
                    io::ErrorKind::PermissionDenied => error.hint("its mode must let this user read it (0o644)"),
                    _ => error,
                });
            }
            Ok(found) if request.backing == BackingKind::File && !segment_file::is_segment(&found) => {
                return Err(segment_file::no_segment_at(&folder.path_of(&name)));
            }
            Ok(found) => match join(&folder, &name, found, audience, user)? {
                Some(reading) => return Ok(reading),
                None => continue,
            },
        }
    }
    Err(seen.unwrap_or_else(|| {
        let what = format!("there is no segment `{}` of user {user} to read", request.name);
        Error::new(ErrorKind::NotFound, what)
            .hint("its programs are not running, or it lies elsewhere (`user`, `group`, `folder`, `scope`)")
    }))
}

/// Where it may lie.
fn folders(request: &Request<'_>, audience: Audience, user: u32) -> Result<Vec<Folder>> {
    let option = request.folder.as_deref();
    if request.backing == BackingKind::File {
        let path = Path::new(request.name);
        let path = std::path::absolute(path)
            .map_err(|cause| Error::system(format!("resolve the path {}", path.display()), &cause))?;
        return folder::open_given(path.parent().unwrap_or(Path::new("/"))).map(|folder| vec![folder]);
    }
    if let Audience::Group(_) = audience {
        return folder::present(option, audience, user);
    }
    let mut found = folder::present(option, Audience::Readable, user)?;
    if user == process::effective_uid() {
        // The same program may have made it for itself.
        found.extend(folder::present(option, Audience::Own, user)?);
    }
    Ok(found)
}

/// `None`: nobody is attached to it.
fn join(folder: &Folder, name: &CStr, found: File, audience: Audience, user: u32) -> Result<Option<Reading>> {
    let path = folder.path_of(name);
    let failed = |cause: io::Error| Error::system(format!("read the segment {path}"), &cause);
    check_owner(&file::stat(&found).map_err(failed)?, audience, user, &path)?;
    for attempt in 0..ATTEMPTS {
        let mut page = [0_u8; HEADER_BYTES];
        let bytes = segment_file::read_up_to(&found, &mut page).map_err(failed)?;
        if !Header::has_magic(&page[..bytes]) {
            return Header::check(&page[..bytes], bytes as u64, &path).map(|_| None);
        }
        let is_kept = page[std::mem::offset_of!(Header, keep)] != 0;
        match file::holder(&found, lock_byte::LIFE).map_err(failed)? {
            _ if is_kept => {}
            // Asked before anything is locked, as by one who writes: who has not seen anybody may not become the one.
            Holder::Nobody => return Ok(None),
            Holder::Reader => {}
            Holder::Writer => {
                std::thread::sleep(Duration::from_micros(50 << attempt.min(9)));
                continue;
            }
        }
        if !file::try_lock(&found, LockKind::Read, lock_byte::LIFE).map_err(failed)? {
            std::thread::sleep(Duration::from_micros(50 << attempt.min(9)));
            continue;
        }
        let stat = file::stat(&found).map_err(failed)?;
        if stat.links == 0 {
            return Ok(None);
        }
        let header = Header::check(&page[..bytes], stat.bytes, &path)?;
        if header.kind != SegmentKind::Objects as u8 {
            let what = format!("the segment {path} holds variables of a `shared!` block, not objects");
            return Err(Error::new(ErrorKind::Mismatch, what).hint("`cotenant show` reads those"));
        }
        let companion = match segment_file::companion_in(&page).transpose().map_err(failed)? {
            Some(name) => Some(file::c_string(folder.path_of(&name).as_bytes()).map_err(failed)?),
            None => None,
        };
        return map(path, header, found, (stat, companion)).map(Some);
    }
    Err(Error::new(ErrorKind::Busy, format!("the segment {path} is being removed by a process that does not finish"))
        .hint("look for a stopped program of its user"))
}

/// The caller trusts whoever may write the values, so that must be who it named.
fn check_owner(stat: &Stat, audience: Audience, user: u32, path: &str) -> Result<()> {
    let why = match audience {
        _ if !stat.is_regular() => "is not a regular file".to_owned(),
        Audience::Group(gid) if stat.gid != gid => format!("is for group {}, not for {gid}", stat.gid),
        Audience::Own | Audience::Readable if stat.uid != user => {
            format!("belongs to user {}, not to {user}", stat.uid)
        }
        Audience::Own | Audience::Readable if stat.permissions() & 0o022 != 0 => {
            format!("can be written by others than user {user} (mode {:o})", stat.permissions())
        }
        _ if stat.permissions() & 0o002 != 0 => format!("can be written by everybody (mode {:o})", stat.permissions()),
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::Foreign, format!("{path} {why}")).hint("name its user or group in the options"))
}

fn map(path: String, header: Header, found: File, about: (Stat, Option<CString>)) -> Result<Reading> {
    let (stat, companion) = about;
    let failed = |cause: io::Error| Error::system(format!("map {} bytes of {path}", header.max_bytes), &cause);
    let bytes = usize::try_from(header.max_bytes).unwrap_or(usize::MAX);
    let memory = Mapping::shared(&found, 0, bytes, false).map_err(failed)?;
    let named = Reopen::ByPath { path: file::c_string(path.as_bytes()).map_err(failed)?, stat };
    let file = Reopen::kept(found).map_err(failed)?;
    // SAFETY: `memory` maps that many shared bytes and lives in the same value; a reader only loads.
    let live = unsafe { Live::new(memory.base(), header.participants_max) };
    Ok(Reading { path, header, live, memory, file, named, companion })
}
