//! The folder where segments lie, checked by descriptor: owner, mode, and that it is no link.
//!
//! ```text
//! COTENANT_DIR                       as given; ours (or root's) and writable by nobody else
//! /dev/shm/cotenant-UID              0700  segments of this user alone
//! /dev/shm/cotenant-UID-SUFFIX       0700  the same, when somebody planted something at the first name
//! /dev/shm/cotenant-readable-UID     0755  segments that others may read
//! /dev/shm/cotenant-group-GID        2775  segments that a group may write
//! ```
//!
//! /dev/shm is sticky and open to all: anybody can take a name first, and nobody else can remove it. So a name that
//! is not ours is passed by, and every process of the user finds the same next one: the smallest that is. It stays the
//! one when the first name is free again.

use std::ffi::CStr;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{file, process};
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
    fn prefix(self) -> String {
        match self {
            Audience::Own => format!("cotenant-{}", process::effective_uid()),
            Audience::Readable => format!("cotenant-readable-{}", process::effective_uid()),
            Audience::Group(gid) => format!("cotenant-group-{gid}"),
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

/// Finds or makes the folder for `audience`.
pub(crate) fn find(audience: Audience) -> Result<Folder> {
    match process::environment("COTENANT_DIR") {
        Some(given) => given_folder(Path::new(&given), audience),
        None => shared_memory_folder(Path::new(SHM), audience),
    }
}

fn open(path: &Path, flags: i32) -> io::Result<File> {
    let name = file::c_string(path.as_os_str().as_bytes())?;
    file::open_at(None, &name, libc::O_RDONLY | libc::O_DIRECTORY | flags, 0)
}

fn make(path: &Path, mode: u32) -> io::Result<()> {
    file::make_folder(&file::c_string(path.as_os_str().as_bytes())?, mode)
}

/// `COTENANT_DIR`: taken as it is, made if it is missing. Segments for others lie in it too, under their own names.
fn given_folder(path: &Path, audience: Audience) -> Result<Folder> {
    // The folder of today stays the folder after a chdir(2).
    let path = &std::path::absolute(path).map_err(|cause| Error::system("resolve COTENANT_DIR", &cause))?;
    let doing = |verb: &str| format!("{verb} the folder {} (COTENANT_DIR)", path.display());
    let folder = match open(path, 0) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            make(path, 0o700).or_else(exists_is_fine).map_err(|cause| Error::system(doing("create"), &cause))?;
            open(path, 0)
        }
        other => other,
    };
    let folder = folder.map_err(|cause| {
        Error::system(doing("open"), &cause).hint("name a folder of this user, or unset COTENANT_DIR for /dev/shm")
    })?;
    let stat = file::stat(&folder).map_err(|cause| Error::system(doing("look at"), &cause))?;
    let user = process::effective_uid();
    let writers = if matches!(audience, Audience::Group(_)) { 0o002 } else { 0o022 };
    if stat.permissions() & writers != 0 {
        return Err(Error::new(
            ErrorKind::Foreign,
            format!(
                "the folder {} (COTENANT_DIR) can be written by others (mode {:o})",
                path.display(),
                stat.permissions()
            ),
        )
        .hint(format!("name a folder of this user alone, such as {}", own_folder_in(path))));
    }
    if stat.uid != user && stat.uid != 0 && !matches!(audience, Audience::Group(_)) {
        return Err(foreign(path, &format!("belongs to user {}, not to {user}", stat.uid)));
    }
    Ok(Folder { path: path.to_owned(), file: folder })
}

/// A folder to advise. (Not "chmod": the given one may be /tmp.)
fn own_folder_in(path: &Path) -> String {
    path.join(Audience::Own.prefix()).display().to_string()
}

fn foreign(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Foreign, format!("the folder {} {why}", path.display()))
        .hint("name a folder of this user with COTENANT_DIR")
}

fn exists_is_fine(cause: io::Error) -> io::Result<()> {
    if cause.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(cause) }
}

fn shared_memory_folder(parent: &Path, audience: Audience) -> Result<Folder> {
    let prefix = audience.prefix();
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
    // By path, because a umask may keep us from opening it. In a sticky folder nobody else can exchange it.
    let finish = || {
        if let Audience::Group(gid) = audience {
            std::os::unix::fs::lchown(&unfinished, None, Some(gid))?;
        }
        std::fs::set_permissions(&unfinished, Permissions::from_mode(audience.mode()))?;
        file::rename_new(&folder, &name(&unfinished)?, &name(path)?)
    };
    finish().inspect_err(|_| drop(std::fs::remove_dir(&unfinished)))
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
    let mine = stat.uid == process::effective_uid();
    if mine && stat.permissions() != audience.mode() {
        complete(&folder, audience)
            .map_err(|cause| Error::system(format!("set the mode of {}", path.display()), &cause))?;
        stat = file::stat(&folder).map_err(|cause| Error::system("look at it again", &cause))?;
    }
    let admitted = match audience {
        Audience::Own | Audience::Readable => mine && stat.permissions() == audience.mode(),
        // Only a member (or root) can give a folder this group; a member is trusted with the group's segments.
        Audience::Group(gid) => stat.gid == gid && stat.permissions() & 0o002 == 0,
    };
    if !admitted {
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

fn smallest_of_ours(parent: &Path, prefix: &str, audience: Audience) -> Result<Option<Folder>> {
    let doing = || format!("list the folder {}", parent.display());
    let start = format!("{prefix}-");
    let entries = std::fs::read_dir(parent).map_err(|cause| {
        Error::system(doing(), &cause).hint("mount a tmpfs there, or name another folder with COTENANT_DIR")
    })?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.retain(|name| name.as_bytes().starts_with(start.as_bytes()));
    names.sort();
    for name in names {
        if let Found::Ours(folder) = ours(&parent.join(name), audience)? {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

impl Folder {
    /// The path of a file in it, for people.
    pub(crate) fn path_of(&self, name: &CStr) -> String {
        self.path.join(std::ffi::OsStr::from_bytes(name.to_bytes())).display().to_string()
    }
}
