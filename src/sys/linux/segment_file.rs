//! A segment's file: made whole or not at all, joined by the life byte, never reset in place.
//!
//! ```text
//! create:  unnamed file -> reserve -> write -> read-lock LIFE -> link into place      (killed: nothing has a name)
//! join:    open -> who locks LIFE?
//!            nobody:   everybody is dead -> write-lock LIFE -> unlink, start over   (killed: the next does it)
//!            a writer: a remover -> start over
//!            a reader: somebody lives -> read-lock LIFE -> still linked? joined, else start over
//! ```
//!
//! The read lock is taken through the description that will map the data, so it lasts as long as any mapping made
//! through it, children's included: it means "somebody maps this".

#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::file::{self, Holder, LockKind, Stat, lock_byte};
use super::folder::{Audience, Folder};
use super::{file_system, leftovers, memory_limit, new_boot, process, space, sysv};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::events::{EVENT_BYTES, EVENTS};
use crate::segment::header::{BackingKind, HEADER_BYTES, Header, PARTICIPANT_BYTES, SegmentKind};
use crate::segment::plan::Plan;
use crate::segment::request::Opening;

/// How often joining starts over. A remover holds the life byte for microseconds; one that is stopped there holds
/// everybody up, so after about two seconds they are told.
const ATTEMPTS: u32 = 120;

/// What to do about somebody's file at the path that was given: it may be mistyped, and the file worth something.
const OTHER_PATH: &str = "give another path";

/// A segment that this process may map: the description holds the read lock on the life byte.
pub(crate) struct OpenSegment {
    pub(crate) file: File,
    pub(crate) header: Header,
    pub(crate) stat: Stat,
    pub(crate) created: bool,
    /// Holds the locks of slots and growth for a segment that others may read; else the segment itself does.
    pub(crate) companion: Option<(CString, Stat)>,
}

/// Opens or creates the segment `name`, as far as `opening` allows.
pub(crate) fn open(folder: &Folder, name: &CStr, plan: &Plan, opening: Opening) -> Result<OpenSegment> {
    let mut busy = 0;
    let mut reason = None;
    while busy < ATTEMPTS {
        // Not waited for: whoever put a lease on it could have us wait for 45 seconds.
        let flags = libc::O_RDWR | libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let found = match file::open_at(Some(&folder.file), name, flags, 0) {
            Ok(found) => join(folder, name, found, plan, opening)?,
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
                Found::Busy(Some(cannot_open(folder, name, plan, &cause)))
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && opening == Opening::Open => {
                let what = format!("there is no segment {}", folder.path_of(name));
                return Err(
                    Error::new(ErrorKind::NotFound, what).hint("nobody is attached to one, or its name is gone")
                );
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => create(folder, name, plan)?,
            Err(cause) => return Err(cannot_open(folder, name, plan, &cause)),
        };
        match found {
            Found::Open(segment) => return Ok(*segment),
            Found::Gone => busy += 1, // Somebody else was first, or it was dead and is removed: look again at once.
            Found::Busy(why) => {
                busy += 1;
                reason = why;
                std::thread::sleep(Duration::from_micros(50 << busy.min(9)));
            }
        }
    }
    Err(reason.unwrap_or_else(|| {
        let path = folder.path_of(name);
        Error::new(ErrorKind::Busy, format!("the segment {path} is being removed by a process that does not finish"))
            .hint("look for a stopped program of this user")
    }))
}

enum Found {
    Open(Box<OpenSegment>),
    /// It has lost its name, or got it from somebody else: look again at once.
    Gone,
    /// Somebody is at work on it: look again a little later. And why, if that is not all.
    Busy(Option<Error>),
}

fn cannot_open(folder: &Folder, name: &CStr, plan: &Plan, cause: &io::Error) -> Error {
    let path = folder.path_of(name);
    let what = match cause.raw_os_error() {
        Some(libc::ELOOP) => "a symbolic link",
        Some(libc::EISDIR) => "a folder",
        _ => return Error::system(format!("open the segment {path}"), cause),
    };
    let hint = if lies_among_others(plan) { OTHER_PATH } else { "remove it" };
    Error::new(ErrorKind::Foreign, format!("{path} is {what}, not a segment")).hint(hint)
}

fn create(folder: &Folder, name: &CStr, plan: &Plan) -> Result<Found> {
    let path = folder.path_of(name);
    let end = plan.header([0; 16], 0, 0).file_bytes;
    let failed = |cause: io::Error| space::explain(&cause, &format!("create the segment {path}"), &folder.file, end);
    if file_system::is_memory(&folder.file) {
        memory_limit::check(first_bytes(plan), &format!("create the segment {path}"))?;
    }
    if plan.kind == SegmentKind::Image {
        leftovers::sweep_dead_images(folder, name);
    }
    match file::create_unnamed(&folder.file, 0o600) {
        Ok(file) => match publish(folder, name, plan, file, None) {
            // No /proc, and a kernel that links by descriptor for root alone (before 6.10).
            Err(cause) if matches!(cause.raw_os_error(), Some(libc::ENOENT | libc::EPERM)) => {}
            other => return other.map_err(failed),
        },
        // The file system has no unnamed files.
        Err(cause) if matches!(cause.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOENT)) => {}
        Err(cause) => return Err(failed(cause)),
    }
    let Some((file, temporary)) = create_temporary(folder, plan).map_err(failed)? else { return Ok(Found::Gone) };
    match publish(folder, name, plan, file, Some(&temporary)) {
        // Swept by another creator between our making it and our locking it.
        Err(cause) if cause.raw_os_error() == Some(libc::ENOENT) => Ok(Found::Gone),
        other => other.map_err(failed),
    }
}

