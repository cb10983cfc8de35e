//! The memory of the control group that this process is in: whether there is enough left, asked before it is taken.
//!
//! ```text
//! left = limit - used + what the system takes back at once (page cache) + what it can swap out
//! ```
//!
//! A full control group does not say no: the system ends a process of its choice. So what is about to be taken is
//! compared with what is left, of the group and of all above it. That is a look, no reservation: who takes memory in
//! the same moment, ours or not, may take the same. Some room is spared for that.
//!
//! A look reads some ten files, 60 us. What it found may be taken without another one for a while: an eighth of it,
//! because others of the group do the same, and for a second, because others take memory without a look.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::process;
use crate::error::{Error, ErrorKind, Result};

/// Left for the page tables of what is taken, and for everything else that a process does.
const SPARED_BYTES: u64 = 256 << 10;
/// Limits from here on mean "none".
const NO_LIMIT: u64 = 1 << 62;

/// What may be taken without a look.
struct Headroom {
    bytes: AtomicU64,
    /// Since the machine started.
    until_ns: AtomicU64,
}

static HEADROOM: Headroom = Headroom { bytes: AtomicU64::new(0), until_ns: AtomicU64::new(0) };

impl Headroom {
    const LONGEST_NS: u64 = 1_000_000_000;
    const MOST_BYTES: u64 = 64 << 20;
    const SHARE: u64 = 8;

    /// Threads that come between the words take a little more than was found; there is room spared.
    fn take(&self, bytes: u64, now_ns: u64) -> bool {
        let left = |left: u64| left.checked_sub(bytes);
        now_ns < self.until_ns.load(Relaxed) && self.bytes.fetch_update(Relaxed, Relaxed, left).is_ok()
    }

    fn remember(&self, left: u64, now_ns: u64) {
        self.bytes.store((left / Self::SHARE).min(Self::MOST_BYTES), Relaxed);
        self.until_ns.store(now_ns + Self::LONGEST_NS, Relaxed);
    }
}

/// Whether `bytes` bytes of memory can be taken; an error that names the limit if not. `doing` reads on after "cannot".
pub(super) fn check(bytes: u64, doing: &str) -> Result<()> {
    let now_ns = process::boottime_ns();
    if HEADROOM.take(bytes, now_ns) {
        return Ok(());
    }
    let Some(limit) = memory_limit() else {
        HEADROOM.remember(u64::MAX, now_ns);
        return Ok(());
    };
    // Page tables and what the system keeps of each page.
    let taken = bytes.saturating_add(bytes / 128 + SPARED_BYTES);
    let Some(left) = limit.left().checked_sub(taken) else {
        let what = format!("cannot {doing}: {bytes} bytes are too many for the memory of this control group");
        return Err(Error::new(ErrorKind::NoSpace, what).hint(limit));
    };
    HEADROOM.remember(left, now_ns);
    Ok(())
}

/// The limit in words, for an error; `None`: there is none.
pub(super) fn in_words() -> Option<String> {
    memory_limit().map(|limit| limit.to_string())
}

/// The memory limit of a control group that this process is in.
struct MemoryLimit {
    file: PathBuf,
    max_bytes: u64,
    /// Without what the system can take back at once.
    used_bytes: u64,
    /// What it can swap out besides.
    swap_bytes: u64,
}

