//! Why there is no room: which limit was met, how far it is used, and what to do about it.
//!
//! ```text
//! ENOSPC   the file system is full (size, or inodes)        statvfs
//! EDQUOT   the user's quota on it                           -
//! EFBIG    the process's limit for files                    RLIMIT_FSIZE
//! ENOMEM   the memory of the control group                  memory.max, memory.limit_in_bytes
//! ```
//!
//! The last one does not wait to be told: in a control group that is full the system ends a process of its choice
//! instead of saying no. So large reservations are compared with the limit before they are made.

#![allow(unsafe_code)]

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use super::folder::MAKE_ROOM;
use super::{file, process};
use crate::error::{Error, ErrorKind, Result};

/// Smaller reservations are made without a look at the control group: that costs some 30 us.
const LOOKED_AT_BYTES: u64 = 256 << 10;
/// Limits from here on mean "none".
const NO_LIMIT: u64 = 1 << 62;

/// Reserves as [`file::reserve`] does; says which limit was met if it cannot be done. `doing` reads on after "cannot".
pub(super) fn reserve(file: &File, at: u64, bytes: u64, doing: &str) -> Result<()> {
    if bytes >= LOOKED_AT_BYTES {
        let limit = memory_limit().filter(|limit| limit.left() < missing(file, at, bytes));
        if let Some(limit) = limit {
            let error = format!("cannot {doing}: {bytes} bytes are too many for the memory of this control group");
            return Err(Error::new(ErrorKind::NoSpace, error).hint(limit));
        }
    }
    file::reserve(file, at, bytes).map_err(|cause| explain(&cause, doing, file, at.saturating_add(bytes)))
}

/// How much of the range has no memory yet, at most: what lies behind the end of the file for certain.
fn missing(file: &File, at: u64, bytes: u64) -> u64 {
    let end = file::stat(file).map_or(0, |stat| stat.bytes);
    at.saturating_add(bytes).saturating_sub(end.max(at))
}

/// The error for a reservation or a write that failed; `end` is the length that the file was to get.
pub(super) fn explain(cause: &io::Error, doing: &str, file: &File, end: u64) -> Error {
    let error = Error::system(doing, cause);
    match cause.raw_os_error() {
        Some(libc::EFBIG) => error.hint(file_size_limit(end)),
        Some(libc::EDQUOT) => error.hint(format!(
            "the quota of user {} on its file system is used up (quota -s shows it): make room or have it raised",
            process::effective_uid()
        )),
        Some(libc::ENOSPC) => error.hint(file_system(file)),
        Some(libc::ENOMEM) => match memory_limit() {
            Some(limit) => error.hint(limit),
            None => error.hint("the machine has no memory left (free -m shows it)"),
        },
        _ => error,
    }
}

fn file_size_limit(end: u64) -> String {
    let limit = file::size_limit();
    let needed = end.div_ceil(1024);
    if end <= limit {
        return format!("its file would be {needed} KiB long (with holes), more than the file system allows");
    }
    format!(
        "its file would be {needed} KiB long (with holes), more than the process's limit for files of {} KiB (ulimit \
         -f, LimitFSIZE= of systemd)",
        limit / 1024
    )
}

/// [`fstatvfs(3)`](https://man7.org/linux/man-pages/man3/statvfs.3.html) in words, and the ways out.
#[doc(alias = "fstatvfs")]
fn file_system(file: &File) -> String {
    let mut stat = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the buffer is as large as the call wants.
    if unsafe { libc::fstatvfs(file.as_raw_fd(), stat.as_mut_ptr()) } != 0 {
        return MAKE_ROOM.into();
    }
    // SAFETY: the call succeeded and has filled it.
    let stat = unsafe { stat.assume_init() };
    #[allow(clippy::unnecessary_cast)] // 32 bits wide on some targets.
    let (block, free, all) = (stat.f_frsize as u64, stat.f_bavail as u64, stat.f_blocks as u64);
    let kib = |blocks: u64| blocks.saturating_mul(block) / 1024;
    let mut text = format!("its file system has {} of {} KiB free", kib(free), kib(all));
    if stat.f_files != 0 && stat.f_favail == 0 {
        // Writing into a String cannot fail.
        let _ = write!(text, ", and none of its {} inodes (mount option nr_inodes)", stat.f_files);
    }
    let _ = write!(text, ": {MAKE_ROOM}, or mount it larger (mount -o remount,size=...)");
    text
}

/// The memory limit of a control group that this process is in.
struct MemoryLimit {
    file: PathBuf,
    max_bytes: u64,
    /// Without what the system can take back at once.
    used_bytes: u64,
}

impl MemoryLimit {
    fn left(&self) -> u64 {
        self.max_bytes.saturating_sub(self.used_bytes)
    }
}

