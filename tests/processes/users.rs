//! Several users, and privileges that are dropped.

use std::io::Error;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;

use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::root::{Copied, NOBODY, as_user, in_mount_namespace, mount, mount_tmpfs};
use crate::support::sandbox::{Sandbox, files_in};

pub(crate) const TESTS: &[Named] = &[
    ("process_that_dropped_privileges_still_shares", process_that_dropped_privileges_still_shares),
    ("process_that_dropped_privileges_notices_deaths", process_that_dropped_privileges_notices_deaths),
    ("child_without_the_right_to_a_slot_says_so", child_without_the_right_to_a_slot_says_so),
    ("owner_that_proc_hides_is_not_robbed", owner_that_proc_hides_is_not_robbed),
    ("owner_in_a_namespace_with_a_foreign_proc_is_not_robbed", owner_in_a_namespace_with_a_foreign_proc_is_not_robbed),
    ("two_users_share_nothing", two_users_share_nothing),
];

fn process_that_dropped_privileges_still_shares() {
    let sandbox = Sandbox::new();
    let (mut drops, mut stays) = (sandbox.start("actor"), sandbox.start("actor"));
    drops.ask("setuid 65534");
    drops.ask("add 1");
    assert_eq!(stays.ask("get"), "6");
    assert_eq!(drops.ask("lock"), "clean 100");
    assert_eq!(stays.ask("try"), "would block");
    drops.ask("set 2");
    drops.ask("drop");
    assert_eq!(stays.ask("lock"), "clean 2");
    assert_eq!(drops.ask("try"), "would block");
    drops.tell("lock");
    drops.expect_silence(crate::mutex::A_WHILE, "the owner lives");
    stays.ask("drop");
    assert_eq!(drops.answer("lock"), "clean 2");
    drops.kill();
    assert_eq!(stays.ask("lock"), format!("died {} 2", drops.pid));
}

fn process_that_dropped_privileges_notices_deaths() {
    let sandbox = Sandbox::new();
    let (mut drops, mut dies) = (sandbox.start("actor"), sandbox.start("actor"));
    dies.ask("lock");
    drops.ask("setuid 65534");
    drops.tell("lock");
    drops.expect_silence(crate::mutex::A_WHILE, "the owner lives");
    dies.kill();
    assert_eq!(drops.answer("lock"), format!("died {} 100", dies.pid));
}

fn child_without_the_right_to_a_slot_says_so() {
    let sandbox = Sandbox::new();
    let mut parent = sandbox.start("actor");
    parent.ask("setuid 65534");
    let mut child = sandbox.child_of(&mut parent, "fork fork");
    child.ask("add 1");
    assert_eq!(parent.ask("get"), "6", "values need no slot");
    let answer = child.ask("lock");
    assert!(answer.starts_with("no participant: cannot take a slot of the segment /dev/shm/"), "{answer}");
    assert!(answer.contains("Permission denied") && answer.contains("drops privileges"), "{answer}");
    assert_eq!(parent.ask("lock"), "clean 100");
}

/// With hidepid=2 a user sees only his own processes in /proc, and others look gone.
fn owner_that_proc_hides_is_not_robbed() {
    let (copied, sandbox) = (Copied::new(), Sandbox::new());
    in_mount_namespace(|| {
        mount("proc", "/proc", Some("proc"), 0, "hidepid=2");
        let start = || Peer::start(&mut copied.command("actor", Some(sandbox.path())));
        let (mut owner, mut drops) = (start(), start());
        owner.ask("lock");
        drops.ask("setuid 65534"); // It cannot ask for the owner's lock any more.
        assert_eq!(drops.ask("try"), "would block");
        drops.tell("lock");
        drops.expect_silence(crate::mutex::A_WHILE, "the owner lives");
        owner.kill();
        assert_eq!(drops.answer("lock"), format!("died {} 100", owner.pid));
    });
}

/// As in a container whose /proc is the host's.
fn owner_in_a_namespace_with_a_foreign_proc_is_not_robbed() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command("actor");
    let unshare = || {
        // SAFETY: no pointer. The peer's children are in the new namespace, not the peer.
        if unsafe { libc::unshare(libc::CLONE_NEWPID) } == 0 { Ok(()) } else { Err(Error::last_os_error()) }
    };
    // SAFETY: one system call.
    unsafe { command.pre_exec(unshare) };
    let mut outside = Peer::start(&mut command);
    let mut first = sandbox.child_of(&mut outside, "fork fork");
    assert_eq!(first.ask("pid"), "1");
    // Up to an id that the outer /proc does not know.
    let mut owner = sandbox.child_of(&mut outside, "fork fork");
    while std::fs::exists(format!("/proc/{}", owner.ask("pid"))).expect("/proc") {
        owner = sandbox.child_of(&mut outside, "fork fork");
    }
    assert_eq!(first.ask("lock"), "clean 100", "it has a slot");
    first.ask("drop");
    owner.ask("lock");
    for file in sandbox.files() {
        std::fs::remove_file(sandbox.path().join(file)).expect("removing a segment");
    }
    assert_eq!(first.ask("try"), "would block");
    let inner_pid = owner.ask("pid");
    owner.kill();
    outside.ask("reap");
    assert_eq!(first.ask("lock"), format!("died {inner_pid} 100"));
}

fn two_users_share_nothing() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let mut root = Peer::start(&mut copied.command("actor", None));
        let mut command = copied.command("actor", None);
        let mut nobody = Peer::start(as_user(&mut command, NOBODY, NOBODY, vec![]));
        assert_eq!((root.ask("add 1"), nobody.ask("add 10")), ("6".into(), "15".into()));
        assert_eq!((root.ask("named 1"), nobody.ask("named 10")), ("501".into(), "510".into()));
        assert_eq!(files_in("/dev/shm".as_ref()), ["cotenant-0", "cotenant-65534"]);
        for (folder, uid) in [("/dev/shm/cotenant-0", 0), ("/dev/shm/cotenant-65534", NOBODY)] {
            let stat = std::fs::metadata(folder).expect("a folder");
            assert_eq!((stat.uid(), stat.permissions().mode() & 0o7777), (uid, 0o700), "{folder}");
            let segment = std::fs::metadata(format!("{folder}/processes.named")).expect("a segment");
            assert_eq!((segment.uid(), segment.permissions().mode() & 0o7777), (uid, 0o600), "{folder}");
        }
    });
}
