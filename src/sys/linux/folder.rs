//! The folder where segments lie, checked by descriptor: owner, mode, and that it is no link.
//!
//! ```text
//! COTENANT_DIR, or an option         as given; ours (or root's) and writable by nobody else
//!   COTENANT_DIR/cotenant-UID        if that is a group's (mode 2770): what is not for the group
//! /dev/shm/cotenant-UID              0700  segments of this user alone
//! /dev/shm/cotenant-UID-SUFFIX       0700  the same, when somebody planted something at the first name
//! /dev/shm/cotenant-readable-UID     0755  segments that others may read
//! /dev/shm/cotenant-group-GID        2775  segments that a group may write
//! ```
//!
//! /dev/shm is sticky and open to all: anybody can take a name first, and nobody else can remove it. So a name that
//! is not ours is passed by, and every process of the user finds the same next one: the smallest that is. It stays the
//! one when the first name is free again.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::{self, Stat};
use super::process;
use crate::error::{Error, ErrorKind, Result};

const SHM: &str = "/dev/shm";
/// What to do about a file system that is full.
pub(super) const MAKE_ROOM: &str = "make room there (df -h and df -i show it; in a container --shm-size), or name \
     another folder with COTENANT_DIR";
/// How often the search starts over because others change the folder meanwhile.
const ATTEMPTS: u32 = 20;

/// An open folder whose owner and mode were checked.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
}

/// For whom the segments in it are.
#[derive(Clone, Copy)]
pub(crate) enum Audience {
    /// The user alone.
    Own,
    /// The user writes, others may read.
    Readable,
    /// Everybody in the group with this id writes.
    Group(u32),
}

impl Audience {
    fn prefix(self, uid: u32) -> String {
        match self {
            Audience::Own => format!("cotenant-{uid}"),
            Audience::Readable => format!("cotenant-readable-{uid}"),
            Audience::Group(gid) => format!("cotenant-group-{gid}"),
        }
    }

    /// Whether a folder of this owner, group and mode is one where segments of user `uid` may lie.
    fn admits(self, stat: &Stat, uid: u32) -> bool {
        match self {
            Audience::Own | Audience::Readable => stat.uid == uid && stat.permissions() & 0o022 == 0,
            // Only a member (or root) can give a folder this group; a member is trusted with the group's segments.
            Audience::Group(gid) => stat.gid == gid && stat.permissions() & 0o002 == 0,
        }
    }

    fn mode(self) -> u32 {
        match self {
            Audience::Own => 0o700,
            Audience::Readable => 0o755,
            Audience::Group(_) => 0o2775,
        }
    }
}

/// A folder that was named, and by what.
struct Given {
    path: PathBuf,
    source: &'static str,
}

/// What was named: by the caller, else by the environment. Absolute, so it means the same wherever a program starts.
fn given(option: Option<&Path>) -> Result<Option<Given>> {
    let (path, source) = match (option, process::environment("COTENANT_DIR")) {
        (Some(path), _) => (path.to_owned(), "the option `folder`"),
        (None, Some(path)) => (PathBuf::from(path), "COTENANT_DIR"),
        (None, None) => return Ok(None),
    };
    if path.is_relative() {
        let what = format!("{source} is the relative path `{}`", path.display());
        return Err(Error::new(ErrorKind::InvalidInput, what)
            .hint("name an absolute one: programs that are started elsewhere would not share with this one"));
    }
    Ok(Some(Given { path, source }))
}

/// Finds or makes the folder for `audience`: the one that `option` or the environment names, else one in /dev/shm.
pub(crate) fn find(option: Option<&Path>, audience: Audience) -> Result<Folder> {
    match given(option)? {
        Some(given) => given_folder(&given, audience),
        None => folder_in(Path::new(SHM), audience),
    }
}

/// The folders where segments of user `uid` for `audience` may lie, the likeliest first. Nothing is made or changed.
pub(crate) fn present(option: Option<&Path>, audience: Audience, uid: u32) -> Result<Vec<Folder>> {
    Ok(present_for(option, &[audience], uid)?.into_iter().map(|(folder, _)| folder).collect())
}

