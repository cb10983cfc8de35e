//! Limits of a process, and full file systems: a line and status 78, never a signal.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::support::Named;
use crate::support::peer::{Peer, run};
use crate::support::root::{Copied, in_mount_namespace, mount_tmpfs};
use crate::support::sandbox::{Sandbox, files_in};

pub(crate) const TESTS: &[Named] = &[
    ("file_size_limit_is_told_without_a_signal", file_size_limit_is_told_without_a_signal),
    ("file_size_limit_does_not_keep_from_joining", file_size_limit_does_not_keep_from_joining),
    ("too_few_descriptors_are_told", too_few_descriptors_are_told),
];

pub(crate) const ROOT_TESTS: &[Named] = &[
    ("full_file_system_is_told_with_the_way_out", full_file_system_is_told_with_the_way_out),
    ("full_shared_memory_is_told_with_the_way_out", full_shared_memory_is_told_with_the_way_out),
    ("shared_memory_without_room_for_the_folder_is_told", shared_memory_without_room_for_the_folder_is_told),
    ("shared_memory_with_few_files_never_kills", shared_memory_with_few_files_never_kills),
    ("almost_full_file_system_never_kills", almost_full_file_system_never_kills),
    ("file_system_that_fills_up_later_never_kills", file_system_that_fills_up_later_never_kills),
];

fn limited(mut command: Command, resource: u32, limit: u64) -> Command {
    let set = move || {
        let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
        // SAFETY: the structure outlives the call.
        match unsafe { libc::setrlimit(resource as _, &raw const limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: one system call.
    unsafe { command.pre_exec(set) };
    command
}

fn file_size_limit_is_told_without_a_signal() {
    let sandbox = Sandbox::new();
    for limit in [0, 1, 4096, 100 << 10, 266 << 10] {
        let ended = run(&mut limited(sandbox.command("probe"), libc::RLIMIT_FSIZE, limit));
        let line = ended.refusal();
        assert!(line.contains("ulimit -f") && line.contains(sandbox.path().to_str().expect("UTF-8")), "{line}");
        assert_eq!(sandbox.files(), [""; 0], "limit {limit}");
    }
    assert!(run(&mut limited(sandbox.command("probe"), libc::RLIMIT_FSIZE, 4 << 20)).status.success());
}

fn file_size_limit_does_not_keep_from_joining() {
    let sandbox = Sandbox::new();
    let mut lives = sandbox.start("actor");
    let mut joins = Peer::start(&mut limited(sandbox.command("actor"), libc::RLIMIT_FSIZE, 0));
    assert_eq!((lives.ask("add"), joins.ask("add")), ("1".into(), "2".into()));
}

fn too_few_descriptors_are_told() {
    for limit in 3..12 {
        let sandbox = Sandbox::new();
        let ended = run(&mut limited(sandbox.command("probe"), libc::RLIMIT_NOFILE, limit));
        // With the very fewest the program's own libraries cannot be opened.
        if !ended.status.success() && ended.status.code() != Some(127) {
            assert!(ended.refusal().contains("Too many open files"), "{}", ended.stderr);
        }
    }
}

/// Fills the file system at `folder` but for `spare` pages.
fn fill(folder: &Path, spare: usize) {
    let path = folder.join("filler");
    let mut filler = fs::File::create(&path).expect("a file");
    let page = [1_u8; 4096];
    while filler.write_all(&page).is_ok() {}
    let bytes = filler.metadata().expect("its size").len().next_multiple_of(4096);
    filler.set_len(bytes.saturating_sub(4096 * spare as u64)).expect("making room");
}

fn full_file_system_is_told_with_the_way_out() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().to_str().expect("UTF-8");
    in_mount_namespace(|| {
        mount_tmpfs(folder, "size=1m,mode=700");
        fill(sandbox.path(), 0);
        let ended = run(&mut sandbox.command("probe"));
        let line = ended.refusal();
        assert_says_the_way_out(line, folder);
        assert_eq!(sandbox.files(), ["filler"]);
    });
}

fn full_shared_memory_is_told_with_the_way_out() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "size=1m,mode=1777");
        fill(Path::new("/dev/shm"), 0);
        let ended = run(&mut copied.command("probe", None));
        assert_says_the_way_out(ended.refusal(), "/dev/shm/cotenant-0");
        assert_eq!(ended.stdout, "");
        fs::remove_file("/dev/shm/filler").expect("making room");
        assert!(run(&mut copied.command("probe", None)).status.success());
    });
}

/// Where no file can be made there is no room for the folder either.
fn shared_memory_without_room_for_the_folder_is_told() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        // The one inode is that of /dev/shm itself.
        mount_tmpfs("/dev/shm", "nr_inodes=1,mode=1777");
        let ended = run(&mut copied.command("probe", None));
        assert_says_the_way_out(ended.refusal(), "/dev/shm/cotenant-0");
        assert_eq!(files_in(Path::new("/dev/shm")), [""; 0]);
    });
}

#[track_caller]
fn assert_says_the_way_out(line: &str, folder: &str) {
    for part in [folder, "No space left", "make room", "df -h", "--shm-size", "COTENANT_DIR"] {
        assert!(line.contains(part), "no {part:?} in {line:?}");
    }
}

/// The folder and two segments need an inode each.
fn shared_memory_with_few_files_never_kills() {
    let copied = Copied::new();
    let (mut refused, mut shared) = (0, 0);
    for inodes in 1..7 {
        in_mount_namespace(|| {
            mount_tmpfs("/dev/shm", &format!("nr_inodes={inodes},mode=1777"));
            let ended = run(&mut copied.command("probe", None));
            if ended.status.success() {
                shared += 1;
            } else {
                assert_says_the_way_out(ended.refusal(), "/dev/shm/cotenant-0");
                refused += 1;
            }
        });
    }
    assert!(refused > 2 && shared > 1, "{refused} refused, {shared} shared: the range was to show both");
}

fn almost_full_file_system_never_kills() {
    let (mut refused, mut shared) = (0, 0);
    for spare in 0..60 {
        let sandbox = Sandbox::new();
        in_mount_namespace(|| {
            mount_tmpfs(sandbox.path().to_str().expect("UTF-8"), "size=1m,mode=700");
            fill(sandbox.path(), spare);
            let ended = run(&mut sandbox.command("probe"));
            if ended.status.success() {
                shared += 1;
            } else {
                assert!(ended.refusal().contains("No space left"), "{}", ended.stderr);
                refused += 1;
            }
        });
    }
    assert!(refused > 5 && shared > 5, "{refused} refused, {shared} shared: the range was to show both");
}

/// The 65th participant needs another page for its entry.
fn file_system_that_fills_up_later_never_kills() {
    let copied = Copied::new();
    let sandbox = Sandbox::new();
    in_mount_namespace(|| {
        mount_tmpfs(sandbox.path().to_str().expect("UTF-8"), "size=1m,mode=700");
        let mut first = Peer::start(&mut copied.command("actor", Some(sandbox.path())));
        fill(sandbox.path(), 0);
        let peers: Vec<_> = (0..80).map(|_| Peer::launch(&mut copied.command("actor", Some(sandbox.path())))).collect();
        let mut joined = 0;
        for mut peer in peers {
            if peer.try_answer().is_some() {
                joined += 1;
                std::mem::forget(peer); // Keeps its slot until the test ends.
            } else {
                assert_eq!(peer.wait().code(), Some(78));
            }
        }
        // With the first one 64 have room. (One that finds room in one segment only takes it from the others.)
        assert!((32..64).contains(&joined), "{joined} joined");
        assert_eq!(first.ask("add"), "1");
    });
}