/// Makes `file` the whole segment, read-locks its life byte, and only then gives it its name.
fn publish(folder: &Folder, name: &CStr, plan: &Plan, file: File, temporary: Option<&CStr>) -> io::Result<Found> {
    let instance = process::random()?;
    let mut header = plan.header(instance, process::pid(), unix_ns());
    let mut companion = None;
    let mut written = || -> io::Result<()> {
        if let Some(group) = group_of(plan)? {
            file::set_group(&file, group)?;
        }
        file::set_mode(&file, plan.mode)?;
        companion = new_companion(folder, plan, &instance)?;
        if let Some((_, companion)) = &companion {
            header.companion_ino = file::stat(companion)?.inode;
        }
        if plan.keep_until_removed {
            header.boot = new_boot::this_boot();
        }
        write_whole(&file, plan, &mut header)?;
        if !file::try_lock(&file, LockKind::Read, lock_byte::LIFE).map_err(|cause| lock_error(&file, cause))? {
            return Err(io::Error::other("a new file is locked by somebody else"));
        }
        match temporary {
            None => file::link_unnamed(&file, &folder.file, name),
            Some(temporary) => file::rename_new(&folder.file, temporary, name),
        }
    };
    if let Err(cause) = written() {
        remove_temporary(folder, temporary);
        remove_temporary(folder, companion.as_ref().map(|(name, _)| name.as_c_str()));
        return if cause.kind() == io::ErrorKind::AlreadyExists { Ok(Found::Gone) } else { Err(cause) };
    }
    let stat = file::stat(&file)?;
    let companion = match companion {
        Some((name, companion)) => Some((name, file::stat(&companion)?)),
        None => None,
    };
    Ok(Found::Open(Box::new(OpenSegment { file, header, stat, created: true, companion })))
}

fn remove_temporary(folder: &Folder, name: Option<&CStr>) {
    if let Some(name) = name {
        // Nothing depends on it; what stays is found by the next creator's sweep.
        let _ = file::unlink_at(&folder.file, name);
    }
}

/// A file in `folder` under a name that nobody looks for, where there are no unnamed files or they cannot be linked.
/// `None`: another creator swept it before it was locked.
fn create_temporary(folder: &Folder, plan: &Plan) -> io::Result<Option<(File, CString)>> {
    if !lies_among_others(plan) {
        leftovers::sweep_temporaries(folder);
    }
    let random = u128::from_le_bytes(process::random()?) as u64;
    let name = file::c_string(format!(".new-{random:016x}").as_bytes())?;
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let file = file::open_at(Some(&folder.file), &name, flags, 0o600)?;
    // From here on the sweep of others leaves it alone.
    let locked = file::try_lock(&file, LockKind::Read, lock_byte::LIFE);
    if !locked.map_err(|cause| lock_error(&file, cause)).inspect_err(|_| remove_temporary(folder, Some(&name)))? {
        return Ok(None);
    }
    Ok(Some((file, name)))
}

