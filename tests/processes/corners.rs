//! Situations that are rare, each of which once went wrong.

use std::fs;
use std::io::Error;
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::mutex::A_WHILE;
use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("guard_from_before_attaching_stays_on_private_memory", guard_from_before_attaching_stays_on_private_memory),
    ("panic_under_a_guard_from_before_attaching_is_private", panic_under_a_guard_from_before_attaching_is_private),
    ("blocks_alike_but_for_a_word_do_not_meet", blocks_alike_but_for_a_word_do_not_meet),
    ("block_declared_twice_is_locked_once_by_a_thread", block_declared_twice_is_locked_once_by_a_thread),
    ("dead_owner_whose_lock_a_child_inherited_is_noticed", dead_owner_whose_lock_a_child_inherited_is_noticed),
    (
        "child_takes_a_slot_after_a_change_of_the_working_folder",
        child_takes_a_slot_after_a_change_of_the_working_folder,
    ),
    ("dead_segments_of_other_builds_go", dead_segments_of_other_builds_go),
];

pub(crate) const ROOT_TESTS: &[Named] = &[
    ("dead_owner_is_noticed_from_another_root", dead_owner_is_noticed_from_another_root),
    ("dead_owner_is_noticed_by_one_that_never_locked_before_chroot", || noticed_from_another_root(false)),
    ("owner_in_another_time_namespace_is_not_robbed", owner_in_another_time_namespace_is_not_robbed),
    ("child_with_its_parents_process_id_robs_nobody", child_with_its_parents_process_id_robs_nobody),
];

fn guard_from_before_attaching_stays_on_private_memory() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("actor"), sandbox.start("actor"));
    assert_eq!(one.ask("attach-under-guard"), "private 11 20; shared 1 1; still locked: true");
    assert_eq!(one.ask("early"), "100 1");
    assert_eq!(two.ask("attach"), "attached");
    assert_eq!(two.ask("early"), "100 1");
}

fn panic_under_a_guard_from_before_attaching_is_private() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("actor"), sandbox.start("actor"));
    assert_eq!(one.ask("attach-then-panic"), "panicked");
    assert_eq!(one.ask("early"), "1 1");
    assert_eq!(two.ask("attach"), "attached");
    assert_eq!(two.ask("early"), "1 1", "nobody ever held the shared lock");
}

fn blocks_alike_but_for_a_word_do_not_meet() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("actor"), sandbox.start("actor"));
    one.ask("set-twins");
    assert_eq!((one.ask("twins"), two.ask("twins")), ("1 2".into(), "1 2".into()));
}

fn block_declared_twice_is_locked_once_by_a_thread() {
    let sandbox = Sandbox::new();
    let mut peer = sandbox.start("actor");
    assert_eq!(peer.ask("attach"), "attached");
    peer.tell("twice");
    let held = "this thread holds the lock already";
    assert_eq!(peer.answer("locking again by another declaration"), format!("{held} | {held}"));
}

/// Another thread forks while a slot is being taken, and its child outlives the owner.
fn dead_owner_whose_lock_a_child_inherited_is_noticed() {
    let sandbox = Sandbox::new();
    let (mut owner, mut waits) = (sandbox.start("actor"), sandbox.start("actor"));
    // One child for each segment; they live until this end of their sockets is closed.
    owner.tell("attach-while-forking");
    let mut heir = sandbox.accept();
    assert_eq!(owner.answer("attach-while-forking"), "attached");
    owner.ask("without-list"); // The kernel would tell at once.
    assert_eq!(owner.ask("hold-early"), "1");
    assert_eq!(waits.ask("attach"), "attached");
    waits.tell("early");
    waits.expect_silence(A_WHILE, "the owner lives");
    owner.kill();
    assert_eq!(heir.ask("are you there?"), "waiting");
    let answer = waits.answer("the owner is dead, though its lock is held");
    assert!(answer.starts_with(&format!("process {} ", owner.pid)), "{answer}");
    assert_eq!(heir.ask("are you still there?"), "waiting");
}

fn child_takes_a_slot_after_a_change_of_the_working_folder() {
    let sandbox = Sandbox::new();
    let mut parent = Peer::start(sandbox.command("actor").current_dir(sandbox.path()));
    let mut other = sandbox.start("actor");
    assert_eq!(parent.ask("chdir /"), "changed");
    let mut child = sandbox.child_of(&mut parent, "fork fork");
    assert_eq!(child.ask("lock"), "clean 100");
    assert_eq!(other.ask("try"), "would block");
    assert!(child.ask("state processes.named").contains("unlinked=false"));
    child.kill();
    assert_eq!(parent.ask("lock"), format!("died {} 100", child.pid));
}

fn dead_owner_is_noticed_from_another_root() {
    noticed_from_another_root(true);
}

