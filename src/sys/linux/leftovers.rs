//! What killed or replaced programs left in the folder, and how it is told from what is in use: by its locks.
//!
//! Nothing here decides by age or process id. Whoever creates something takes the matching leftovers with it.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::file::{self, LockKind, Stat, lock_byte};
use super::folder::Folder;
use super::reopen::Reopen;
use super::{process, segment_file, sysv};
use crate::segment::header::{HEADER_BYTES, Header};
use crate::segment::request::is_makers_name;

/// Dead segments that one creator looks for. A build leaves at most one, and each new build takes some away.
const LOOKED_AT: usize = 4;

/// Removes dead segments of other builds: a rebuilt program has another name, and nobody comes back for the old one.
/// Looks at a few in turn, from a place of chance, so that a full folder costs no start much.
pub(super) fn sweep_dead_images(folder: &Folder, own: &CStr) {
    let entries = std::fs::read_dir(&folder.path).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
    names.retain(|name| name.as_encoded_bytes().starts_with(b"image-") && name.as_encoded_bytes() != own.to_bytes());
    let Ok(chance) = process::random() else { return };
    for i in 0..names.len().min(LOOKED_AT) {
        let at = (usize::from(chance[0]) * 256 + usize::from(chance[1]) + i) % names.len();
        let Ok(name) = file::c_string(names[at].as_encoded_bytes()) else { continue };
        if let Ok(segment) = file::open_at(Some(&folder.file), &name, libc::O_RDWR | libc::O_NOFOLLOW, 0) {
            remove_if_dead(folder, &name, &segment);
        }
    }
}

/// Removes a segment that this process has let go of, unless somebody else maps it or it is kept.
pub(super) fn remove_if_left(segment: &Reopen) {
    let Reopen::ByPath { path, stat } = segment else { return };
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
    let Ok(name) = file::c_string(name.as_bytes()) else { return };
    let Ok(parent) = file::c_string(parent.as_os_str().as_bytes()) else { return };
    let Ok(folder) = file::open_at(None, &parent, libc::O_RDONLY | libc::O_DIRECTORY, 0) else { return };
    let folder = Folder { path: OsStr::from_bytes(parent.to_bytes()).into(), file: folder };
    if let Ok(there) = file::open_at(Some(&folder.file), &name, libc::O_RDWR | libc::O_NOFOLLOW, 0) {
        if file::stat(&there).is_ok_and(|there| there.same_file(stat)) {
            remove_if_dead(&folder, &name, &there);
        }
    }
}

/// What nobody uses any more.
pub(super) enum Dead {
    /// The description that it was found with holds the write lock on its life byte.
    Segment {
        is_kept: bool,
        stat: Stat,
        header: Box<[u8; HEADER_BYTES]>,
    },
    Unfinished,
    Locks,
}

/// Whether a file has a name that only makers and removers of segments give.
pub(super) fn is_of_a_maker(name: &CStr) -> bool {
    is_makers_name(name.to_bytes())
}

/// Tells whether `file`, open for writing, is dead. If it is, it stays locked until it is closed: nobody joins it.
pub(super) fn find_dead(folder: &Folder, name: &CStr, file: &File, kept_too: bool) -> Option<Dead> {
    let is_free = || file::try_lock(file, LockKind::Write, lock_byte::LIFE).unwrap_or(false);
    let stat = file::stat(file).ok().filter(Stat::is_regular)?;
    let mut header = Box::new([0_u8; HEADER_BYTES]);
    let bytes = segment_file::read_up_to(file, &mut header[..]).ok()?;
    let is_of_a_maker = is_of_a_maker(name);
    if is_of_a_maker && name.to_bytes().starts_with(b".locks-") {
        // The maker holds it until the segment has its name; slots are locked when the segment was unlinked in use.
        let is_abandoned = is_free()
            && !file::is_locked_from(file, lock_byte::SLOT).unwrap_or(true)
            && matches!(has_segment(folder, stat.inode), Ok(false));
        return is_abandoned.then_some(Dead::Locks);
    }
    let is_whole = bytes == HEADER_BYTES && Header::has_magic(&header[..]);
    // Whoever took a segment's name was killed before it took this one, too. Its users may live.
    let is_removed = is_of_a_maker && name.to_bytes().starts_with(b".dead-");
    if is_of_a_maker && !(is_removed && is_whole) {
        return is_free().then_some(Dead::Unfinished);
    }
    let is_kept = !is_removed && header[std::mem::offset_of!(Header, keep)] != 0;
    // The steps of joining that find everybody dead.
    (is_whole && (kept_too || !is_kept) && is_free()).then_some(Dead::Segment { is_kept, stat, header })
}