pub(super) fn group_of(plan: &Plan) -> io::Result<Option<u32>> {
    let Some(group) = &plan.group else { return Ok(None) };
    process::group_id(group).map(Some).ok_or_else(|| io::Error::other(format!("there is no group `{group}`")))
}

/// Readers of a segment must not be able to lock what keeps writers out: the locks lie in a file of the writers' own.
/// While it is open, the sweep of others leaves it alone; then the segment must have its name.
fn new_companion(folder: &Folder, plan: &Plan, instance: &[u8; 16]) -> io::Result<Option<(CString, File)>> {
    let Some(mode) = companion_mode(plan.mode) else { return Ok(None) };
    if !lies_among_others(plan) {
        leftovers::sweep_companions(folder);
    }
    let name = companion_name(instance)?;
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let companion = file::open_at(Some(&folder.file), &name, flags, 0o600)?;
    if !file::try_lock(&companion, LockKind::Read, lock_byte::LIFE)? || file::stat(&companion)?.links == 0 {
        // Swept before it was locked: start over, as if another creator had been first.
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let finish = || {
        if let Some(group) = group_of(plan)? {
            file::set_group(&companion, group)?;
        }
        file::set_mode(&companion, mode)?;
        // One page, because a lock is kept by a mapping, and a mapping wants a page.
        file::reserve(&companion, 0, super::mapping::page_bytes() as u64)
    };
    finish().inspect_err(|_| remove_temporary(folder, Some(&name)))?;
    Ok(Some((name, companion)))
}

/// The writers' part of a segment's mode; `None` if nobody may read who may not write.
fn companion_mode(mode: u32) -> Option<u32> {
    let only_read = (mode & 0o044) & !((mode & 0o022) << 1);
    let writers = 0o600 | if mode & 0o020 != 0 { 0o060 } else { 0 };
    (only_read != 0).then_some(writers)
}

pub(super) fn companion_name(instance: &[u8; 16]) -> io::Result<CString> {
    file::c_string(format!(".locks-{:032x}", u128::from_le_bytes(*instance)).as_bytes())
}

/// What [`write_whole`] takes, about.
pub(super) fn first_bytes(plan: &Plan) -> u64 {
    let initial: usize = plan.initial.iter().map(|part| part.bytes).sum();
    let events = (EVENTS * EVENT_BYTES) as usize;
    (2 * HEADER_BYTES + events + plan.objects_bytes().len() + plan.schemas.len() + initial) as u64
}

/// Writes everything but the holes: header, first participants, objects, schemas, initial values.
pub(super) fn write_whole(file: &File, plan: &Plan, header: &mut Header) -> io::Result<()> {
    let page = plan.page_bytes as u64;
    let first_participants = (HEADER_BYTES as u64 + 4096).next_multiple_of(page) - HEADER_BYTES as u64;
    header.participants_reserved =
        header.participants_max.min((first_participants / u64::from(PARTICIPANT_BYTES)) as u32);
    file::reserve(file, 0, HEADER_BYTES as u64 + first_participants)?;
    file::reserve(file, header.events_at, u64::from(header.events_max) * u64::from(header.event_bytes))?;
    // The last page gives the file its size, and says first whether that is allowed. What is written below needs no
    // other reservation: writing finds out that there is no room, and every page of the data is written to.
    file::reserve(file, header.file_bytes - page, page)?;
    let mut first_page = [0_u8; HEADER_BYTES];
    first_page[..size_of::<Header>()].copy_from_slice(&header.to_bytes());
    file.write_all_at(&first_page, 0)?;
    file.write_all_at(&plan.objects_bytes(), header.objects_at)?;
    file.write_all_at(&plan.schemas, header.schemas_at)?;
    for part in &plan.initial {
        // SAFETY: the plan names pages of this image's own blocks (or their pristine copies).
        unsafe { file::write_from(file, part.address, part.bytes, header.data_at + part.at) }?;
    }
    Ok(())
}

fn join(folder: &Folder, name: &CStr, found: File, plan: &Plan, opening: Opening) -> Result<Found> {
    let path = folder.path_of(name);
    let failed = |cause: io::Error| Error::system(format!("look at the segment {path}"), &cause);
    let mut page = [0_u8; HEADER_BYTES];
    let bytes = read_up_to(&found, &mut page).unwrap_or(0);
    check_group(folder, &file::stat(&found).map_err(failed)?, plan, &path)?;
    if !Header::has_magic(&page[..bytes]) {
        let stat = file::stat(&found).map_err(failed)?;
        check_owner(&stat, plan, &path)?;
        let why = Header::check(&page[..bytes], stat.bytes, &path).err().filter(|_| !lies_among_others(plan));
        return Err(why.unwrap_or_else(|| no_segment_at(&path)));
    }
    let keep = page[std::mem::offset_of!(Header, keep)] != 0;
    let cannot_lock = |cause: io::Error| no_locks(&path, &lock_error(&found, cause));
    let lock = |kind| file::try_lock(&found, kind, lock_byte::LIFE).map_err(cannot_lock);
    // Asked before anything is locked: only who has seen a reader may become one. Who merely missed the write lock may
    // have met a remover, killed since, and would join the dead.
    match file::holder(&found, lock_byte::LIFE).map_err(cannot_lock)? {
        _ if keep => {}
        Holder::Reader => {}
        Holder::Nobody if lock(LockKind::Write)? => {
            let stat = file::stat(&found).map_err(failed)?;
            check_owner(&stat, plan, &path)?;
            remove_dead(folder, name, &stat, &page[..bytes]).map_err(failed)?;
            return Ok(Found::Gone);
        }
        Holder::Nobody | Holder::Writer => return Ok(Found::Busy(None)),
    }
    if opening == Opening::Create {
        let why = if keep { "it is kept until it is removed" } else { "programs are attached to it" };
        return Err(Error::new(ErrorKind::AlreadyExists, format!("there is a segment {path} already")).hint(why));
    }
    if !lock(LockKind::Read)? {
        return Ok(Found::Busy(None));
    }
    // Now nobody can find it dead. But it may have been unlinked between our opening and our locking it.
    let stat = file::stat(&found).map_err(failed)?;
    check_owner(&stat, plan, &path)?;
    if stat.links == 0 {
        return Ok(Found::Gone);
    }
    let header = Header::check(&page[..bytes], stat.bytes, &path)?;
    check_kind(&header, plan, &path)?;
    match open_companion(folder, &header, &path) {
        Ok(companion) => {
            let locks = companion.as_ref().map_or(name, |(companion, _)| companion.as_c_str());
            if keep && !new_boot::has_begun(&found, &header, &folder.file, locks).map_err(failed)? {
                return Ok(Found::Busy(None));
            }
            Ok(Found::Open(Box::new(OpenSegment { file: found, header, stat, created: false, companion })))
        }
        // Removed by a hand. Of a segment that is kept it is made again, if nobody else is attached: its values are not
        // lost with it. (Killed in that: another file than the header names, and the next one makes it again.)
        Err(error) if keep && matches!(error.os_error(), None | Some(libc::ENOENT)) => match lock(LockKind::Write)? {
            true if remake_companion(folder, &found, &header, &stat).map_err(failed)? => Ok(Found::Gone),
            true => Err(error),
            false => Ok(Found::Busy(Some(error))),
        },
        // Whom we saw is dead, and a remover that took the companion, too: without us the next look finds nobody.
        Err(error) if error.os_error() == Some(libc::ENOENT) => Ok(Found::Busy(Some(error))),
        Err(error) => Err(error),
    }
}

/// Makes the companion of a segment again that nobody else is attached to: the caller holds the write lock on its life
/// byte. `false`: another segment's users lock what has its name.
fn remake_companion(folder: &Folder, segment: &File, header: &Header, stat: &Stat) -> io::Result<bool> {
    let name = companion_name(&header.instance)?;
    let flags = libc::O_RDWR | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    match file::open_at(Some(&folder.file), &name, flags, 0) {
        Ok(other) if file::is_locked_from(&other, lock_byte::LIFE)? => return Ok(false),
        Ok(_) => file::unlink_at(&folder.file, &name)?,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => return Err(cause),
    }
    let companion = file::open_at(Some(&folder.file), &name, flags | libc::O_CREAT | libc::O_EXCL, 0o600)?;
    // The sweep of others leaves it alone while it is locked; then the segment must name it.
    if !file::try_lock(&companion, LockKind::Read, lock_byte::LIFE)? {
        return Ok(false);
    }
    let is_groups = stat.permissions() & 0o020 != 0;
    if is_groups {
        file::set_group(&companion, stat.gid)?;
    }
    file::set_mode(&companion, if is_groups { 0o660 } else { 0o600 })?;
    file::reserve(&companion, 0, super::mapping::page_bytes() as u64)?;
    let inode = file::stat(&companion)?.inode;
    segment.write_all_at(&inode.to_ne_bytes(), std::mem::offset_of!(Header, companion_ino) as u64)?;
    Ok(true)
}

/// A segment in a file lies in a folder of the user's: looking through that is left to a clean-up that is asked for.
fn lies_among_others(plan: &Plan) -> bool {
    plan.backing == BackingKind::File as u8
}

pub(super) fn no_segment_at(path: &str) -> Error {
    let what = format!("the file {path} is not a Cotenant segment, and was left alone");
    Error::new(ErrorKind::Foreign, what).hint(OTHER_PATH)
}

pub(super) fn is_segment(file: &File) -> bool {
    let mut page = [0_u8; HEADER_BYTES];
    read_up_to(file, &mut page).is_ok_and(|bytes| Header::has_magic(&page[..bytes]))
}

/// Says why a file cannot be locked, where the file system is the reason.
fn lock_error(file: &File, cause: io::Error) -> io::Error {
    match cause.raw_os_error() {
        Some(libc::EINVAL | libc::ENOLCK | libc::EOPNOTSUPP | libc::ENOSYS) => io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "its file system ({}) has no open-file-description locks ({cause}), by which the dead are told from \
                 the living",
                file_system::name(file)
            ),
        ),
        _ => cause,
    }
}

