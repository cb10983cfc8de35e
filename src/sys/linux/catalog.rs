//! Which segments lie in the folders of this user, and the removal of names.
//!
//! Headers and participants are read with pread(2), through descriptions that hold no lock: nothing is mapped, and a
//! file that is cut short meanwhile is a short read.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::file::{self, Holder, LockKind, Stat, lock_byte};
use super::folder::{self, Audience, Folder};
use super::leftovers::{self, Dead};
use super::{process, segment_file, sysv};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::backing::Keep;
use crate::segment::header::{BackingKind, HEADER_BYTES, Header, PARTICIPANT_BYTES, SegmentKind};
use crate::segment::list::{Contents, Leftover, PruneOptions, Pruned, SegmentInfo};
use crate::segment::participant::Participant;

/// How often the removal of a name starts over, some two seconds in all.
const ATTEMPTS: u32 = 120;

/// The folders where this user's programs put segments: private, readable, those of its groups.
fn folders(option: Option<&Path>) -> Result<Vec<Folder>> {
    let mut found: Vec<Folder> = Vec::new();
    let groups = groups().into_iter().map(Audience::Group);
    for audience in [Audience::Own, Audience::Readable].into_iter().chain(groups) {
        for folder in folder::present(option, audience, process::effective_uid())? {
            if !found.iter().any(|known| known.path == folder.path) {
                found.push(folder);
            }
        }
    }
    Ok(found)
}

/// The groups that this process belongs to ([`getgroups(2)`](https://man7.org/linux/man-pages/man2/getgroups.2.html)).
#[doc(alias = "getgroups")]
pub(super) fn groups() -> Vec<u32> {
    let mut groups = vec![0; 65_536];
    // SAFETY: the buffer has room for as many as the system allows (NGROUPS_MAX).
    let count = unsafe { libc::getgroups(groups.len() as i32, groups.as_mut_ptr()) };
    groups.truncate(usize::try_from(count).unwrap_or(0));
    groups.push(process::effective_gid());
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// The segments in `option`, or in all folders of this user.
pub(crate) fn list(option: Option<PathBuf>) -> Result<Vec<SegmentInfo>> {
    let mut found = Vec::new();
    for folder in folders(option.as_deref())? {
        for name in names_in(&folder)? {
            let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
            // What is gone, a link, or may not be read is not listed.
            let Ok(file) = file::open_at(Some(&folder.file), &name, flags, 0) else { continue };
            found.extend(describe(&folder, &name, &file));
        }
    }
    Ok(found)
}

fn names_in(folder: &Folder) -> Result<Vec<CString>> {
    let entries = std::fs::read_dir(&folder.path)
        .map_err(|cause| Error::system(format!("list the folder {}", folder.path.display()), &cause))?;
    Ok(entries.flatten().filter_map(|entry| file::c_string(entry.file_name().as_bytes()).ok()).collect())
}

fn path_in(folder: &Folder, name: &CStr) -> PathBuf {
    folder.path.join(OsStr::from_bytes(name.to_bytes()))
}

/// What the file says; `None` if it is no segment.
fn describe(folder: &Folder, name: &CStr, file: &File) -> Option<SegmentInfo> {
    let stat = file::stat(file).ok().filter(Stat::is_regular)?;
    let mut page = [0_u8; HEADER_BYTES];
    let bytes = segment_file::read_up_to(file, &mut page).ok()?;
    if !Header::has_magic(&page[..bytes]) {
        return None;
    }
    let path = path_in(folder, name);
    // The size again: one who makes it grow says so in the header afterwards.
    let size = file::stat(file).map_or(stat.bytes, |stat| stat.bytes);
    let checked = Header::check(&page[..bytes], size, &path.display());
    let mut info = SegmentInfo {
        path,
        name: String::new(),
        scope: String::new(),
        contents: Contents::Unknown,
        backing: "posix",
        file_bytes: stat.bytes,
        allocated_bytes: stat.allocated_bytes,
        used_bytes: 0,
        max_bytes: 0,
        created: UNIX_EPOCH,
        keep: Keep::WhileAttached,
        mode: stat.permissions(),
        uid: stat.uid,
        gid: stat.gid,
        is_alive: !matches!(file::holder(file, lock_byte::LIFE), Ok(Holder::Nobody)),
        participants: Vec::new(),
        damage: None,
    };
    match checked {
        Err(damage) => info.damage = Some(damage.to_string()),
        Ok(header) => fill_in(&mut info, &header, folder, file),
    }
    Some(info)
}

fn fill_in(info: &mut SegmentInfo, header: &Header, folder: &Folder, file: &File) {
    const IMAGE: u8 = SegmentKind::Image as u8;
    const BLOCK: u8 = SegmentKind::Block as u8;
    const OBJECTS: u8 = SegmentKind::Objects as u8;
    const SYSV: u8 = BackingKind::SysV as u8;
    const FILE: u8 = BackingKind::File as u8;
    info.name = text(&header.name);
    info.scope = text(&header.scope);
    info.contents = match header.kind {
        IMAGE => Contents::Image,
        BLOCK => Contents::Block,
        OBJECTS => Contents::Objects,
        _ => Contents::Unknown,
    };
    info.backing = match header.backing {
        SYSV => "system v",
        FILE => "file",
        _ => "posix",
    };
    // Of System V memory the file is the companion: what changes lies in the memory.
    let memory = file::stat(file).ok().and_then(|stat| sysv::look(header, &stat));
    if let Some((header, _)) = &memory {
        (info.file_bytes, info.allocated_bytes) = (header.max_bytes, info.allocated_bytes + header.max_bytes);
    }
    info.used_bytes = memory.as_ref().map_or(header.data_bytes, |(header, _)| header.data_bytes);
    info.max_bytes = header.max_bytes;
    info.created = UNIX_EPOCH.checked_add(Duration::from_nanos(header.created_unix_ns)).unwrap_or(UNIX_EPOCH);
    info.keep = if header.keep == 0 { Keep::WhileAttached } else { Keep::UntilRemoved };
    let entries = memory.map_or_else(|| read_entries(header, file), |(_, entries)| entries);
    info.participants = participants(header, &entries, folder, file);
}

/// The entries of the participants, as far as they have memory.
fn read_entries(header: &Header, file: &File) -> Vec<u8> {
    let reserved = header.participants_reserved.min(header.participants_max);
    let mut entries = vec![0; reserved as usize * PARTICIPANT_BYTES as usize];
    if file.read_exact_at(&mut entries, header.participants_at).is_err() {
        entries.clear();
    }
    entries
}

/// Zero-filled text of somebody else's, with what cannot be printed replaced.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The tenants of slots that are locked; where the locks may not be asked, those whose process is there.
fn participants(header: &Header, entries: &[u8], folder: &Folder, file: &File) -> Vec<Participant> {
    let locks = match segment_file::companion_name(&header.instance) {
        Ok(name) if header.companion_ino != 0 => {
            file::open_at(Some(&folder.file), &name, libc::O_RDONLY | libc::O_NOFOLLOW, 0).ok()
        }
        _ => file.try_clone().ok(),
    };
    let entries = entries.chunks_exact(PARTICIPANT_BYTES as usize).zip(1..);
    entries.filter_map(|(entry, slot)| participant(entry, slot, locks.as_ref())).collect()
}

/// `docs/format.md`, "Participant".
fn participant(entry: &[u8], slot: u32, locks: Option<&File>) -> Option<Participant> {
    let word32 = |at: usize| entry.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
    let word64 = |at: usize| entry.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_ne_bytes);
    let (pid, attached_ns, namespace) = (word32(4)?, word64(8)?, word64(16)?);
    let is_there = || process::is_gone(pid, Some(attached_ns)) == Some(false);
    let lives = match locks {
        _ if pid == 0 => false,
        Some(locks) => file::is_write_locked(locks, lock_byte::SLOT + i64::from(slot)).unwrap_or(false),
        None => is_there(),
    };
    lives.then(|| Participant {
        slot,
        pid,
        program: text(&entry[24..48]),
        same_pid_namespace: if namespace == 0 { is_there() } else { namespace == process::pid_namespace() },
    })
}

