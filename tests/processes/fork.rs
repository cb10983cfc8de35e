//! Children of forks of every kind, and daemons.

use crate::mutex::A_WHILE;
use crate::support::Named;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("forked_child_shares_and_takes_a_slot_at_its_first_lock", || each_kind(takes_a_slot_at_its_first_lock)),
    ("guard_copied_by_a_fork_does_nothing", || each_kind(copied_guard_does_nothing)),
    ("repairer_copied_by_a_fork_does_nothing", || each_kind(copied_repairer_does_nothing)),
    ("child_waits_for_its_parent", || each_kind(child_waits_for_its_parent)),
    ("parent_notices_the_death_of_its_child", || each_kind(parent_notices_the_death_of_its_child)),
    ("children_notice_the_death_of_their_parent", || each_kind(children_notice_the_death_of_their_parent)),
    ("grandchild_is_a_participant_too", || each_kind(grandchild_is_a_participant_too)),
    ("child_keeps_the_values_of_a_dead_parent", || each_kind(child_keeps_the_values_of_a_dead_parent)),
    ("daemon_is_attached_and_owns_its_locks", daemon_is_attached_and_owns_its_locks),
    ("child_without_a_slot_of_a_removed_segment_says_so", child_without_a_slot_of_a_removed_segment_says_so),
    ("child_of_a_private_process_is_private", child_of_a_private_process_is_private),
    ("child_attaches_by_call_what_its_parent_did_not", child_attaches_by_call_what_its_parent_did_not),
];

fn each_kind(test: fn(&str)) {
    ["fork fork", "fork _Fork", "fork clone"].into_iter().for_each(test);
}

fn takes_a_slot_at_its_first_lock(kind: &str) {
    let sandbox = Sandbox::new();
    let mut parent = sandbox.start("actor");
    parent.ask("lock");
    parent.ask("drop");
    let mut child = sandbox.child_of(&mut parent, kind);
    assert_eq!(child.ask("slot"), "none", "{kind}");
    child.ask("add 1");
    assert_eq!(parent.ask("get"), "6", "{kind}");
    assert_eq!(child.ask("lock"), "clean 100", "{kind}");
    let state = child.ask("state count");
    assert!(state.contains("slot=Some(2)"), "{kind}: {state}");
    assert!(state.contains(&format!("pids={}+{} ", parent.pid, child.pid)), "{kind}: {state}");
    assert_eq!(parent.ask("try"), "would block", "{kind}");
    child.ask("set 5");
    child.ask("drop");
    assert_eq!(parent.ask("lock"), "clean 5", "{kind}");
}

fn copied_guard_does_nothing(kind: &str) {
    let sandbox = Sandbox::new();
    let (mut parent, mut other) = (sandbox.start("actor"), sandbox.start("actor"));
    parent.ask("lock");
    let mut child = sandbox.child_of(&mut parent, kind);
    child.ask("drop");
    assert_eq!(other.ask("try"), "would block", "{kind}: dropped in the child");
    let mut child = sandbox.child_of(&mut parent, kind);
    assert_eq!(child.ask("panic"), "panicked");
    assert_eq!(other.ask("try"), "would block", "{kind}: dropped by a panic in the child");
    parent.ask("set 2");
    parent.ask("drop");
    assert_eq!(other.ask("try"), "clean 2", "{kind}");
}

fn copied_repairer_does_nothing(kind: &str) {
    let sandbox = Sandbox::new();
    let (mut dies, mut parent) = (sandbox.start("actor"), sandbox.start("actor"));
    dies.ask("lock");
    dies.kill();
    parent.ask("lock");
    let mut child = sandbox.child_of(&mut parent, kind);
    child.ask("drop");
    let mut child = sandbox.child_of(&mut parent, kind);
    child.ask("drop");
    assert_eq!(sandbox.start("actor").ask("try"), "would block", "{kind}");
    parent.ask("repair 3");
    parent.ask("drop");
    assert_eq!(child.ask("lock"), "clean 3", "{kind}");
}

fn child_waits_for_its_parent(kind: &str) {
    let sandbox = Sandbox::new();
    let mut parent = sandbox.start("actor");
    parent.ask("lock");
    let mut child = sandbox.child_of(&mut parent, kind);
    child.ask("drop");
    assert_eq!(child.ask("try"), "would block", "{kind}");
    child.tell("lock");
    child.expect_silence(A_WHILE, "its parent holds the lock");
    parent.ask("set 8");
    parent.ask("drop");
    assert_eq!(child.answer("lock"), "clean 8", "{kind}");
}