fn no_locks(path: &str, cause: &io::Error) -> Error {
    Error::system(format!("lock the segment {path}"), cause)
        .hint("the file system must have open-file-description locks: use a tmpfs folder (COTENANT_DIR)")
}

fn check_owner(stat: &Stat, plan: &Plan, path: &str) -> Result<()> {
    let user = process::effective_uid();
    let foreign = |why: String| {
        let hint = if lies_among_others(plan) { OTHER_PATH } else { "remove it, or use another name or scope" };
        Err(Error::new(ErrorKind::Foreign, format!("{path} {why}")).hint(hint))
    };
    if !stat.is_regular() {
        return foreign("is not a regular file".into());
    }
    if plan.mode & 0o020 == 0 && stat.uid != user {
        return foreign(format!("belongs to user {}, not to {user}", stat.uid));
    }
    if stat.permissions() & 0o022 & !plan.mode != 0 {
        return foreign(format!(
            "can be written by others (mode {:o}), which this program does not allow (mode {:o})",
            stat.permissions(),
            plan.mode
        ));
    }
    Ok(())
}

/// Of a segment for a group: whether its file is that group's. Where others than its members can put files, a user
/// may put one of its own there, and even one with this group, made elsewhere: there it must be ours or root's.
fn check_group(folder: &Folder, stat: &Stat, plan: &Plan, path: &str) -> Result<()> {
    let Audience::Group(gid) = super::attach::audience(plan)? else { return Ok(()) };
    let foreign = |why: String| {
        Err(Error::new(ErrorKind::Foreign, format!("{path} {why}"))
            .hint("remove it, or use a folder that only the group can write"))
    };
    let around = file::stat(&folder.file)
        .map_err(|cause| Error::system(format!("look at the folder {}", folder.path.display()), &cause))?;
    // A folder with the bit gives its group to what is made there, if no other was asked for.
    let is_folders = plan.group.is_none() && around.permissions() & 0o2000 != 0 && stat.gid == around.gid;
    if stat.gid != gid && !is_folders {
        return foreign(format!("is for group {}, not for {gid}", stat.gid));
    }
    let may_strangers_put_files =
        around.permissions() & 0o002 != 0 || around.permissions() & 0o020 != 0 && around.gid != stat.gid;
    let user = process::effective_uid();
    if may_strangers_put_files && stat.uid != user && stat.uid != 0 {
        return foreign(format!("belongs to user {}, not to {user}, and lies where others can put files", stat.uid));
    }
    Ok(())
}