/// Removes what the dead left, as far as this user may.
pub(crate) fn prune(options: &PruneOptions) -> Result<Vec<Pruned>> {
    let mut pruned = Vec::new();
    for folder in folders(options.folder.as_deref())? {
        // Segments first: a dead one takes its companion along, and what is left has no segment.
        let (leftovers, segments): (Vec<_>, Vec<_>) =
            names_in(&folder)?.into_iter().partition(|name| leftovers::is_of_a_maker(name));
        for name in segments.iter().chain(&leftovers) {
            let flags = libc::O_RDWR | libc::O_NOFOLLOW | libc::O_NONBLOCK;
            let Ok(file) = file::open_at(Some(&folder.file), name, flags, 0) else { continue };
            let Ok(stat) = file::stat(&file) else { continue };
            let found = leftovers::find_dead(&folder, name, &file, options.kept_too);
            let Some(dead) = found else { continue };
            let allocated_bytes = stat.allocated_bytes.saturating_add(dead.memory_bytes());
            if options.dry_run || dead.remove(&folder, name).is_ok() {
                let leftover = match dead {
                    Dead::Segment { is_kept: true, .. } => Leftover::Kept,
                    Dead::Segment { .. } => Leftover::Dead,
                    Dead::Unfinished => Leftover::Unfinished,
                    Dead::Locks => Leftover::Locks,
                };
                pruned.push(Pruned { path: path_in(&folder, name), leftover, allocated_bytes });
            }
        }
    }
    Ok(pruned)
}

