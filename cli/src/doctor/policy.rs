//! What the system does to segments, or keeps from them, by policy: logind, sysctls, /proc.

use std::path::{Path, PathBuf};

use super::Check;
use crate::look::{View, user, user_name};

pub(super) fn checks(view: &View) -> Vec<Check> {
    let mut checks = vec![remove_ipc(view), protected_regular(), yama(), proc_mount(view)];
    checks.push(huge_pages());
    checks
}

/// Users below this number are the system's, whom RemoveIPC spares (`SYS_UID_MAX` of login.defs).
const SYSTEM_UID_MAX: u32 = 999;

/// systemd-logind deletes what a user has in /dev/shm, in use or not, when the user's last session ends.
fn remove_ipc(view: &View) -> Check {
    const NAME: &str = "remove-ipc";
    let Some(uid) = view.uid else { return Check::unknown(NAME, "of no user in particular: give --pid") };
    // As sd_booted(3) asks; packages make the other folders there, whether anything runs or not.
    let has_systemd = view.open_folder(Path::new("/run/systemd/system")).is_ok();
    let has_elogind = view.read_text(Path::new("/run/elogind.pid")).is_some();
    if !has_systemd && !has_elogind {
        return Check::ok(NAME, "systemd-logind does not run here: nobody deletes segments at logout");
    }
    let system_uid_max = system_uid_max(view);
    if uid <= system_uid_max {
        return Check::ok(NAME, format!("{} is a system user, whose segments logind leaves alone", user(uid)));
    }
    let (is_on, file) = configured(view);
    if !is_on {
        return Check::ok(NAME, format!("RemoveIPC=no ({})", file.display()));
    }
    let whose = user(uid);
    let lingers =
        user_name(uid).is_some_and(|name| view.read_text(&Path::new("/var/lib/systemd/linger").join(name)).is_some());
    if lingers {
        return Check::ok(NAME, format!("RemoveIPC=yes, but {whose} lingers: the sessions never all end"));
    }
    let found = format!(
        "RemoveIPC=yes ({}): when the last session of {whose} ends, logind deletes the user's segments, in use or not",
        file.display()
    );
    let cure = "loginctl enable-linger USER; or RemoveIPC=no in /etc/systemd/logind.conf.d/; or run services as a \
                system user, or with COTENANT_DIR in a RuntimeDirectory";
    Check::warning(NAME, found, cure)
}

fn system_uid_max(view: &View) -> u32 {
    let defs = view.read_text(Path::new("/etc/login.defs")).unwrap_or_default();
    let said = defs.lines().find_map(|line| line.trim().strip_prefix("SYS_UID_MAX")?.trim().parse().ok());
    said.unwrap_or(SYSTEM_UID_MAX)
}

/// What logind's files say, in the order in which it reads them; its own default is yes.
fn configured(view: &View) -> (bool, PathBuf) {
    let mut found = (true, PathBuf::from("the default"));
    let main = ["/etc", "/run", "/usr/local/lib", "/usr/lib"].map(|base| format!("{base}/systemd/logind.conf"));
    let main = main.iter().map(PathBuf::from).find_map(|path| Some((view.read_text(&path)?, path)));
    let mut files: Vec<_> = main.into_iter().collect();
    let mut drop_ins: Vec<(String, PathBuf)> = Vec::new();
    for base in ["/etc", "/run", "/usr/local/lib", "/usr/lib"] {
        let folder = PathBuf::from(format!("{base}/systemd/logind.conf.d"));
        let Ok(open) = view.open_folder(&folder) else { continue };
        for name in crate::look::names(&crate::look::by_descriptor(&open)) {
            // One in /etc stands for one of the same name elsewhere.
            if name.ends_with(".conf") && !drop_ins.iter().any(|(known, _)| *known == name) {
                drop_ins.push((name.clone(), folder.join(name)));
            }
        }
    }
    drop_ins.sort();
    files.extend(drop_ins.into_iter().filter_map(|(_, path)| Some((view.read_text(&path)?, path))));
    for (text, path) in files {
        for line in text.lines() {
            let Some(value) = line.trim().strip_prefix("RemoveIPC") else { continue };
            let Some(value) = value.trim_start().strip_prefix('=') else { continue };
            let is_on = matches!(value.trim().to_ascii_lowercase().as_str(), "1" | "yes" | "y" | "true" | "t" | "on");
            found = (is_on, path.clone());
        }
    }
    found
}

