//! Whose eyes the tool looks with: this process's, another process's (`--pid`), or from outside, below a folder
//! (`--root`).
//!
//! Below a root nothing is looked up by plain paths: a container decides what its links point to.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use clap::Args;
use cotenant::inspect::printable;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

/// Options of every command that looks.
#[derive(Args, Default)]
pub(crate) struct From {
    /// Looks with the eyes of this process: its user, its mount namespace, its COTENANT_DIR
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Looks below this folder, such as /proc/PID/root of a container
    #[arg(long, value_name = "DIR", conflicts_with = "pid")]
    root: Option<PathBuf>,
}

impl From {
    /// With the eyes of that process.
    pub(crate) fn process(pid: u32) -> From {
        From { pid: Some(pid), root: None }
    }
}

/// Where and as whom to look.
pub(crate) struct View {
    /// The folder that is `/` there, and a descriptor of it.
    root: Option<(PathBuf, File)>,
    /// The user whose segments they are; None: everybody's (`--root` of no process).
    pub(crate) uid: Option<u32>,
    /// `COTENANT_DIR` there.
    pub(crate) given_folder: Option<PathBuf>,
    /// The process whose eyes they are; None: our own.
    pub(crate) process: Option<u32>,
    /// Inode of the mount namespace there; None: of no process, or it cannot be told.
    pub(crate) mount_namespace: Option<u64>,
}

impl View {
    pub(crate) fn new(from: &From) -> Result<View> {
        match (from.pid, &from.root) {
            (Some(pid), _) => View::of_process(pid),
            (None, Some(root)) => match process_of(root) {
                Some(pid) => View::of_process(pid),
                None => {
                    let root = opened(root)?;
                    Ok(View { root: Some(root), uid: None, given_folder: None, process: None, mount_namespace: None })
                }
            },
            (None, None) => Ok(View {
                root: None,
                uid: Some(rustix::process::geteuid().as_raw()),
                given_folder: given_folder()?,
                process: None,
                mount_namespace: namespace_inode(Path::new("/proc/self/ns/mnt")),
            }),
        }
    }

    /// A user's view below a folder.
    #[cfg(test)]
    pub(crate) fn below(root: &Path, uid: u32) -> Result<View> {
        let root = Some(opened(root)?);
        Ok(View { root, uid: Some(uid), given_folder: None, process: None, mount_namespace: None })
    }

    fn of_process(pid: u32) -> Result<View> {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let status = std::fs::read(process.join("status"))
            .with_context(|| format!("cannot look at process {pid}: there is none that we can see"))?;
        // A program's name may hold any bytes.
        let status = String::from_utf8_lossy(&status);
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1)?.parse().ok());
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        let given = environment.split(|byte| *byte == 0).find_map(|pair| pair.strip_prefix(b"COTENANT_DIR="));
        let given = given.filter(|folder| !folder.is_empty()).map(|folder| {
            let folder = PathBuf::from(String::from_utf8_lossy(folder).into_owned());
            // What it was given relative to a folder of then cannot be known; the one of today is the best guess.
            match std::fs::read_link(process.join("cwd")) {
                Ok(cwd) if folder.is_relative() => cwd.join(folder),
                _ => folder,
            }
        });
        let mount_namespace = namespace_inode(&process.join("ns/mnt"));
        let is_ours = mount_namespace.is_some() && mount_namespace == namespace_inode(Path::new("/proc/self/ns/mnt"));
        // Of our own namespace, but perhaps of another root (chroot): asked, too, unless it is ours.
        let same_root = is_ours && same_file(&process.join("root"), Path::new("/"));
        let root = if same_root { None } else { Some(opened(&process.join("root"))?) };
        Ok(View { root, uid, given_folder: given, process: Some(pid), mount_namespace })
    }

    /// Where segments lie unless COTENANT_DIR says another folder.
    pub(crate) fn shm(&self) -> &'static Path {
        Path::new("/dev/shm")
    }

    /// Whether this is about another place than our own.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.root.is_some()
    }

    /// Opens a folder there; links on the way lead where they lead there.
    pub(crate) fn open_folder(&self, path: &Path) -> std::io::Result<File> {
        self.open(path, OFlags::DIRECTORY)
    }

    /// A small text file there, such as a configuration file; `None` if there is none.
    pub(crate) fn read_text(&self, path: &Path) -> Option<String> {
        const BYTES_MAX: u64 = 1 << 20;
        let file = self.open(path, OFlags::empty()).ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn open(&self, path: &Path, more: OFlags) -> std::io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | more;
        let Some((_, root)) = &self.root else {
            return Ok(File::from(rustix::fs::openat(CWD, path, flags, Mode::empty())?));
        };
        let inside = path.strip_prefix("/").unwrap_or(path);
        let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(root, inside, flags, Mode::empty(), resolve) {
            Ok(file) => Ok(File::from(file)),
            // A kernel before 5.6, or a sandbox: step by step, without links.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => open_step_by_step(root, inside, flags),
            Err(error) => Err(error.into()),
        }
    }
}

