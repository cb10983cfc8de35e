//! What needs root: mount namespaces and other users. Without root such tests are skipped loudly; with CI=true they
//! fail.

use std::ffi::CString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr::null;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

pub(crate) const NOBODY: u32 = 65534;

/// A test that needs root.
pub(crate) fn trial(name: &'static str, test: fn()) -> Trial {
    if is_root() {
        return super::trial(name, test);
    }
    if std::env::var_os("CI").is_some_and(|value| value == "true") {
        return Trial::test(name, || Err(Failed::from("needs root, and with CI=true nothing may be skipped")));
    }
    eprintln!("\n!!! SKIPPED: {name} needs root (mount namespaces, other users)\n");
    super::trial(name, test).with_ignored_flag(true)
}

pub(crate) fn is_root() -> bool {
    // SAFETY: no arguments.
    unsafe { libc::geteuid() == 0 }
}

/// Runs `test` where its mounts are seen by nobody but the processes that it starts.
#[track_caller]
pub(crate) fn in_mount_namespace(test: impl FnOnce() + Send) {
    let outcome = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: no pointer. A namespace of this thread alone, which ends with it.
            let unshared = unsafe { libc::unshare(libc::CLONE_NEWNS) };
            assert_eq!(unshared, 0, "a mount namespace: {}", std::io::Error::last_os_error());
            mount("none", "/", None, libc::MS_REC | libc::MS_PRIVATE, "");
            test();
        });
        thread.join()
    });
    if let Err(cause) = outcome {
        panic!("{}", super::text_of(cause.as_ref()));
    }
}

/// A tmpfs over `path`; `options` as of mount(8), for example `size=1m,mode=1777`.
#[track_caller]
pub(crate) fn mount_tmpfs(path: &str, options: &str) {
    mount("tmpfs", path, Some("tmpfs"), 0, options);
}

/// Makes the mount at `path` read-only.
#[track_caller]
pub(crate) fn remount_read_only(path: &str) {
    mount("none", path, None, libc::MS_REMOUNT | libc::MS_RDONLY, "");
}

#[track_caller]
pub(crate) fn mount(source: &str, path: &str, kind: Option<&str>, flags: libc::c_ulong, options: &str) {
    let text = |text: &str| CString::new(text).expect("no zero byte");
    let (source, target, kind, data) = (text(source), text(path), kind.map(text), text(options));
    let kind = kind.as_ref().map_or(null(), |kind| kind.as_ptr());
    // SAFETY: all are C strings or null, and outlive the call.
    let result = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind, flags, data.as_ptr().cast()) };
    assert_eq!(result, 0, "mounting {path}: {}", std::io::Error::last_os_error());
}

/// Has `command` run as another user, in `groups` besides.
pub(crate) fn as_user(command: &mut Command, uid: u32, gid: u32, groups: Vec<libc::gid_t>) -> &mut Command {
    let become_user = move || {
        // SAFETY: the list outlives the call.
        let failed = unsafe { libc::setgroups(groups.len(), groups.as_ptr()) } != 0
            // SAFETY: no pointer.
            || unsafe { libc::setgid(gid) } != 0
            // SAFETY: no pointer.
            || unsafe { libc::setuid(uid) } != 0;
        if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: system calls only.
    unsafe { command.pre_exec(become_user) }
}

/// A copy of this test program that every user can run.
pub(crate) struct Copied {
    folder: TempDir,
    pub(crate) program: PathBuf,
}

impl Copied {
    pub(crate) fn new() -> Copied {
        let folder = TempDir::with_prefix("cotenant-test-").expect("a folder for a program");
        let program = folder.path().join("program");
        // By another process: a writable descriptor of our own could be in a child that another thread forks at that
        // moment, and then the copy cannot be run ("text file busy").
        let original = std::env::current_exe().expect("this test program");
        let copied = Command::new("cp").arg(original).arg(&program).status().expect("running cp");
        assert!(copied.success(), "copying this test program");
        set_mode(folder.path(), 0o755);
        set_mode(&program, 0o755);
        Copied { folder, program }
    }

    /// As [`command`](super::sandbox::command), of the copy.
    pub(crate) fn command(&self, role: &str, folder: Option<&Path>) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env(super::ROLE, role);
        if let Some(folder) = folder {
            command.env("COTENANT_DIR", folder);
        }
        command
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("setting a mode");
}

pub(crate) fn set_owner(path: &Path, uid: u32, gid: u32) {
    std::os::unix::fs::chown(path, Some(uid), Some(gid)).expect("setting an owner");
}