impl MemoryLimit {
    fn left(&self) -> u64 {
        self.max_bytes.saturating_sub(self.used_bytes).saturating_add(self.swap_bytes)
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
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    memory_limit_in(&groups, Path::new("/sys/fs/cgroup"), swap_free_bytes())
}

/// Of the machine.
fn swap_free_bytes() -> u64 {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free = memory.lines().find_map(|line| line.strip_prefix("SwapFree:")?.trim().strip_suffix(" kB")?.parse().ok());
    free.unwrap_or(0_u64).saturating_mul(1024)
}

/// `groups` as in [`/proc/self/cgroup`](https://man7.org/linux/man-pages/man7/cgroups.7.html), `mounts` where they are
/// mounted.
fn memory_limit_in(groups: &str, mounts: &Path, swap_free_bytes: u64) -> Option<MemoryLimit> {
    let mut tightest: Option<MemoryLimit> = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let found = if controllers.split(',').any(|controller| controller == "memory") {
            limits_up_from(&mounts.join("memory"), group, &FIRST, swap_free_bytes)
        } else if controllers.is_empty() {
            limits_up_from(mounts, group, &SECOND, swap_free_bytes)
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
    /// Of version 1 these count memory and swap together.
    swap_max: &'static str,
    swap_used: &'static str,
}

const FIRST: Version = Version {
    max: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    reclaimable: ["total_inactive_file", "total_active_file", "slab_reclaimable"],
    swap_max: "memory.memsw.limit_in_bytes",
    swap_used: "memory.memsw.usage_in_bytes",
};
const SECOND: Version = Version {
    max: "memory.max",
    used: "memory.current",
    reclaimable: ["inactive_file", "active_file", "slab_reclaimable"],
    swap_max: "memory.swap.max",
    swap_used: "memory.swap.current",
};

/// The limits of a group and those above it. In a container the group's path may be the host's, and the mount the
/// container's own part: then the mount's root is the group.
fn limits_up_from(mount: &Path, group: &str, version: &Version, swap_free_bytes: u64) -> Vec<MemoryLimit> {
    let own = mount.join(group.trim_start_matches('/'));
    let own = if own.join(version.used).exists() { own } else { mount.to_owned() };
    let up = own.ancestors().take_while(|folder| folder.starts_with(mount));
    up.filter_map(|folder| limit_of(folder, version, swap_free_bytes)).collect()
}

fn limit_of(folder: &Path, version: &Version, swap_free_bytes: u64) -> Option<MemoryLimit> {
    let number = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let max_bytes = number(version.max).filter(|bytes| *bytes < NO_LIMIT)?;
    let used_bytes = number(version.used)?;
    let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let lines = stat.lines().filter_map(|line| line.split_once(' '));
    let given_back = lines.filter(|(name, _)| version.reclaimable.contains(name));
    let given_back: u64 = given_back.filter_map(|(_, bytes)| bytes.trim().parse::<u64>().ok()).sum();
    // "max" is no number, and where swap is not counted there is no file: as much as the machine has.
    let swap_used = number(version.swap_used).unwrap_or(0);
    let swap_left = number(version.swap_max).map_or(u64::MAX, |max| max.saturating_sub(swap_used));
    let swap_bytes = swap_left.min(swap_free_bytes);
    let used_bytes = used_bytes.saturating_sub(given_back);
    Some(MemoryLimit { file: folder.join(version.max), max_bytes, used_bytes, swap_bytes })
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
        let limit = memory_limit_in("0::/a/b\n", root.path(), 0).expect("a limit");
        assert_eq!((limit.max_bytes, limit.left()), (1000, 500));
        assert!(limit.to_string().contains("/a/memory.max"), "{limit}");
        put(&root.path().join("a/b"), &[("memory.max", "450\n")]);
        assert_eq!(memory_limit_in("0::/a/b\n", root.path(), 0).expect("a limit").left(), 50);
        assert!(memory_limit_in("0::/\n", root.path(), 0).is_none(), "the root has no limit");
    }

    #[test]
    fn page_cache_is_not_in_the_way() {
        let root = tempfile::tempdir().expect("a folder");
        let group = root.path().join("memory/g");
        let stat = "cache 5\ntotal_inactive_file 300\ntotal_active_file 100\n";
        put(&group, &[("memory.usage_in_bytes", "900"), ("memory.limit_in_bytes", "1000"), ("memory.stat", stat)]);
        assert_eq!(memory_limit_in("4:memory:/g\n1:cpu:/\n", root.path(), 0).expect("a limit").left(), 500);
    }

    #[test]
    fn no_limit_of_the_first_version_is_none() {
        let root = tempfile::tempdir().expect("a folder");
        let group = root.path().join("memory");
        let none = "9223372036854771712";
        put(&group, &[("memory.usage_in_bytes", "900"), ("memory.limit_in_bytes", none)]);
        assert!(memory_limit_in("4:memory:/elsewhere\n", root.path(), 0).is_none());
    }

    #[test]
    fn what_can_be_swapped_out_is_left_too() {
        let root = tempfile::tempdir().expect("a folder");
        let full = [("memory.current", "1000"), ("memory.max", "1000"), ("memory.swap.current", "10")];
        put(&root.path().join("a"), &full);
        let left = |swap_free| memory_limit_in("0::/a\n", root.path(), swap_free).expect("a limit").left();
        put(&root.path().join("a"), &[("memory.swap.max", "max\n")]);
        assert_eq!((left(0), left(500)), (0, 500));
        put(&root.path().join("a"), &[("memory.swap.max", "50\n")]);
        assert_eq!(left(500), 40);
    }

    #[test]
    fn part_of_what_was_found_is_taken_without_a_look_and_only_for_a_while() {
        let headroom = Headroom { bytes: AtomicU64::new(0), until_ns: AtomicU64::new(0) };
        assert!(!headroom.take(1, 5), "nobody has looked yet");
        headroom.remember(800, 5);
        assert!(headroom.take(60, 6) && !headroom.take(60, 7) && headroom.take(40, 8) && !headroom.take(1, 9));
        headroom.remember(800, 5);
        assert!(!headroom.take(1, 5 + Headroom::LONGEST_NS));
        headroom.remember(u64::MAX, 5);
        assert!(!headroom.take(Headroom::MOST_BYTES + 1, 6));
    }
}
