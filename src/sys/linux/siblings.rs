//! Segments of one name in the other folders of this user: who asks for another mode looks elsewhere.
//!
//! ```text
//! mode 0600   /dev/shm/cotenant-UID/x               the name of a segment is one, its folders are three:
//! mode 0644   /dev/shm/cotenant-readable-UID/x      before one is made (or said not to be there), the others
//! mode 0660   /dev/shm/cotenant-group-GID/x         are looked into
//! ```
//!
//! Only looked at, never changed. In a group's folder any member may put what it likes: what lies there is never
//! joined from here, and keeps nobody from making a segment unless this user made it.

use std::ffi::CStr;
use std::path::Path;

use super::catalog;
use super::file::{self, Holder, Stat, lock_byte};
use super::folder::{self, Audience, Folder};
use super::{process, segment_file};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::{HEADER_BYTES, Header};
use crate::segment::plan::Plan;

/// A segment of that name in another folder.
pub(super) struct Sibling {
    pub(super) folder: Folder,
    stat: Stat,
    is_groups: bool,
    path: String,
}

/// What there is of that name beside `here`: segments in use, and kept ones.
pub(super) fn of(option: Option<&Path>, here: &Folder, name: &CStr) -> Result<Vec<Sibling>> {
    let failed = |cause| Error::system(format!("look at the folder {}", here.path.display()), &cause);
    let mut seen = vec![file::stat(&here.file).map_err(failed)?];
    let groups = catalog::groups().into_iter().map(Audience::Group);
    let audiences: Vec<_> = [Audience::Own, Audience::Readable].into_iter().chain(groups).collect();
    let mut found = Vec::new();
    for (folder, audience) in folder::present_for(option, &audiences, process::effective_uid())? {
        let Ok(stat) = file::stat(&folder.file) else { continue };
        // A folder that was given is everybody's.
        if seen.iter().any(|known| known.same_file(&stat)) {
            continue;
        }
        seen.push(stat);
        if let Some(stat) = in_use(&folder, name) {
            let path = folder.path_of(name);
            found.push(Sibling { folder, stat, is_groups: matches!(audience, Audience::Group(_)), path });
        }
    }
    Ok(found)
}

/// A segment that a process is attached to, or that is kept. What cannot be read is none of ours.
fn in_use(folder: &Folder, name: &CStr) -> Option<Stat> {
    let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = file::open_at(Some(&folder.file), name, flags, 0).ok()?;
    let stat = file::stat(&file).ok().filter(Stat::is_regular)?;
    let mut page = [0_u8; HEADER_BYTES];
    let bytes = segment_file::read_up_to(&file, &mut page).ok()?;
    if !Header::has_magic(&page[..bytes]) {
        return None;
    }
    let is_kept = page[std::mem::offset_of!(Header, keep)] != 0;
    let is_in_use = is_kept || matches!(file::holder(&file, lock_byte::LIFE), Ok(Holder::Reader));
    is_in_use.then_some(stat)
}

impl Sibling {
    fn is_ours(&self) -> bool {
        self.stat.uid == process::effective_uid()
    }

    pub(super) fn mode(&self) -> u32 {
        self.stat.permissions()
    }

    fn described(&self) -> String {
        let group = if self.is_groups { format!(", group {}", self.stat.gid) } else { String::new() };
        format!("{} (mode 0o{:o}{group})", self.path, self.mode())
    }

    fn advice(&self) -> String {
        let group = if self.is_groups { format!(".group(\"{}\")", self.stat.gid) } else { String::new() };
        format!("`mode(0o{:o}){group}`", self.mode())
    }
}

/// Whether one that leaves the mode open may take the only sibling as it is: this user's, and written by nobody else.
fn may_be_joined(sibling: &Sibling) -> bool {
    !sibling.is_groups && sibling.is_ours() && sibling.mode() & 0o022 == 0
}

/// What becomes of a request for a segment that is not in its own folder: the sibling to join instead, or none, or why
/// neither.
pub(super) fn choose(found: Vec<Sibling>, plan: &Plan, mode_is_given: bool, makes: bool) -> Result<Option<Sibling>> {
    // Others of a group must not keep this user from making one.
    let mut found: Vec<_> = found.into_iter().filter(|sibling| !makes || sibling.is_ours()).collect();
    if found.len() > 1 {
        let all: Vec<_> = found.iter().map(Sibling::described).collect();
        let what = format!("there are several segments of the name `{}`: {}", plan.name, all.join(" and "));
        return Err(Error::new(ErrorKind::Mismatch, what)
            .hint("programs gave different modes: let them agree on one, and end those that use the other"));
    }
    match found.pop() {
        Some(sibling) if !mode_is_given && may_be_joined(&sibling) => Ok(Some(sibling)),
        Some(sibling) => Err(differs(&sibling, plan)),
        None => Ok(None),
    }
}

fn differs(sibling: &Sibling, plan: &Plan) -> Error {
    let what = format!(
        "there is a segment of the name `{}` with another mode: {}, and this program asks for mode 0o{:o}",
        plan.name,
        sibling.described(),
        plan.mode
    );
    Error::new(ErrorKind::Mismatch, what)
        .hint(format!("give {} to share it, or take another name or scope", sibling.advice()))
}

/// Refuses to make a segment beside one in use.
pub(super) fn refuse(found: &[Sibling]) -> Result<()> {
    match found.iter().find(|sibling| sibling.is_ours()) {
        None => Ok(()),
        Some(sibling) => {
            let what = format!("there is a segment {} already", sibling.described());
            Err(Error::new(ErrorKind::AlreadyExists, what).hint("it is kept, or programs are attached to it"))
        }
    }
}

/// A mode, and a group, that were asked for must be those of the segment that was found.
pub(super) fn check_asked(plan: &Plan, stat: &Stat, path: &str) -> Result<()> {
    let group = segment_file::group_of(plan).ok().flatten();
    let other_group = group.filter(|group| *group != stat.gid);
    if stat.permissions() == plan.mode && other_group.is_none() {
        return Ok(());
    }
    let groups = other_group.map_or((String::new(), String::new()), |group| {
        (format!(" and group {}", stat.gid), format!(" and group {group}"))
    });
    let what = format!(
        "the segment {path} has mode 0o{:o}{}, and this program asks for mode 0o{:o}{}",
        stat.permissions(),
        groups.0,
        plan.mode,
        groups.1
    );
    Err(Error::new(ErrorKind::Mismatch, what)
        .hint("leave `mode` out to take it as it is, let the programs agree, or take another name or scope"))
}