impl std::fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} allows {} KiB, of which {} are used: raise it (MemoryMax= of systemd, --memory of a container), or use \
             less",
            self.file.display(),
            self.max_bytes / 1024,
            self.used_bytes / 1024
        )
    }
}

/// The limit that leaves the least, if there is any.
fn memory_limit() -> Option<MemoryLimit> {
    memory_limit_in(&std::fs::read_to_string("/proc/self/cgroup").ok()?, Path::new("/sys/fs/cgroup"))
}

/// `groups` as in [`/proc/self/cgroup`](https://man7.org/linux/man-pages/man7/cgroups.7.html), `mounts` where they are
/// mounted.
fn memory_limit_in(groups: &str, mounts: &Path) -> Option<MemoryLimit> {
    let mut tightest: Option<MemoryLimit> = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let found = if controllers.split(',').any(|controller| controller == "memory") {
            limits_up_from(&mounts.join("memory"), group, &FIRST)
        } else if controllers.is_empty() {
            limits_up_from(mounts, group, &SECOND)
        } else {
            continue;
        };
        for limit in found {
            if tightest.as_ref().is_none_or(|known| limit.left() < known.left()) {
                tightest = Some(limit);
            }
        }
    }
    tightest
}

/// Names of the files of a version of control groups.
struct Version {
    max: &'static str,
    used: &'static str,
    /// Lines of `memory.stat`: what is taken back before anybody is ended.
    reclaimable: [&'static str; 3],
}

const FIRST: Version = Version {
    max: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    reclaimable: ["total_inactive_file", "total_active_file", "slab_reclaimable"],
};
const SECOND: Version = Version {
    max: "memory.max",
    used: "memory.current",
    reclaimable: ["inactive_file", "active_file", "slab_reclaimable"],
};

/// The limits of a group and those above it. In a container the group's path may be the host's, and the mount the
/// container's own part: then the mount's root is the group.
fn limits_up_from(mount: &Path, group: &str, version: &Version) -> Vec<MemoryLimit> {
    let own = mount.join(group.trim_start_matches('/'));
    let own = if own.join(version.used).exists() { own } else { mount.to_owned() };
    let up = own.ancestors().take_while(|folder| folder.starts_with(mount));
    up.filter_map(|folder| limit_of(folder, version)).collect()
}

fn limit_of(folder: &Path, version: &Version) -> Option<MemoryLimit> {
    let number = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let max_bytes = number(version.max).filter(|bytes| *bytes < NO_LIMIT)?;
    let used_bytes = number(version.used)?;
    let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let lines = stat.lines().filter_map(|line| line.split_once(' '));
    let given_back = lines.filter(|(name, _)| version.reclaimable.contains(name));
    let given_back: u64 = given_back.filter_map(|(_, bytes)| bytes.trim().parse::<u64>().ok()).sum();
    Some(MemoryLimit { file: folder.join(version.max), max_bytes, used_bytes: used_bytes.saturating_sub(given_back) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, files: &[(&str, &str)]) {
        std::fs::create_dir_all(folder).expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.join(name), text).expect("a file");
        }
    }

    #[test]
    fn tightest_limit_above_the_process_counts() {
        let root = tempfile::tempdir().expect("a folder");
        put(root.path(), &[("memory.current", "900\n")]);
        put(&root.path().join("a"), &[("memory.current", "500\n"), ("memory.max", "1000\n")]);
        put(&root.path().join("a/b"), &[("memory.current", "400\n"), ("memory.max", "max\n")]);
        let limit = memory_limit_in("0::/a/b\n", root.path()).expect("a limit");
        assert_eq!((limit.max_bytes, limit.left()), (1000, 500));
        assert!(limit.to_string().contains("/a/memory.max"), "{limit}");
        put(&root.path().join("a/b"), &[("memory.max", "450\n")]);
        assert_eq!(memory_limit_in("0::/a/b\n", root.path()).expect("a limit").left(), 50);
        assert!(memory_limit_in("0::/\n", root.path()).is_none(), "the root has no limit");
    }

    #[test]
    fn page_cache_is_not_in_the_way() {
        let root = tempfile::tempdir().expect("a folder");
        let group = root.path().join("memory/g");
        let stat = "cache 5\ntotal_inactive_file 300\ntotal_active_file 100\n";
        put(&group, &[("memory.usage_in_bytes", "900"), ("memory.limit_in_bytes", "1000"), ("memory.stat", stat)]);
        assert_eq!(memory_limit_in("4:memory:/g\n1:cpu:/\n", root.path()).expect("a limit").left(), 500);
    }

    #[test]
    fn no_limit_of_the_first_version_is_none() {
        let root = tempfile::tempdir().expect("a folder");
        let group = root.path().join("memory");
        let none = "9223372036854771712";
        put(&group, &[("memory.usage_in_bytes", "900"), ("memory.limit_in_bytes", none)]);
        assert!(memory_limit_in("4:memory:/elsewhere\n", root.path()).is_none());
    }
}
