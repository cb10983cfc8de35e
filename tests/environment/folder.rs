//! `COTENANT_DIR`, good and bad, and the umask.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::Named;
use crate::support::peer::{Peer, run};
use crate::support::root::{Copied, NOBODY, as_user, in_mount_namespace, mount_tmpfs, remount_read_only};
use crate::support::root::{set_mode, set_owner};
use crate::support::sandbox::{Sandbox, command, files_in};

pub(crate) const TESTS: &[Named] = &[
    ("relative_folder_is_refused", relative_folder_is_refused),
    ("missing_folder_is_made", missing_folder_is_made),
    ("folder_without_a_parent_is_refused", folder_without_a_parent_is_refused),
    ("file_in_place_of_the_folder_is_refused", file_in_place_of_the_folder_is_refused),
    ("link_to_a_folder_of_ours_is_followed", link_to_a_folder_of_ours_is_followed),
    ("folder_that_others_can_write_is_refused", folder_that_others_can_write_is_refused),
    ("link_in_place_of_a_segment_is_refused", link_in_place_of_a_segment_is_refused),
    ("folder_in_place_of_a_segment_is_refused", folder_in_place_of_a_segment_is_refused),
    ("fifo_in_place_of_a_segment_is_refused", fifo_in_place_of_a_segment_is_refused),
    ("segment_that_others_can_write_is_refused", segment_that_others_can_write_is_refused),
    ("umask_does_not_matter", umask_does_not_matter),
    ("scope_that_is_no_name_is_refused", scope_that_is_no_name_is_refused),
];

pub(crate) const ROOT_TESTS: &[Named] = &[
    ("folder_of_another_user_is_refused", folder_of_another_user_is_refused),
    ("segment_of_another_user_is_refused", segment_of_another_user_is_refused),
    ("folder_of_ours_with_a_loose_mode_is_tightened", folder_of_ours_with_a_loose_mode_is_tightened),
    ("read_only_file_system_is_refused", read_only_file_system_is_refused),
    ("umask_does_not_matter_in_shared_memory", umask_does_not_matter_in_shared_memory),
];

/// The line with which a start in `folder` is refused.
#[track_caller]
fn refusal(folder: &Path) -> String {
    run(&mut command("probe", Some(folder))).refusal().to_owned()
}

#[track_caller]
fn assert_says(line: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(line.contains(part), "no {part:?} in {line:?}"));
}

fn missing_folder_is_made() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("new");
    assert!(run(&mut command("probe", Some(&folder))).status.success());
    assert_eq!(fs::metadata(&folder).expect("the folder").mode() & 0o7777, 0o700);
}

fn relative_folder_is_refused() {
    for folder in ["segments", "./segments", "../segments"] {
        let line = refusal(Path::new(folder));
        assert_says(&line, &["COTENANT_DIR", &format!("`{folder}`"), "relative", "absolute"]);
        let options = cotenant::Segment::options().folder(folder);
        let error = options.open_or_create("x").map(drop).expect_err("a relative folder");
        assert_eq!(error.kind(), cotenant::ErrorKind::InvalidInput, "{error}");
        assert_says(&error.to_string(), &["the option `folder`", "absolute"]);
        assert!(!Path::new(folder).exists());
    }
}

fn folder_without_a_parent_is_refused() {
    let line = refusal(Path::new("/dev/shm/cotenant-test-nothing-here/folder"));
    assert_says(&line, &["/dev/shm/cotenant-test-nothing-here/folder (COTENANT_DIR)", "No such file"]);
}

fn file_in_place_of_the_folder_is_refused() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let line = refusal(file.path());
    assert_says(&line, &[file.path().to_str().expect("UTF-8"), "Not a directory", "unset COTENANT_DIR"]);
}

fn link_to_a_folder_of_ours_is_followed() {
    let (sandbox, links) = (Sandbox::new(), tempfile::tempdir().expect("a folder"));
    let link = links.path().join("link");
    symlink(sandbox.path(), &link).expect("a link");
    let mut direct = sandbox.start("actor");
    let mut linked = Peer::start(&mut command("actor", Some(&link)));
    assert_eq!((direct.ask("add"), linked.ask("add")), ("1".into(), "2".into()));
}

fn folder_that_others_can_write_is_refused() {
    for mode in [0o770, 0o777, 0o702, 0o1777] {
        let sandbox = Sandbox::new();
        set_mode(sandbox.path(), mode);
        let line = refusal(sandbox.path());
        assert_says(
            &line,
            &[sandbox.path().to_str().expect("UTF-8"), &format!("mode {mode:o}"), "name a folder of this user alone"],
        );
        assert_eq!(sandbox.files(), [""; 0]);
    }
}

/// A sandbox with `put` in place of the named segment; the line that refuses it.
#[track_caller]
fn refusal_of_segment(put: impl FnOnce(&Path)) -> String {
    let sandbox = Sandbox::new();
    put(&sandbox.path().join("environment.privileged"));
    let line = refusal(sandbox.path());
    assert_says(&line, &["environment.privileged"]);
    line
}

fn link_in_place_of_a_segment_is_refused() {
    let victim = tempfile::NamedTempFile::new().expect("a file");
    fs::write(victim.path(), "precious").expect("writing");
    let line = refusal_of_segment(|path| symlink(victim.path(), path).expect("a link"));
    assert_says(&line, &["is a symbolic link", "remove it"]);
    assert_eq!(fs::read(victim.path()).expect("the file"), b"precious");
    refusal_of_segment(|path| symlink("/nowhere", path).expect("a link"));
}

