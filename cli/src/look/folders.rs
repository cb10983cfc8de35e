//! The folders in which segments lie (`src/sys/linux/folder.rs` makes them).

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::view::View;

/// Names of one folder that are looked at: a bound on what a hostile one costs.
const NAMES_MAX: usize = 100_000;

/// For whom the segments of a folder are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Audience {
    /// Its owner alone.
    Own,
    /// Its owner writes, others read.
    Readable,
    /// A group writes.
    Group,
    /// Named by COTENANT_DIR.
    Given,
}

/// A folder of segments.
pub(crate) struct Folder {
    /// As processes there name it.
    pub(crate) shown: PathBuf,
    /// How it is reached from here: by descriptor.
    pub(crate) path: PathBuf,
    pub(crate) audience: Audience,
    pub(crate) uid: u32,
    pub(crate) mode: u32,
    /// Keeps `path` meaning this folder.
    _file: File,
}

impl Folder {
    /// Any folder, of somebody who named it.
    pub(super) fn at_path(shown: PathBuf, file: File) -> std::io::Result<Folder> {
        Folder::new(shown, file, Audience::Given)
    }

    /// An error about something in it, by the name that people know.
    pub(crate) fn by_its_name(&self, error: &str) -> String {
        // With the slash: descriptor 1 is not the beginning of descriptor 13.
        error.replace(&format!("{}/", self.path.display()), &format!("{}/", self.shown.display()))
    }

    fn new(shown: PathBuf, file: File, audience: Audience) -> std::io::Result<Folder> {
        let stat = file.metadata()?;
        let (uid, mode) = (stat.uid(), stat.mode() & 0o7777);
        Ok(Folder { shown, path: by_descriptor(&file), audience, uid, mode, _file: file })
    }
}

/// Folders, and those that may not be looked into.
#[derive(Default)]
pub(crate) struct Folders {
    pub(crate) folders: Vec<Folder>,
    /// With the reason.
    pub(crate) closed: Vec<(PathBuf, String)>,
}

/// Finds the folders of the view's user, or of all users.
pub(crate) fn find(view: &View, all: bool) -> Folders {
    let mut found = Folders::default();
    if let Some(given) = &view.given_folder {
        match view.open_folder(given) {
            Ok(file) => add(&mut found, given.clone(), file, Audience::Given),
            // Not made yet: nothing is shared there.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => found.closed.push((given.clone(), error.to_string())),
        }
        if !all {
            return found;
        }
    }
    let shm = view.shm();
    let parent = match view.open_folder(shm) {
        Ok(parent) => parent,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return found,
        Err(error) => {
            found.closed.push((shm.to_owned(), error.to_string()));
            return found;
        }
    };
    let device = parent.metadata().map(|stat| stat.dev()).ok();
    for name in names(&by_descriptor(&parent)) {
        let Some(audience) = audience(&name) else { continue };
        let shown = shm.join(&name);
        let Ok(stat) = std::fs::symlink_metadata(by_descriptor(&parent).join(&name)) else { continue };
        let is_wanted = all || view.uid.is_none_or(|uid| uid == stat.uid()) || audience == Audience::Group;
        // Something planted, or another file system mounted there: no folder of ours.
        if !stat.is_dir() || Some(stat.dev()) != device || !is_wanted {
            continue;
        }
        match view.open_folder(&shown) {
            Ok(file) => add(&mut found, shown, file, audience),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // A group that is not ours has its folder closed to us; that is no news unless all were asked for.
            Err(_) if audience == Audience::Group && !all => {}
            Err(error) => found.closed.push((shown, error.to_string())),
        }
    }
    found
}

fn add(found: &mut Folders, shown: PathBuf, file: File, audience: Audience) {
    let path = by_descriptor(&file);
    // Readable is more than searchable: names must be listed.
    if let Err(error) = std::fs::read_dir(&path) {
        found.closed.push((shown, error.to_string()));
        return;
    }
    let is_known = |folder: &Folder| folder.shown == shown;
    if !found.folders.iter().any(is_known) {
        found.folders.extend(Folder::new(shown, file, audience));
    }
}

/// A path that leads to an open folder, whatever namespace it came from.
pub(crate) fn by_descriptor(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()))
}

/// Names in a folder, sorted. Those that are not UTF-8 are not ours.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(NAMES_MAX);
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn audience(name: &str) -> Option<Audience> {
    let rest = name.strip_prefix("cotenant-")?;
    let (audience, rest) = match (rest.strip_prefix("readable-"), rest.strip_prefix("group-")) {
        (Some(rest), _) => (Audience::Readable, rest),
        (_, Some(rest)) => (Audience::Group, rest),
        _ => (Audience::Own, rest),
    };
    rest.starts_with(|c: char| c.is_ascii_digit()).then_some(audience)
}

impl Audience {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Audience::Own => "own",
            Audience::Readable => "readable",
            Audience::Group => "group",
            Audience::Given => "given",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_told_by_their_names() {
        assert_eq!(audience("cotenant-0"), Some(Audience::Own));
        assert_eq!(audience("cotenant-1000-00ff"), Some(Audience::Own));
        assert_eq!(audience("cotenant-readable-1000"), Some(Audience::Readable));
        assert_eq!(audience("cotenant-group-100"), Some(Audience::Group));
        assert_eq!(audience("cotenant-"), None);
        assert_eq!(audience("cotenant-demo-x"), None);
        assert_eq!(audience("sem.x"), None);
    }
}
