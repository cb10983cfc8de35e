//! A control group with a memory limit, for processes that a test starts. Needs root, and a group below which one can
//! be made: of version 1 this process's own; of version 2 the nearest above it that gives its groups a memory limit.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Removed when dropped; the processes in it must have ended.
pub(crate) struct ControlGroup {
    folder: PathBuf,
}

impl ControlGroup {
    /// A new group that may take `bytes` bytes of memory; why not, if this machine has none for us.
    pub(crate) fn with_memory(bytes: u64) -> Result<ControlGroup, String> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let (above, limit) = parent().ok_or("no control group of the memory is mounted")?;
        let name = format!("cotenant-test-{}-{}", std::process::id(), MADE.fetch_add(1, Relaxed));
        let group = ControlGroup { folder: above.join(name) };
        fs::create_dir(&group.folder).map_err(|error| format!("{}: {error}", group.folder.display()))?;
        let limit = group.folder.join(limit);
        fs::write(&limit, bytes.to_string()).map_err(|error| format!("{}: {error}", limit.display()))?;
        Ok(group)
    }

    /// Has `command` run in this group.
    pub(crate) fn enter<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let members =
            File::options().write(true).open(self.folder.join("cgroup.procs")).expect("the group's processes");
        let enter = move || {
            // "0" is who writes it.
            // SAFETY: one byte, which outlives the call.
            match unsafe { libc::write(members.as_raw_fd(), c"0".as_ptr().cast(), 1) } {
                1 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        };
        // SAFETY: one system call.
        unsafe { command.pre_exec(enter) }
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // The last process may be seen to end before it has left the group.
        let start = std::time::Instant::now();
        while fs::remove_dir(&self.folder).is_err() && start.elapsed() < super::PATIENCE {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}

/// The group in which a new one is to be made, and the name of its limit.
fn parent() -> Option<(PathBuf, &'static str)> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mount = Path::new("/sys/fs/cgroup");
    let own = |mount: &Path, group: &str| {
        let own = mount.join(group.trim_start_matches('/'));
        if own.exists() { own } else { mount.to_owned() }
    };
    let fields = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1).map(str::to_owned);
        Some((fields.next()?, fields.next()?))
    };
    let mut second = None;
    for (controllers, group) in groups.lines().filter_map(fields) {
        if controllers.split(',').any(|it| it == "memory") && mount.join("memory").exists() {
            return Some((own(&mount.join("memory"), &group), "memory.limit_in_bytes"));
        }
        if controllers.is_empty() {
            let own = own(mount, &group);
            let gives = |folder: &&Path| {
                let given = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
                given.split_whitespace().any(|it| it == "memory")
            };
            second = own.ancestors().take_while(|it| it.starts_with(mount)).find(gives).map(Path::to_owned);
        }
    }
    second.map(|folder| (folder, "memory.max"))
}