fn noticed_from_another_root(has_locked: bool) {
    let (sandbox, root) = (Sandbox::new(), tempfile::tempdir().expect("an empty folder"));
    let (mut owner, mut waits) = (sandbox.start("actor"), sandbox.start("actor"));
    if has_locked {
        assert_eq!(waits.ask("lock"), "clean 100");
        waits.ask("drop");
    }
    assert_eq!(waits.ask(&format!("chroot {}", root.path().display())), "changed");
    owner.ask("lock");
    assert_eq!(waits.ask("try"), "would block");
    waits.tell("lock");
    waits.expect_silence(A_WHILE, "the owner lives");
    owner.kill();
    assert_eq!(waits.answer("lock"), format!("died {} 100", owner.pid));
}

/// Its clock is a day ahead: every process seems to have started after it took its slot.
fn owner_in_another_time_namespace_is_not_robbed() {
    let sandbox = Sandbox::new();
    let mut owner = sandbox.start("actor");
    let mut command = sandbox.command("actor");
    let unshare = || {
        // SAFETY: no pointer. Children are in the new namespace.
        if unsafe { libc::unshare(libc::CLONE_NEWTIME) } != 0 {
            return Err(Error::last_os_error());
        }
        fs::write("/proc/self/timens_offsets", "boottime 86400 0")
    };
    // SAFETY: system calls only.
    unsafe { command.pre_exec(unshare) };
    let mut outside = Peer::start(&mut command);
    let mut waits = sandbox.child_of(&mut outside, "fork fork");
    owner.ask("lock");
    assert_eq!(waits.ask("try"), "would block");
    owner.kill();
    assert_eq!(waits.ask("lock"), format!("died {} 100", owner.pid));
    assert_eq!(outside.ask("try"), "would block");
    waits.ask("drop");
    // Without a name the lock of the owner's slot cannot be asked about, and its time means nothing to the others.
    let mut owner = sandbox.start("actor");
    owner.ask("lock");
    for file in sandbox.files() {
        fs::remove_file(sandbox.path().join(file)).expect("removing a segment");
    }
    assert_eq!(waits.ask("try"), "would block");
}

/// The first process of one PID namespace makes the first of another.
fn child_with_its_parents_process_id_robs_nobody() {
    let sandbox = Sandbox::new();
    let mut outside = sandbox.start("actor");
    outside.ask("unshare-pids");
    let mut parent = sandbox.child_of(&mut outside, "fork fork");
    assert_eq!(parent.ask("lock"), "clean 100");
    parent.ask("drop");
    let mut owner = sandbox.child_of(&mut parent, "fork fork");
    parent.ask("unshare-pids");
    let mut child = sandbox.child_of(&mut parent, "fork fork");
    assert_eq!((parent.ask("pid"), owner.ask("pid"), child.ask("pid")), ("1".into(), "2".into(), "1".into()));
    assert_eq!(owner.ask("lock"), "clean 100");
    assert_eq!(child.ask("try"), "would block", "a process 2 lives, but not in its namespace");
    owner.ask("drop");
    assert_eq!(child.ask("lock"), "clean 100");
}

/// The segments of 16 builds that nobody uses, of one in use, and of one that is kept.
fn dead_segments_of_other_builds_go() {
    const BUILDS: usize = 16;
    let sandbox = Sandbox::new();
    let image_files = || {
        let files = sandbox.files().into_iter();
        files.filter(|name| name.starts_with("image-") && !name.contains("-other-")).collect::<Vec<_>>()
    };
    let as_other = |name: &str, build: usize| sandbox.path().join(format!("image-other-{build}-{name}"));
    let mut lives = sandbox.start("actor");
    let own = image_files();
    // Renamed: its locks stay.
    own.iter().for_each(|name| fs::rename(sandbox.path().join(name), as_other(name, 0)).expect("renaming"));
    sandbox.start("actor").kill();
    assert_eq!(image_files(), own);
    for (name, build) in own.iter().flat_map(|name| (1..=BUILDS).map(move |build| (name, build))) {
        fs::copy(sandbox.path().join(name), as_other(name, build)).expect("copying a dead segment");
    }
    let stays = |name: &str| name.starts_with("image-other-0-") || name.contains("-kept");
    let dead = || sandbox.files().into_iter().filter(|name| name.contains("-other-") && !stays(name)).count();
    let before = sandbox.files().len() - dead();
    assert!(dead() >= BUILDS, "{:?}", sandbox.files());
    for start in 0.. {
        if dead() == 0 {
            break;
        }
        assert!(start < 200, "after {start} starts: {:?}", sandbox.files());
        sandbox.start("actor").kill();
    }
    assert_eq!(sandbox.files().len(), before, "{:?}", sandbox.files());
    assert!(Path::exists(&as_other(&own[0], 0)));
    assert_eq!(lives.ask("add 1"), "6");
}
