//! No room: an error that names the limit that was met and the way out, and never a signal.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::holder::options;
use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::root::{Copied, in_mount_namespace, mount_tmpfs};
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("declared_maximum_is_told", declared_maximum_is_told),
    ("limit_of_the_process_for_files_is_told", limit_of_the_process_for_files_is_told),
    ("limit_of_the_process_for_addresses_is_told", limit_of_the_process_for_addresses_is_told),
    ("memory_is_taken_as_it_is_used", memory_is_taken_as_it_is_used),
    ("all_users_grow_without_a_new_mapping", all_users_grow_without_a_new_mapping),
];

pub(crate) const ROOT_TESTS: &[Named] = &[
    ("full_shared_memory_is_an_error_with_its_numbers", full_shared_memory_is_an_error_with_its_numbers),
    ("shared_memory_without_room_for_a_segment_is_told", shared_memory_without_room_for_a_segment_is_told),
    ("full_disk_is_an_error", full_disk_is_an_error),
    ("two_that_fill_it_at_once_are_both_told", two_that_fill_it_at_once_are_both_told),
    ("shared_memory_without_inodes_is_told", shared_memory_without_inodes_is_told),
    ("shared_memory_that_is_read_only_is_told", shared_memory_that_is_read_only_is_told),
];

/// `MADE Kind: message` of "fill".
#[track_caller]
fn filled(answer: &str) -> (u64, String) {
    let (made, error) = answer.split_once(' ').expect("how many, and why no more");
    assert!(error.starts_with("NoSpace: "), "{answer}");
    (made.parse().expect("a number"), error.to_owned())
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "no {part:?} in {text:?}"));
}

fn declared_maximum_is_told() {
    let sandbox = Sandbox::new();
    let mut peer = sandbox.start("holder");
    peer.ask("create it max=1048576");
    let (made, error) = filled(&peer.ask("fill part"));
    assert_eq!(made, 16);
    assert_says(&error, &["max_bytes", "1048576"]);
    assert!(peer.ask("add n").starts_with("NoSpace: "));
}