fn parent_notices_the_death_of_its_child(kind: &str) {
    let sandbox = Sandbox::new();
    let mut parent = sandbox.start("actor");
    let mut child = sandbox.child_of(&mut parent, kind);
    child.ask("lock");
    parent.tell("lock");
    parent.expect_silence(A_WHILE, "its child holds the lock");
    child.kill();
    assert_eq!(parent.answer("lock"), format!("died {} 100", child.pid), "{kind}");
}

fn children_notice_the_death_of_their_parent(kind: &str) {
    let sandbox = Sandbox::new();
    let mut parent = sandbox.start("actor");
    let mut early = sandbox.child_of(&mut parent, kind);
    parent.ask("lock");
    let mut late = sandbox.child_of(&mut parent, kind);
    late.ask("drop");
    early.tell("lock");
    early.expect_silence(A_WHILE, "its parent holds the lock");
    parent.kill();
    assert_eq!(early.answer("lock"), format!("died {} 100", parent.pid), "{kind}");
    early.ask("repair 2");
    early.ask("drop");
    assert_eq!(late.ask("lock"), "clean 2", "{kind}");
}

fn grandchild_is_a_participant_too(kind: &str) {
    let sandbox = Sandbox::new();
    let mut parent = sandbox.start("actor");
    let mut child = sandbox.child_of(&mut parent, kind);
    child.ask("lock");
    let mut grandchild = sandbox.child_of(&mut child, kind);
    grandchild.ask("drop");
    assert_eq!(grandchild.ask("try"), "would block", "{kind}");
    child.kill();
    assert_eq!(grandchild.ask("lock"), format!("died {} 100", child.pid), "{kind}");
    assert_eq!(parent.ask("try"), "would block", "{kind}");
    grandchild.kill();
    assert_eq!(parent.ask("lock"), format!("died {} 100", grandchild.pid), "{kind}");
}

fn child_keeps_the_values_of_a_dead_parent(kind: &str) {
    let sandbox = Sandbox::new();
    let mut parent = sandbox.start("actor");
    parent.ask("add 1");
    let mut child = sandbox.child_of(&mut parent, kind);
    parent.kill();
    let mut next = sandbox.start("actor");
    assert_eq!(next.ask("add 1"), "7", "{kind}: the child maps the segment, though it has no slot");
    assert_eq!(child.ask("get"), "7", "{kind}");
}

fn daemon_is_attached_and_owns_its_locks() {
    let sandbox = Sandbox::new();
    let mut starter = sandbox.start("actor");
    let mut daemon = sandbox.child_of(&mut starter, "daemonise");
    assert!(starter.finish().success());
    let mut other = sandbox.start("actor");
    assert_eq!(daemon.ask("add 1"), "6");
    assert_eq!(other.ask("get"), "6");
    assert_eq!(daemon.ask("lock"), "clean 100");
    assert_eq!(other.ask("try"), "would block");
    other.tell("lock");
    other.expect_silence(A_WHILE, "the daemon holds the lock");
    daemon.kill();
    assert_eq!(other.answer("lock"), format!("died {} 100", daemon.pid));
}

fn child_without_a_slot_of_a_removed_segment_says_so() {
    let sandbox = Sandbox::new();
    let mut parent = sandbox.start("actor");
    for file in sandbox.files() {
        std::fs::remove_file(sandbox.path().join(file)).expect("removing a segment");
    }
    let mut child = sandbox.child_of(&mut parent, "fork fork");
    child.ask("add 1");
    assert_eq!(parent.ask("get"), "6");
    let answer = child.ask("lock");
    assert!(answer.starts_with("no participant: ") && answer.contains("removed while it is in use"), "{answer}");
    assert_eq!(parent.ask("lock"), "clean 100");
}

fn child_of_a_private_process_is_private() {
    let sandbox = Sandbox::new();
    let mut parent = crate::support::peer::Peer::start(sandbox.command("actor").env("COTENANT_PRIVATE", "1"));
    parent.ask("lock");
    let mut child = sandbox.child_of(&mut parent, "fork fork");
    child.ask("add 1");
    assert_eq!(parent.ask("get"), "5");
    child.ask("drop");
    assert_eq!(child.ask("lock"), "clean 100", "the child's copy of the lock was the child's to release");
}

fn child_attaches_by_call_what_its_parent_did_not() {
    let sandbox = Sandbox::new();
    let mut parent = sandbox.start("actor");
    let mut child = sandbox.child_of(&mut parent, "fork fork");
    assert_eq!(child.ask("attach"), "attached");
    assert_eq!(child.ask("called 1"), "8");
    assert_eq!(parent.ask("called 0"), "7");
    assert_eq!(parent.ask("attach"), "attached");
    assert_eq!(parent.ask("called 0"), "8");
}