/// As [`present`], for several audiences; the parent is read once.
pub(super) fn present_for(option: Option<&Path>, audiences: &[Audience], uid: u32) -> Result<Vec<(Folder, Audience)>> {
    let mut found = Vec::new();
    let parent = match given(option)? {
        None => PathBuf::from(SHM),
        Some(given) => {
            let folder = match open(&given.path, 0) {
                Ok(folder) => folder,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(found),
                Err(cause) => return Err(Error::system(given.doing("open"), &cause)),
            };
            let stat = file::stat(&folder).map_err(|cause| Error::system(given.doing("look at"), &cause))?;
            if let Some(audience) = audiences.iter().find(|it| it.admits(&stat, uid) || it.admits(&stat, 0)) {
                found.push((Folder { path: given.path.clone(), file: folder }, *audience));
            }
            given.path
        }
    };
    let Ok(there) = open(&parent, 0).and_then(|folder| file::stat(&folder)) else { return Ok(found) };
    let names = names_of(&parent, "cotenant").unwrap_or_default();
    for audience in audiences {
        let prefix = audience.prefix(uid);
        for name in names.iter().filter(|name| is_named(name, &prefix)) {
            let path = parent.join(name);
            let Ok(folder) = open(&path, libc::O_NOFOLLOW) else { continue };
            let is_one = |stat: Stat| stat.device == there.device && audience.admits(&stat, uid);
            if file::stat(&folder).is_ok_and(is_one) {
                found.push((Folder { path, file: folder }, *audience));
            }
        }
    }
    Ok(found)
}

/// A folder as it is; what lies in it is checked by itself.
pub(crate) fn open_given(path: &Path) -> Result<Folder> {
    let folder = open(path, 0).map_err(|cause| Error::system(format!("open the folder {}", path.display()), &cause))?;
    Ok(Folder { path: path.to_owned(), file: folder })
}

/// The folder of a file whose path was given, checked: whoever may write there may put another file in its place.
pub(crate) fn of_file(path: &Path, audience: Audience) -> Result<Folder> {
    let path = std::path::absolute(path)
        .map_err(|cause| Error::system(format!("resolve the path {}", path.display()), &cause))?;
    let parent = path.parent().unwrap_or(Path::new("/"));
    let failed = |cause: io::Error| {
        let error = Error::system(format!("open the folder {}", parent.display()), &cause);
        if cause.kind() == io::ErrorKind::NotFound { error.hint("make it, or give another path") } else { error }
    };
    let folder = open(parent, 0).map_err(failed)?;
    let stat = file::stat(&folder).map_err(failed)?;
    let is_sticky = stat.permissions() & 0o1000 != 0;
    let writers = if matches!(audience, Audience::Group(_)) { 0o002 } else { 0o022 };
    if stat.permissions() & writers != 0 && !is_sticky {
        return Err(foreign(parent, &format!("can be written by others (mode {:o})", stat.permissions()))
            .hint("put the file into a folder that only its users can write"));
    }
    Ok(Folder { path: parent.to_owned(), file: folder })
}

fn open(path: &Path, flags: i32) -> io::Result<File> {
    let name = file::c_string(path.as_os_str().as_bytes())?;
    file::open_at(None, &name, libc::O_RDONLY | libc::O_DIRECTORY | flags, 0)
}

fn make(path: &Path, mode: u32) -> io::Result<()> {
    file::make_folder(&file::c_string(path.as_os_str().as_bytes())?, mode)
}

impl Given {
    fn doing(&self, verb: &str) -> String {
        format!("{verb} the folder {} ({})", self.path.display(), self.source)
    }
}

/// Taken as it is, made if it is missing. Segments for others lie in it too, under their own names.
fn given_folder(given: &Given, audience: Audience) -> Result<Folder> {
    let path = &given.path;
    let folder = match open(path, 0) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            make(path, 0o700).or_else(exists_is_fine).map_err(|cause| Error::system(given.doing("create"), &cause))?;
            open(path, 0)
        }
        other => other,
    };
    let folder = folder.map_err(|cause| {
        let leave_out = if given.source == "COTENANT_DIR" { "unset" } else { "leave out" };
        let hint = format!("name a folder of this user, or {leave_out} {} for /dev/shm", given.source);
        Error::system(given.doing("open"), &cause).hint(hint)
    })?;
    let stat = file::stat(&folder).map_err(|cause| Error::system(given.doing("look at"), &cause))?;
    let user = process::effective_uid();
    let is_for_group = matches!(audience, Audience::Group(_));
    let is_a_groups = stat.permissions() & 0o2022 == 0o2020;
    if is_a_groups && !is_for_group {
        // Its members put their common segments there; what is not for them gets a folder of this user.
        return folder_in(path, audience);
    }
    let writers = if is_for_group { 0o002 } else { 0o022 };
    if stat.permissions() & writers != 0 {
        return Err(Error::new(
            ErrorKind::Foreign,
            format!(
                "the folder {} ({}) can be written by others (mode {:o})",
                path.display(),
                given.source,
                stat.permissions()
            ),
        )
        .hint(format!("name a folder of this user alone, such as {}", own_folder_in(path))));
    }
    if stat.uid != user && stat.uid != 0 && !is_for_group {
        return Err(foreign(path, &format!("belongs to user {}, not to {user}", stat.uid))
            .hint("name a folder of this user with COTENANT_DIR"));
    }
    Ok(Folder { path: path.clone(), file: folder })
}

