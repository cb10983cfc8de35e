//! Segments that no folder lists, found through the processes that map them: unlinked ones, memfds, anonymous memory,
//! and those in folders of another COTENANT_DIR.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cotenant::inspect::live::LiveSegment;

use super::census::{Census, FileKey, Mapped};
use super::row::Row;
use super::view::View;

/// Bytes of a header: what is mapped less is no segment, though it may be a page of one.
const HEADER_BYTES: u64 = 4096;

/// Segments that are mapped and not among `known`: of the view's user and mount namespace, or of all.
pub(crate) fn find(view: &View, census: &Census, known: &BTreeSet<FileKey>, all: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for (key, mapped) in census.files() {
        if known.contains(&key) || !may_be_one(mapped) {
            continue;
        }
        let is_wanted = |mapped: &&Mapped| {
            census.process(mapped.pid).is_some_and(|process| {
                let same_user = view.uid.is_some_and(|uid| uid == process.uid);
                let same_place = view.mount_namespace.is_some() && view.mount_namespace == process.mount_namespace;
                all && !view.is_elsewhere() || same_place && (same_user || all)
            })
        };
        if mapped.iter().any(|mapped| is_wanted(&mapped)) {
            rows.extend(read(mapped, census));
        }
    }
    let backing = |row: &Row| row.description().map(|it| it.backing);
    rows.sort_by_cached_key(|row| (row.folder.clone(), backing(row), row.state.rank(), row.label()));
    rows
}

/// Whether it is worth opening. Devices are not: opening one may do something.
fn may_be_one(mapped: &[Mapped]) -> bool {
    let Some(first) = mapped.first() else { return false };
    let path = first.path.as_str();
    let is_anonymous = first.is_deleted && path == "/dev/zero";
    let is_file = path.starts_with('/') && (!path.starts_with("/dev/") || path.starts_with("/dev/shm/"));
    let has_header = mapped.iter().any(|mapped| header_of(mapped).is_some());
    (is_file || is_anonymous) && has_header && !path.contains("/.locks-")
}

/// The part that begins the file.
fn header_of(mapped: &Mapped) -> Option<&cotenant::inspect::live::MappedPart> {
    mapped.parts.iter().find(|part| part.at == 0 && part.bytes >= HEADER_BYTES)
}

/// By the file, if it may be opened, else through the memory of a process.
fn read(mapped: &[Mapped], census: &Census) -> Option<Row> {
    let first = mapped.first()?;
    let shown = if first.is_deleted { format!("{} (deleted)", first.path) } else { first.path.clone() };
    let segment = mapped.iter().find_map(|mapped| by_link(mapped, &shown)).or_else(|| {
        mapped.iter().find_map(|mapped| LiveSegment::read_of_process(mapped.pid, mapped.parts.clone(), &shown).ok())
    })?;
    let mut row = Row::of_processes(String::new(), segment, mapped, census);
    if first.path == "/dev/zero" {
        row.file_name = "(anonymous memory)".to_owned();
        return Some(row);
    }
    let path = Path::new(&first.path);
    row.file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    row.folder = path.parent().filter(|_| !is_a_label(&first.path)).map(Path::to_owned).unwrap_or_default();
    Some(row)
}

/// What the system calls memory that lies in no folder.
fn is_a_label(path: &str) -> bool {
    path.starts_with("/memfd:") || path.starts_with("/SYSV")
}

fn by_link(mapped: &Mapped, shown: &str) -> Option<LiveSegment> {
    let part = header_of(mapped)?;
    let end = part.address.checked_add(part.bytes)?;
    let link = PathBuf::from(format!("/proc/{}/map_files/{:x}-{end:x}", mapped.pid, part.address));
    // Looked at first: opening waits for no regular file, and does nothing to it.
    let is_file = std::fs::metadata(&link).is_ok_and(|stat| stat.is_file());
    if is_file {
        if let Ok(segment) = LiveSegment::open_of_process(&link, shown) {
            return Some(segment);
        }
    }
    // Those links are root's; with a name it can be opened by it.
    let named = PathBuf::from(format!("/proc/{}/root{}", mapped.pid, mapped.path));
    let is_file = !mapped.is_deleted && std::fs::symlink_metadata(&named).is_ok_and(|stat| stat.is_file());
    is_file.then(|| LiveSegment::open(&named).ok()).flatten()
}