fn folder_in_place_of_a_segment_is_refused() {
    let line = refusal_of_segment(|path| fs::create_dir(path).expect("a folder"));
    assert_says(&line, &["is a folder", "remove it"]);
}

fn fifo_in_place_of_a_segment_is_refused() {
    let line = refusal_of_segment(|path| {
        let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).expect("a path");
        // SAFETY: a C string.
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    });
    assert_says(&line, &["is not a regular file"]);
}

fn segment_that_others_can_write_is_refused() {
    let sandbox = Sandbox::new();
    let _lives = sandbox.start("actor");
    set_mode(&sandbox.path().join("environment.privileged"), 0o666);
    assert_says(&refusal(sandbox.path()), &["environment.privileged can be written by others (mode 666)"]);
}

/// Starts `command` under `umask`.
fn start_under(umask: u32, command: &mut Command) -> Peer {
    let set = move || {
        // SAFETY: no pointer.
        unsafe { libc::umask(umask) };
        Ok(())
    };
    // SAFETY: one system call.
    unsafe { command.pre_exec(set) };
    Peer::start(command)
}

fn umask_does_not_matter() {
    for umask in [0, 0o022, 0o077, 0o777] {
        let sandbox = Sandbox::new();
        let mut one = start_under(umask, &mut sandbox.command("actor"));
        let mut two = sandbox.start("actor");
        assert_eq!((one.ask("add"), two.ask("add")), ("1".into(), "2".into()), "umask {umask:o}");
        for file in sandbox.files() {
            let mode = fs::metadata(sandbox.path().join(&file)).expect("a segment").mode() & 0o7777;
            assert_eq!(mode, 0o600, "umask {umask:o}: {file}");
        }
    }
}

fn umask_does_not_matter_in_shared_memory() {
    let copied = Copied::new();
    for umask in [0, 0o022, 0o077, 0o777] {
        in_mount_namespace(|| {
            mount_tmpfs("/dev/shm", "mode=1777");
            let mut command = copied.command("actor", None);
            let mut one = start_under(umask, as_user(&mut command, NOBODY, NOBODY, vec![]));
            let mut command = copied.command("actor", None);
            let mut two = Peer::start(as_user(&mut command, NOBODY, NOBODY, vec![]));
            assert_eq!((one.ask("add"), two.ask("add")), ("1".into(), "2".into()), "umask {umask:o}");
            assert_eq!(files_in(Path::new("/dev/shm")), ["cotenant-65534"], "umask {umask:o}");
            let mode = fs::metadata("/dev/shm/cotenant-65534").expect("the folder").mode() & 0o7777;
            assert_eq!(mode, 0o700, "umask {umask:o}");
        });
    }
}

fn scope_that_is_no_name_is_refused() {
    let sandbox = Sandbox::new();
    for scope in ["a/b", "..x/", "ä", "a@b", &"x".repeat(65)] {
        let ended = run(sandbox.command("probe").env("COTENANT_SCOPE", scope));
        assert_says(ended.refusal(), &["COTENANT_SCOPE", "use at most 64"]);
    }
    assert_eq!(sandbox.files(), [""; 0]);
}

fn folder_of_another_user_is_refused() {
    let (copied, folder) = (Copied::new(), TempDir::with_prefix_in("cotenant-test-", "/dev/shm").expect("a folder"));
    set_mode(folder.path(), 0o755);
    set_owner(folder.path(), NOBODY, NOBODY);
    let mut start = copied.command("probe", Some(folder.path()));
    let ended = run(as_user(&mut start, 4711, 4711, vec![]));
    assert_says(ended.refusal(), &["belongs to user 65534, not to 4711"]);
    // Root does not trust a user's folder either.
    assert_says(&refusal(folder.path()), &["belongs to user 65534, not to 0"]);
    set_owner(folder.path(), 0, 0);
    let mut start = copied.command("probe", Some(folder.path()));
    assert_says(run(as_user(&mut start, 4711, 4711, vec![])).refusal(), &["Permission denied"]);
}

fn segment_of_another_user_is_refused() {
    let sandbox = Sandbox::new();
    let _lives = sandbox.start("actor");
    set_owner(&sandbox.path().join("environment.privileged"), NOBODY, NOBODY);
    assert_says(&refusal(sandbox.path()), &["environment.privileged belongs to user 65534, not to 0"]);
}

fn folder_of_ours_with_a_loose_mode_is_tightened() {
    let copied = Copied::new();
    for mode in [0o777, 0o1777, 0o755, 0o500, 0o4700] {
        in_mount_namespace(|| {
            mount_tmpfs("/dev/shm", "mode=1777");
            fs::create_dir("/dev/shm/cotenant-0").expect("a folder");
            set_mode(Path::new("/dev/shm/cotenant-0"), mode);
            assert!(run(&mut copied.command("probe", None)).status.success());
            let found = fs::metadata("/dev/shm/cotenant-0").expect("the folder").mode() & 0o7777;
            assert_eq!(found, 0o700, "from {mode:o}");
        });
    }
}

fn read_only_file_system_is_refused() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        assert!(run(&mut copied.command("probe", None)).status.success());
        remount_read_only("/dev/shm");
        let ended = run(&mut copied.command("probe", None));
        assert_says(ended.refusal(), &["/dev/shm/cotenant-0", "Read-only file system"]);
    });
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777,ro");
        let ended = run(&mut copied.command("probe", None));
        assert_says(ended.refusal(), &["/dev/shm/cotenant-0", "Read-only file system", "COTENANT_DIR"]);
    });
}
