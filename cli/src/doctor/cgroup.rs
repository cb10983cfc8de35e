//! The memory limit of the process's control group, version 1 or 2: shared pages are charged to whoever touches them
//! first, and stay charged when that one ends.
//!
//! ```text
//! /proc/PID/cgroup      where it is in the tree     "0::/app.slice/x"   "4:memory:/x"
//! /proc/self/mountinfo  where the tree is mounted   "... - cgroup2 ..."  "... - cgroup ... memory"
//! ```

use std::path::{Path, PathBuf};

use super::Check;
use crate::look::{View, bytes};

/// A limit of which more than this part is used is nearly met.
const USED_PERCENT_MAX: u64 = 90;

/// What the files are called.
struct Names {
    limit: &'static str,
    used: &'static str,
    shared: &'static str,
}

const VERSION_1: Names = Names { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", shared: "total_shmem" };
const VERSION_2: Names = Names { limit: "memory.max", used: "memory.current", shared: "shmem" };

pub(super) fn checks(view: &View) -> Vec<Check> {
    const NAME: &str = "cgroup";
    let process = view.process.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let Ok(groups) = std::fs::read_to_string(format!("/proc/{process}/cgroup")) else {
        return vec![Check::unknown(NAME, "the control group of the process cannot be read")];
    };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let found = group(&groups, &mounts, true).map(|folder| (folder, VERSION_1));
    let found = found.or_else(|| group(&groups, &mounts, false).map(|folder| (folder, VERSION_2)));
    let Some((folder, names)) = found else {
        return vec![Check::unknown(NAME, "no control group for memory can be seen from here")];
    };
    vec![judge(&folder, &names)]
}

fn judge(folder: &Path, names: &Names) -> Check {
    const NAME: &str = "cgroup";
    let used = number(&folder.join(names.used));
    let shared = field(&folder.join("memory.stat"), names.shared);
    let of_shared = shared.map(|shared| format!(", {} of it shared memory", bytes(shared))).unwrap_or_default();
    // The tightest limit of the group and those around it.
    let limits = folder.ancestors().filter_map(|it| Some((number(&it.join(names.limit))?, it.to_owned())));
    let Some((limit, place)) = limits.filter(|(limit, _)| *limit < 1 << 60).min() else {
        let used = used.map(|used| format!("{} used{of_shared}; ", bytes(used))).unwrap_or_default();
        return Check::ok(NAME, format!("{used}no limit for memory ({})", folder.display()));
    };
    let used_there = number(&place.join(names.used)).or(used).unwrap_or_default();
    let says = format!("{} of {} used{of_shared} ({})", bytes(used_there), bytes(limit), place.display());
    let cure = "raise memory.max (MemoryMax= in the unit, --memory of the container, resources.limits.memory in \
                Kubernetes), or give memory back: cotenant prune. Shared pages count where they were first touched, \
                also after that process ended";
    if used_there.saturating_mul(100) > limit.saturating_mul(USED_PERCENT_MAX) {
        return Check::warning(NAME, says, cure);
    }
    Check::ok(NAME, says)
}

fn number(path: &Path) -> Option<u64> {
    // `max` is no number, and no limit.
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn field(path: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// The folder of the group that accounts for memory.
fn group(groups: &str, mounts: &str, is_version_1: bool) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let is_it = match is_version_1 {
            true => controllers.split(',').any(|controller| controller == "memory"),
            false => number == "0",
        };
        is_it.then_some(path)
    })?;
    let (root, point) = mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut kind = file_system.split(' ');
        let is_it = match is_version_1 {
            true => kind.next() == Some("cgroup") && kind.nth(1)?.split(',').any(|option| option == "memory"),
            false => kind.next() == Some("cgroup2"),
        };
        let fields: Vec<_> = mount.split(' ').collect();
        is_it.then(|| Some((*fields.get(3)?, *fields.get(4)?)))?
    })?;
    let point = PathBuf::from(point);
    // Of a container one sees its own part as the whole.
    let inside = Path::new(path).strip_prefix(root).or_else(|_| Path::new(path).strip_prefix("/")).ok()?;
    let names = if is_version_1 { VERSION_1 } else { VERSION_2 };
    [point.join(inside), point]
        .into_iter()
        .find(|folder| folder.join(names.used).exists() || folder.join("memory.stat").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_is_found_below_where_its_tree_is_mounted() {
        let folder = tempfile::tempdir().expect("a folder");
        let of = folder.path().join("sub/app");
        std::fs::create_dir_all(&of).expect("folders");
        std::fs::write(of.join("memory.current"), "5\n").expect("a file");
        let mounts = format!("30 20 0:26 / {} rw - cgroup2 cgroup2 rw\n", folder.path().display());
        assert_eq!(group("0::/sub/app\n", &mounts, false), Some(of));
        assert_eq!(group("0::/sub/app\n", &mounts, true), None);
    }

    #[test]
    fn tightest_limit_around_counts_and_max_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("a");
        std::fs::create_dir(&inner).expect("a folder");
        for (name, text) in
            [("memory.max", "1000"), ("memory.current", "950"), ("a/memory.max", "max"), ("a/memory.current", "10")]
        {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let check = judge(&inner, &VERSION_2);
        assert!(
            check.status == super::super::Status::Warning && check.found.starts_with("950 B of 1000 B"),
            "{}",
            check.found
        );
    }
}