fn start_limited(sandbox: &Sandbox, resource: libc::__rlimit_resource_t, bytes: u64) -> Peer {
    let mut command = sandbox.command("holder");
    let set = move || {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        // SAFETY: the structure outlives the call.
        match unsafe { libc::setrlimit(resource, &raw const limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: one system call.
    unsafe { command.pre_exec(set) };
    Peer::start(&mut command)
}

fn limit_of_the_process_for_addresses_is_told() {
    let sandbox = Sandbox::new();
    let mut limited = start_limited(&sandbox, libc::RLIMIT_AS, 2 << 30);
    assert_says(&limited.ask("create it max=4294967296"), &["NoSpace: ", "ulimit -v", "`max_bytes`"]);
    assert_eq!(limited.ask("create it max=1048576"), "created");
}

fn limit_of_the_process_for_files_is_told() {
    let sandbox = Sandbox::new();
    let mut limited = start_limited(&sandbox, libc::RLIMIT_FSIZE, 4 << 20);
    assert_eq!(limited.ask("create it"), "created");
    let (made, error) = filled(&limited.ask("fill part"));
    assert!(made > 10, "{made}");
    assert_says(&error, &["limit for files of 4096 KiB", "ulimit -f", "LimitFSIZE="]);
    // Another process has no such limit, and makes it grow for both.
    let mut free = sandbox.start("holder");
    assert_eq!(
        (free.ask("open it"), free.ask("add n"), limited.ask("add n")),
        ("opened".into(), "1".into(), "2".into())
    );
}

fn memory_is_taken_as_it_is_used() {
    use std::os::unix::fs::MetadataExt;
    let sandbox = Sandbox::new();
    let segment = options(&["max=1073741824"]).folder(sandbox.path()).create("it").expect("address space");
    let taken = || fs::metadata(sandbox.path().join("it")).expect("the segment").blocks() * 512;
    let first = taken();
    assert!(first < 256 << 10, "{first} bytes for an empty segment");
    segment.get_or_init("a", || [1_u64; 1 << 14]).expect("a value");
    assert!((first + (128 << 10)..first + (512 << 10)).contains(&taken()), "{first} and then {}", taken());
}

fn all_users_grow_without_a_new_mapping() {
    let sandbox = Sandbox::new();
    let mut peers: Vec<_> = (0..4).map(|_| sandbox.start("holder")).collect();
    for peer in &mut peers {
        peer.ask("open-or-create it max=16777216");
    }
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.tell(&format!("fill part{number}"));
    }
    let made: u64 = peers.iter().map(|peer| filled(&peer.answer("fill")).0).sum();
    assert_eq!(made, 256, "objects of 64 KiB in 16 MiB");
}

fn fill_up(folder: &Path) {
    let mut filler = fs::File::create(folder.join("filler")).expect("a file");
    while filler.write_all(&[1; 4096]).is_ok() {}
}

fn full_shared_memory_is_an_error_with_its_numbers() {
    let copied = Copied::new();
    let sandbox = Sandbox::new();
    in_mount_namespace(|| {
        mount_tmpfs(sandbox.path().to_str().expect("UTF-8"), "size=1m,mode=700");
        let mut peer = Peer::start(&mut copied.command("holder", Some(sandbox.path())));
        assert_eq!(peer.ask("create it"), "created");
        assert_eq!(peer.ask("add n"), "1");
        let (made, error) = filled(&peer.ask("fill part"));
        assert!((5..16).contains(&made), "{made}");
        assert_says(
            &error,
            &["No space left", "of 1024 KiB free", "df -h", "--shm-size", "COTENANT_DIR", "remount,size="],
        );
        // It goes on with what it has, and another one joins.
        assert_eq!(peer.ask("add n"), "2");
        let mut other = Peer::start(&mut copied.command("holder", Some(sandbox.path())));
        assert_eq!((other.ask("open it"), other.ask("add n")), ("opened".into(), "3".into()));
    });
}

fn shared_memory_without_room_for_a_segment_is_told() {
    let copied = Copied::new();
    let sandbox = Sandbox::new();
    in_mount_namespace(|| {
        mount_tmpfs(sandbox.path().to_str().expect("UTF-8"), "size=1m,mode=700");
        fill_up(sandbox.path());
        let mut peer = Peer::start(&mut copied.command("holder", Some(sandbox.path())));
        for mode in ["mode=600", "mode=644"] {
            let answer = peer.ask(&format!("create it {mode}"));
            assert_says(&answer, &["NoSpace: ", "No space left", "0 of 1024 KiB free", "make room"]);
        }
        assert_eq!(sandbox.files(), ["filler"]);
    });
}

fn full_disk_is_an_error() {
    let copied = Copied::new();
    let sandbox = Sandbox::new();
    in_mount_namespace(|| {
        mount_tmpfs(sandbox.path().to_str().expect("UTF-8"), "size=1m,mode=700");
        let mut peer = Peer::start(&mut copied.command("holder", None));
        let path = sandbox.path().join("disk.segment");
        assert_eq!(peer.ask(&format!("create {} file", path.display())), "created");
        let (made, error) = filled(&peer.ask("fill part"));
        assert!(made > 4, "{made}");
        assert_says(&error, &["disk.segment", "of 1024 KiB free"]);
    });
}

fn two_that_fill_it_at_once_are_both_told() {
    let copied = Copied::new();
    let sandbox = Sandbox::new();
    for _ in 0..10 {
        in_mount_namespace(|| {
            mount_tmpfs(sandbox.path().to_str().expect("UTF-8"), "size=2m,mode=700");
            let start = || Peer::start(&mut copied.command("holder", Some(sandbox.path())));
            let (mut one, mut two) = (start(), start());
            one.ask("open-or-create it");
            two.ask("open-or-create it prefault");
            one.tell("fill a");
            two.tell("fill b");
            let made = filled(&one.answer("fill")).0 + filled(&two.answer("fill")).0;
            assert!((15..32).contains(&made), "{made}");
        });
    }
}

fn shared_memory_without_inodes_is_told() {
    let copied = Copied::new();
    let sandbox = Sandbox::new();
    in_mount_namespace(|| {
        mount_tmpfs(sandbox.path().to_str().expect("UTF-8"), "nr_inodes=1,mode=700");
        let mut peer = Peer::start(&mut copied.command("holder", Some(sandbox.path())));
        assert_says(&peer.ask("create it"), &["NoSpace: ", "none of its 1 inodes", "nr_inodes"]);
    });
}

fn shared_memory_that_is_read_only_is_told() {
    let copied = Copied::new();
    let sandbox = Sandbox::new();
    in_mount_namespace(|| {
        mount_tmpfs(sandbox.path().to_str().expect("UTF-8"), "ro,mode=700");
        let mut peer = Peer::start(&mut copied.command("holder", Some(sandbox.path())));
        assert_says(&peer.ask("create it"), &["PermissionDenied: ", "Read-only", "read-write", "COTENANT_DIR"]);
    });
}