/// A folder to advise. (Not "chmod": the given one may be /tmp.)
fn own_folder_in(path: &Path) -> String {
    path.join(Audience::Own.prefix(process::effective_uid())).display().to_string()
}

fn foreign(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Foreign, format!("the folder {} {why}", path.display()))
}

fn exists_is_fine(cause: io::Error) -> io::Result<()> {
    if cause.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(cause) }
}

/// The folder for `audience` in one where others may put what they like.
fn folder_in(parent: &Path, audience: Audience) -> Result<Folder> {
    let prefix = audience.prefix(process::effective_uid());
    for _ in 0..ATTEMPTS {
        let first = parent.join(&prefix);
        let (path, _lock) = match ours(&first, audience)? {
            Found::Ours(folder) => return Ok(folder),
            Found::Missing => (first, None),
            Found::Foreign => {
                let suffix = process::random().map_err(|cause| Error::system("get random bytes", &cause))?;
                let path = parent.join(format!("{prefix}-{:016x}", u128::from_le_bytes(suffix) as u64));
                (path, lock(parent))
            }
        };
        // Also where the first name is free: somebody may have held it and given it up while we lived in another.
        if let Some(folder) = smallest_of_ours(parent, &prefix, audience)? {
            return Ok(folder);
        }
        let doing = format!("create the folder {}", path.display());
        make_whole(parent, &path, audience).or_else(exists_is_fine).map_err(|cause| {
            let error = Error::system(doing, &cause);
            let has_room = error.kind() != ErrorKind::NoSpace;
            error.hint(if has_room { "name a folder that can be written with COTENANT_DIR" } else { MAKE_ROOM })
        })?;
    }
    Err(Error::new(ErrorKind::Busy, format!("others keep changing {}/{prefix}", parent.display())))
}

/// Makes a folder that has its group and mode when it gets its name: another member of the group who saw it before
/// would take it for a stranger's, and go elsewhere. Killed on the way: an empty folder stays.
fn make_whole(parent: &Path, path: &Path, audience: Audience) -> io::Result<()> {
    let name = |path: &Path| file::c_string(path.file_name().unwrap_or_default().as_bytes());
    let unfinished = parent.join(format!(".cotenant-new-{:016x}", u128::from_le_bytes(process::random()?) as u64));
    let folder = open(parent, libc::O_PATH)?;
    make(&unfinished, 0o700)?;
    let finish = || {
        let made = open_made(&unfinished)?;
        if let Audience::Group(gid) = audience {
            file::set_group(&made, gid)?;
        }
        file::set_mode(&made, audience.mode())?;
        file::rename_new(&folder, &name(&unfinished)?, &name(path)?)
    };
    finish().inspect_err(|_| drop(std::fs::remove_dir(&unfinished)))
}

/// Opens a folder that was just made. Where the parent is not sticky (a group's), a member can put something else in
/// its place: only an empty folder of this user is taken for it, and everything else is done by its descriptor.
fn open_made(path: &Path) -> io::Result<File> {
    let foreign = || io::Error::other("somebody has put something else in the place of the new folder");
    let check = |made: &File| {
        let stat = file::stat(made)?;
        if stat.uid == process::effective_uid() { Ok(stat) } else { Err(foreign()) }
    };
    let made = match open(path, libc::O_NOFOLLOW) {
        // A umask keeps us out.
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            let found = open(path, libc::O_NOFOLLOW | libc::O_PATH)?;
            let stat = check(&found)?;
            let same = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
            std::fs::set_permissions(&same, Permissions::from_mode(0o700))?;
            let made = open(&same, 0)?;
            if !file::stat(&made)?.same_file(&stat) {
                return Err(foreign());
            }
            made
        }
        other => other?,
    };
    check(&made)?;
    let is_empty = match std::fs::read_dir(format!("/proc/self/fd/{}", made.as_raw_fd())) {
        Ok(mut entries) => entries.next().is_none(),
        // Without /proc nothing is known of that.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => true,
        Err(cause) => return Err(cause),
    };
    if is_empty { Ok(made) } else { Err(foreign()) }
}