/// Named blocks and segments of objects have their names in common.
pub(super) fn check_kind(header: &Header, plan: &Plan, path: &str) -> Result<()> {
    const OBJECTS: u8 = SegmentKind::Objects as u8;
    let what = match (header.kind, plan.kind) {
        (OBJECTS, SegmentKind::Block | SegmentKind::Image) => "holds objects of a `Segment`, not variables of a block",
        (kind, SegmentKind::Objects) if kind != OBJECTS => "holds variables of a `shared!` block, not objects",
        (OBJECTS, _) if header.backing != plan.backing => "was made with another backing",
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::Mismatch, format!("the segment {path} {what}"))
        .hint("both have their names in common: give one of them another name, or another scope"))
}

pub(super) fn read_up_to(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], done as u64) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(done)
}

/// The caller holds the write lock on the life byte: nobody maps this. The name is removed if it still is this file's.
pub(super) fn remove_dead(folder: &Folder, name: &CStr, stat: &Stat, header: &[u8]) -> io::Result<()> {
    if !file::stat_at(&folder.file, name).is_ok_and(|there| there.same_file(stat)) {
        return Ok(());
    }
    sysv::remove_memory(folder, name, header);
    file::unlink_at(&folder.file, name)?;
    if let Some(companion) = companion_in(header) {
        // Last: without it a segment that is kept could not be opened. Killed before it: no segment names it, so the
        // sweeps find it.
        remove_temporary(folder, Some(&companion?));
    }
    Ok(())
}