impl Dead {
    /// Bytes of memory that are no part of the file, and go with it: of a System V segment.
    pub(super) fn memory_bytes(&self) -> u64 {
        let Dead::Segment { stat, header, .. } = self else { return 0 };
        let header = Header::check(&header[..], stat.bytes, &"").ok();
        header.and_then(|header| sysv::look(&header, stat)).map_or(0, |(header, _)| header.max_bytes)
    }

    /// Removes it, if the name still is that of the file it was found in.
    pub(super) fn remove(&self, folder: &Folder, name: &CStr) -> io::Result<()> {
        match self {
            Dead::Segment { stat, header, .. } => segment_file::remove_dead(folder, name, stat, &header[..]),
            // Nobody gives these names a second time.
            Dead::Unfinished | Dead::Locks => file::unlink_at(&folder.file, name),
        }
    }
}

/// Removes a segment that nobody is attached to and that is not kept.
fn remove_if_dead(folder: &Folder, name: &CStr, file: &File) {
    if let Some(dead) = find_dead(folder, name, file, false) {
        // Nothing depends on it: what cannot be removed now is found again.
        let _ = dead.remove(folder, name);
    }
}

/// Removes temporary files whose makers were killed.
pub(super) fn sweep_temporaries(folder: &Folder) {
    sweep(folder, b".new-");
}

/// Removes companions whose makers were killed before the segment had its name, or whose removers were.
pub(super) fn sweep_companions(folder: &Folder) {
    sweep(folder, b".dead-");
    sweep(folder, b".locks-");
}

fn sweep(folder: &Folder, start: &[u8]) {
    for (name, file) in files_that_begin(folder, start).filter(|(name, _)| is_of_a_maker(name)) {
        remove_if_dead(folder, &name, &file);
    }
}

/// Whether a segment in `folder` names the companion with this inode. A file that cannot be looked at may be the one:
/// that is an error, because a kept segment without its companion cannot be opened as it was.
fn has_segment(folder: &Folder, companion_ino: u64) -> io::Result<bool> {
    const COMPANION: usize = std::mem::offset_of!(Header, companion_ino);
    for entry in std::fs::read_dir(&folder.path)? {
        let name = file::c_string(entry?.file_name().as_bytes())?;
        match file::stat_at(&folder.file, &name) {
            Ok(stat) if stat.is_regular() => {}
            Ok(_) => continue,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            Err(cause) => return Err(cause),
        }
        let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let segment = match file::open_at(Some(&folder.file), &name, flags, 0) {
            Ok(segment) => segment,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            Err(cause) => return Err(cause),
        };
        let mut header = [0_u8; COMPANION + 8];
        let bytes = segment_file::read_up_to(&segment, &mut header)?;
        if bytes == header.len() && Header::has_magic(&header) && header[COMPANION..] == companion_ino.to_ne_bytes() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The files in `folder` whose names begin with `start`, open; without those that this user may not write.
fn files_that_begin<'a>(folder: &'a Folder, start: &'a [u8]) -> impl Iterator<Item = (CString, File)> + 'a {
    let names = std::fs::read_dir(&folder.path).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter(|name| name.as_encoded_bytes().starts_with(start)).filter_map(|name| {
        let name = file::c_string(name.as_encoded_bytes()).ok()?;
        let flags = libc::O_RDWR | libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = file::open_at(Some(&folder.file), &name, flags, 0).ok()?;
        Some((name, file))
    })
}