fn open_step_by_step(root: &File, inside: &Path, flags: OFlags) -> std::io::Result<File> {
    let names: Vec<_> = inside.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let mut reached = root.try_clone()?;
    for (index, name) in names.iter().enumerate() {
        let flags = if index + 1 == names.len() { flags } else { OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC };
        let flags = flags | OFlags::NOFOLLOW;
        reached = File::from(rustix::fs::openat(reached.as_fd(), name.as_os_str(), flags, Mode::empty())?);
    }
    Ok(reached)
}

/// Our own `COTENANT_DIR`. A relative one is refused as programs refuse it: they share nothing there.
fn given_folder() -> Result<Option<PathBuf>> {
    let given = std::env::var_os("COTENANT_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    if let Some(folder) = given.as_ref().filter(|folder| folder.is_relative()) {
        let folder = printable(&folder.display().to_string());
        bail!("COTENANT_DIR is the relative path `{folder}`, which programs refuse; name an absolute one");
    }
    // Without what an absolute path may hold in vain (`//`, `/.`): it is compared with those that the system tells.
    Ok(given.map(|folder| std::path::absolute(&folder).unwrap_or(folder)))
}

fn opened(path: &Path) -> Result<(PathBuf, File)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
        Ok(folder) => Ok((path.to_owned(), File::from(folder))),
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => {
            bail!("cannot look into {}: not permitted; run as its user or as root", path.display())
        }
        Err(error) => Err(std::io::Error::from(error)).with_context(|| format!("cannot look into {}", path.display())),
    }
}

/// PID, of `/proc/PID/root`.
fn process_of(root: &Path) -> Option<u32> {
    let (pid, rest) = root.to_str()?.strip_prefix("/proc/")?.split_once('/')?;
    if rest.trim_end_matches('/') == "root" { pid.parse().ok() } else { None }
}

fn same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| std::fs::metadata(path).map(|stat| (stat.dev(), stat.ino())).ok();
    identity(a).is_some() && identity(a) == identity(b)
}

/// Inode of the PID namespace in which we count; `None`: it cannot be told.
pub(super) fn own_pid_namespace() -> Option<u64> {
    static OWN: OnceLock<Option<u64>> = OnceLock::new();
    *OWN.get_or_init(|| namespace_inode(Path::new("/proc/self/ns/pid")))
}

/// That of a process; `None`: there is none, or it may not be asked.
pub(super) fn pid_namespace_of(pid: u32) -> Option<u64> {
    namespace_inode(Path::new(&format!("/proc/{pid}/ns/pid")))
}

/// Which namespace a link of `/proc/PID/ns` stands for.
pub(super) fn namespace_inode(link: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(link).ok().map(|stat| stat.ino())
}