/// The name of the companion that these bytes of a header speak of.
pub(super) fn companion_in(header: &[u8]) -> Option<io::Result<CString>> {
    const INSTANCE: usize = std::mem::offset_of!(Header, instance);
    const COMPANION: usize = std::mem::offset_of!(Header, companion_ino);
    let instance = header.get(INSTANCE..)?.first_chunk::<16>()?;
    let has_one = header.get(COMPANION..)?.first_chunk::<8>()? != &[0; 8];
    has_one.then(|| companion_name(instance))
}

pub(super) fn open_companion(folder: &Folder, header: &Header, path: &str) -> Result<Option<(CString, Stat)>> {
    if header.companion_ino == 0 {
        return Ok(None);
    }
    let failed = |cause: io::Error| {
        Error::system(format!("open the file of locks beside {path}"), &cause)
            .hint("it was removed while the segment is in use: end the programs that use it")
    };
    let name = companion_name(&header.instance).map_err(failed)?;
    let flags = libc::O_RDWR | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let stat = file::open_at(Some(&folder.file), &name, flags, 0).and_then(|file| file::stat(&file)).map_err(failed)?;
    if stat.inode != header.companion_ino {
        return Err(failed(io::Error::other("it is another file than at creation")));
    }
    Ok(Some((name, stat)))
}

pub(super) fn unix_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::segment::Segment;

    /// Who opened the file before its name was taken, and locks it after, must not share with those alone who leave.
    #[test]
    fn file_that_lost_its_name_after_it_was_opened_is_not_joined() {
        let parent = tempfile::tempdir_in("/dev/shm").expect("a folder");
        let options = Segment::options().folder(parent.path()).max_bytes(1 << 20);
        let _lives = options.create("it").expect("a segment");
        let folder = super::super::folder::open_given(parent.path()).expect("the folder");
        let opened = || file::open_at(Some(&folder.file), c"it", libc::O_RDWR, 0).expect("the segment");
        let (before, after) = (opened(), opened());
        let join = |found| {
            let joined = |request: &crate::segment::request::Request<'_>| {
                join(&folder, c"it", found, request.plan, Opening::Open)
            };
            options.with_request("it", Opening::Open, joined)
        };
        assert!(matches!(join(before), Ok(Found::Open(_))));
        options.unlink("it").expect("it is there");
        assert!(matches!(join(after), Ok(Found::Gone)));
    }
}