/// Takes the name from the segment at `path`, in use or not.
pub(crate) fn unlink(path: &Path) -> Result<()> {
    let invalid = || Error::new(ErrorKind::InvalidInput, format!("{} is no path of a segment", path.display()));
    let parent = path.parent().ok_or_else(invalid)?;
    let name = file::c_string(path.file_name().ok_or_else(invalid)?.as_bytes()).map_err(|_| invalid())?;
    let parent = file::c_string(parent.as_os_str().as_bytes()).map_err(|_| invalid())?;
    let flags = libc::O_RDONLY | libc::O_DIRECTORY;
    let file = file::open_at(None, if parent.is_empty() { c"." } else { &parent }, flags, 0);
    let file = file.map_err(|cause| cannot_unlink(path, &cause))?;
    unlink_in(&Folder { path: path.parent().unwrap_or(Path::new("")).to_owned(), file }, &name)
}

fn cannot_unlink(path: &Path, cause: &io::Error) -> Error {
    if cause.kind() == io::ErrorKind::NotFound {
        return Error::new(ErrorKind::NotFound, format!("there is no segment {}", path.display()));
    }
    Error::system(format!("remove the segment {}", path.display()), cause)
}

/// As [`unlink`], in an open folder.
pub(super) fn unlink_in(folder: &Folder, name: &CStr) -> Result<()> {
    let path = path_in(folder, name);
    let failed = |cause: io::Error| cannot_unlink(&path, &cause);
    for attempt in 0..ATTEMPTS {
        let flags = libc::O_RDWR | libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = file::open_at(Some(&folder.file), name, flags, 0).map_err(failed)?;
        let mut page = [0_u8; HEADER_BYTES];
        let bytes = segment_file::read_up_to(&file, &mut page).map_err(failed)?;
        if !Header::has_magic(&page[..bytes]) {
            let what = format!("{} is not a Cotenant segment, and is left alone", path.display());
            return Err(Error::new(ErrorKind::Foreign, what));
        }
        if let Some(dead) = leftovers::find_dead(folder, name, &file, true) {
            return dead.remove(folder, name).map_err(failed);
        }
        // In use. A read lock keeps those away who find it dead, once its users are gone; the other lock keeps away
        // those who unlink as we do. So the name is this file's until we take it. Killed before that: nothing happened.
        let is_held = file::try_lock(&file, LockKind::Read, lock_byte::LIFE).map_err(failed)?;
        let unlinking = lock_unlinking(folder, &page[..bytes], &file, attempt).map_err(failed)?;
        if is_held && unlinking.is_some() {
            let stat = file::stat(&file).map_err(failed)?;
            if file::stat_at(&folder.file, name).is_ok_and(|there| there.same_file(&stat)) {
                sysv::remove_memory(folder, name, &page[..bytes]);
                if unlink_only(folder, name, &stat).map_err(failed)? {
                    return Ok(());
                }
            }
        } else {
            std::thread::sleep(Duration::from_micros(50 << attempt.min(9)));
        }
    }
    Err(Error::new(ErrorKind::Busy, format!("the segment {} is being removed by somebody else", path.display()))
        .hint("look for a stopped program of this user"))
}

/// Takes the name from this file and from no other: at the last attempt the lock of those who unlink was not waited
/// for, and who was stopped under it may have gone on. So the file gets a name that nobody looks for, is looked at, and
/// gets its own back if it is another. `false`: it was another. (Killed on the way: sweeps know the name.)
fn unlink_only(folder: &Folder, name: &CStr, stat: &Stat) -> io::Result<bool> {
    let chance = u128::from_le_bytes(process::random()?) as u64;
    let dead = file::c_string(format!(".dead-{chance:016x}").as_bytes())?;
    file::rename_new(&folder.file, name, &dead)?;
    if file::stat_at(&folder.file, &dead).is_ok_and(|there| there.same_file(stat)) {
        return file::unlink_at(&folder.file, &dead).map(|()| true);
    }
    // Should somebody have made a third one meanwhile, this one stays without a name: its users notice, and a sweep
    // takes it when they are gone.
    let _ = file::rename_new(&folder.file, &dead, name);
    Ok(false)
}

/// The lock of those who unlink, where readers cannot reach it: held until the result is closed.
fn lock_unlinking(folder: &Folder, header: &[u8], segment: &File, attempt: u32) -> io::Result<Option<File>> {
    let companion = match segment_file::companion_in(header) {
        Some(name) => file::open_at(Some(&folder.file), &name?, libc::O_RDWR | libc::O_NOFOLLOW, 0).ok(),
        None => None,
    };
    // A companion that was removed by hand cannot be asked by anybody else either.
    let lock = companion.map_or_else(|| segment.try_clone(), Ok)?;
    // Somebody who was stopped inside must not keep the name for ever.
    let is_ours = file::try_lock(&lock, LockKind::Write, lock_byte::UNLINK)? || attempt + 1 == ATTEMPTS;
    Ok(is_ours.then_some(lock))
}