/// Keeps processes that start at once from making a fallback each. Any user can hold this lock for ever, so it is not
/// waited for longer than a second; then two might make one each, as if there were no lock.
fn lock(parent: &Path) -> Option<File> {
    let folder = open(parent, 0).ok()?;
    for _ in 0..100 {
        if file::try_lock_whole(&folder).ok()? {
            return Some(folder);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

enum Found {
    Ours(Folder),
    Missing,
    Foreign,
}

/// Opens `path` if it is a folder of ours; tightens the mode of one that is.
fn ours(path: &Path, audience: Audience) -> Result<Found> {
    let folder = match open(path, libc::O_NOFOLLOW) {
        Ok(folder) => folder,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
        Err(cause) => {
            return match cause.raw_os_error() {
                // A link, a file, or somebody's closed folder.
                Some(libc::ELOOP | libc::ENOTDIR | libc::EACCES) => Ok(Found::Foreign),
                _ => Err(Error::system(format!("open the folder {}", path.display()), &cause)),
            };
        }
    };
    let doing = format!("look at the folder {}", path.display());
    let mut stat = file::stat(&folder).map_err(|cause| Error::system(doing, &cause))?;
    // On the parent's own file system: another one mounted there (FUSE) can report any owner.
    let parent = path.parent().and_then(|parent| std::fs::metadata(parent).ok());
    let is_mounted = parent.is_none_or(|parent| parent.dev() != stat.device);
    if is_mounted {
        return Ok(Found::Foreign);
    }
    let user = process::effective_uid();
    if stat.uid == user && stat.permissions() != audience.mode() {
        complete(&folder, audience)
            .map_err(|cause| Error::system(format!("set the mode of {}", path.display()), &cause))?;
        stat = file::stat(&folder).map_err(|cause| Error::system("look at it again", &cause))?;
    }
    let is_whole = matches!(audience, Audience::Group(_)) || stat.permissions() == audience.mode();
    if !is_whole || !audience.admits(&stat, user) {
        return Ok(Found::Foreign);
    }
    Ok(Found::Ours(Folder { path: path.to_owned(), file: folder }))
}

/// Sets group and mode of a folder of ours. A folder that others could write before may hold what they put there;
/// files are checked one by one when they are opened.
fn complete(folder: &File, audience: Audience) -> io::Result<()> {
    if let Audience::Group(gid) = audience {
        file::set_group(folder, gid)?;
    }
    file::set_mode(folder, audience.mode())
}

/// `PREFIX` and `PREFIX-SUFFIX`, as far as they are there, in order.
fn names_of(parent: &Path, prefix: &str) -> io::Result<Vec<OsString>> {
    let mut names: Vec<_> = std::fs::read_dir(parent)?.flatten().map(|entry| entry.file_name()).collect();
    names.retain(|name| is_named(name, prefix));
    names.sort();
    Ok(names)
}

fn is_named(name: &OsStr, prefix: &str) -> bool {
    let rest = name.as_bytes().strip_prefix(prefix.as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"-"))
}

fn smallest_of_ours(parent: &Path, prefix: &str, audience: Audience) -> Result<Option<Folder>> {
    let doing = || format!("list the folder {}", parent.display());
    let names = names_of(parent, prefix).map_err(|cause| {
        Error::system(doing(), &cause).hint("mount a tmpfs there, or name another folder with COTENANT_DIR")
    })?;
    for name in names.into_iter().filter(|name| name.as_bytes() != prefix.as_bytes()) {
        if let Found::Ours(folder) = ours(&parent.join(name), audience)? {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

impl Folder {
    /// The path of a file in it, for people.
    pub(crate) fn path_of(&self, name: &CStr) -> String {
        self.path.join(OsStr::from_bytes(name.to_bytes())).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_the_place_of_a_new_folder_is_not_taken_for_it() {
        let around = tempfile::tempdir().expect("a folder");
        let path = around.path().join("new");
        std::fs::create_dir(&path).expect("a folder");
        let made = open_made(&path).expect("it is new");
        std::fs::write(path.join("file"), "precious").expect("a file");
        assert!(open_made(&path).is_err(), "a folder that is in use");
        let link = around.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        std::fs::remove_file(path.join("file")).expect("removing it");
        assert!(open_made(&link).is_err(), "a link to a folder that could be new");
        let stat = |file: &File| file::stat(file).expect("its numbers");
        assert!(stat(&open_made(&path).expect("it is empty again")).same_file(&stat(&made)));
    }
}