fn sysctl(name: &str) -> Option<i64> {
    std::fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?.trim().parse().ok()
}

fn protected_regular() -> Check {
    const NAME: &str = "protected-regular";
    match sysctl("fs/protected_regular") {
        Some(0) => Check::ok(NAME, "fs.protected_regular=0; segments lie in a folder of their own and do not need it"),
        Some(level) => Check::ok(
            NAME,
            format!("fs.protected_regular={level}: nobody creates over others' files in /dev/shm; we never do"),
        ),
        None => Check::unknown(NAME, "fs.protected_regular cannot be read"),
    }
}

fn yama() -> Check {
    const NAME: &str = "ptrace";
    match sysctl("kernel/yama/ptrace_scope") {
        None | Some(0) => Check::ok(NAME, "memory of one's own processes may be read: unlinked segments can be shown"),
        Some(scope) => Check::ok(
            NAME,
            format!("kernel.yama.ptrace_scope={scope}: what unlinked segments hold is shown to root alone"),
        ),
    }
}

fn proc_mount(view: &View) -> Check {
    const NAME: &str = "proc";
    if view.open_folder(Path::new("/proc/self")).is_err() && !view.is_elsewhere() {
        return Check::problem(
            NAME,
            "/proc is not mounted: programs need a build id in their image, and who maps what cannot be told",
            "mount -t proc proc /proc",
        );
    }
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let hides = table.lines().filter(|line| line.contains(" - proc ")).any(|line| {
        line.split(',')
            .any(|option| option.strip_prefix("hidepid=").is_some_and(|mode| !matches!(mode.trim(), "0" | "off")))
    });
    if hides && !rustix::process::geteuid().is_root() {
        return Check::ok(
            NAME,
            "/proc hides other users' processes (hidepid): they are left out of ls; sharing is not affected",
        );
    }
    Check::ok(NAME, "/proc is mounted")
}

/// Whether segments may have huge pages.
fn huge_pages() -> Check {
    const NAME: &str = "huge-pages";
    let path = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    let Ok(choice) = std::fs::read_to_string(path) else {
        return Check::ok(
            NAME,
            "the kernel has no huge pages for shared memory: the option huge_pages changes nothing",
        );
    };
    let chosen = choice.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']')).unwrap_or("?");
    let says = match chosen {
        "always" | "force" | "within_size" => "segments get huge pages by themselves",
        "deny" => "segments get none, also those that ask (huge_pages)",
        _ => "segments that ask (huge_pages), and caches, get them for what they reserve at once (Linux 6.1 and later)",
    };
    Check::ok(NAME, format!("{path} is {chosen}: {says}"))
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn remove_ipc_is_what_logind_reads_last() {
        let root = tempfile::tempdir().expect("a folder");
        let view = View::below(root.path(), 12_345).expect("a folder can be looked into");
        let status = || remove_ipc(&view).status;
        let folder = |path: &str| std::fs::create_dir_all(root.path().join(path)).expect("a folder");
        let write = |path: &str, text: &str| std::fs::write(root.path().join(path), text).expect("a file");
        assert_eq!(status(), Status::Ok, "no logind");
        folder("run/systemd/system");
        assert_eq!(status(), Status::Warning, "the default is yes");
        folder("etc/systemd/logind.conf.d");
        write("etc/systemd/logind.conf", "[Login]\n#RemoveIPC=yes\nRemoveIPC=no\n");
        assert_eq!(status(), Status::Ok);
        folder("usr/lib/systemd/logind.conf.d");
        write("usr/lib/systemd/logind.conf.d/50-x.conf", "[Login]\nRemoveIPC = true\n");
        assert_eq!(status(), Status::Warning, "a drop-in comes after");
        write("etc/systemd/logind.conf.d/50-x.conf", "");
        assert_eq!(status(), Status::Ok, "one in /etc stands for that of the same name");
        let system = View::below(root.path(), 999).expect("as above");
        write("etc/systemd/logind.conf.d/50-x.conf", "RemoveIPC=yes");
        assert_eq!((remove_ipc(&system).status, status()), (Status::Ok, Status::Warning));
        folder("etc");
        write("etc/login.defs", "# x\nSYS_UID_MAX\t\t20000\n");
        assert_eq!(status(), Status::Ok, "a system user by login.defs");
    }
}
