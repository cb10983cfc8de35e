//! Locks and what only Linux does to processes here: children with copies of guards, and stopped holders.

use cotenant::sync::{LockError, OnceCell, OnceWait, TryLockError};

use crate::actor::{A_WHILE, actors, answer, tests};
use crate::support::peer::Peer;
use crate::support::serve;

tests! {
    guards_of_a_rwlock_copied_by_a_fork_do_nothing,
    child_of_a_fork_waits_for_its_parent_to_write,
    stopped_reader_is_not_robbed,
    child_of_a_fork_waits_for_a_condition_itself,
    child_forked_while_making_a_cell_makes_nothing,
    permit_copied_by_a_fork_gives_nothing_back,
    tries_get_round_to_a_dead_holder_among_many_processes,
    child_of_a_fork_arrives_at_a_barrier_itself,
    stopped_leader_is_not_robbed,
    leadership_copied_by_a_fork_steps_nobody_down,
}

/// Makes a child, which serves the test through the sandbox's socket.
pub(crate) fn fork() -> String {
    // SAFETY: this process has one thread, so its child may do what it likes.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => serve::forked(answer),
        pid => pid.to_string(),
    }
}

/// Forks inside of the making of the value. The child comes out of it too, and must have made nothing.
pub(crate) fn make_inside(
    cell: &'static OnceCell<[u64; 3]>,
    value: [u64; 3],
) -> Result<&'static [u64; 3], TryLockError<OnceWait>> {
    let mut is_child = false;
    let made = cell.get_or_init(|| {
        // SAFETY: this process has one thread.
        let child = unsafe { libc::fork() };
        if child == 0 {
            is_child = true;
            return [666; 3];
        }
        let mut status = 0;
        // SAFETY: the place for the status outlives the call.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        if status == 0 { value } else { [status as u64; 3] }
    });
    if is_child {
        let is_refused = matches!(made, Err(LockError::WouldDeadlock)) && cell.get().is_none();
        // SAFETY: no pointer.
        unsafe { libc::_exit(i32::from(!is_refused)) };
    }
    made.map_err(TryLockError::Lock)
}

#[track_caller]
fn expect(peer: &mut Peer, command: &str, answer: &str) {
    assert_eq!(peer.ask(command), answer, "{command}");
}

#[track_caller]
fn expect_to_wait(peer: &mut Peer, command: &str, why: &str) {
    peer.tell(command);
    peer.expect_silence(A_WHILE, why);
}

fn guards_of_a_rwlock_copied_by_a_fork_do_nothing() {
    let (sandbox, [mut parent, mut other]) = actors();
    parent.ask("rw read");
    let mut child = sandbox.child_of(&mut parent, "fork");
    expect(&mut child, "drop", "dropped");
    expect(&mut other, "rw try-write", "would block");
    parent.ask("drop");
    parent.ask("rw write");
    for end in ["drop", "panic"] {
        let mut child = sandbox.child_of(&mut parent, "fork");
        child.ask(end);
        expect(&mut other, "rw try-read", "would block");
    }
    parent.ask("rw half-set 5");
    parent.kill();
    expect(&mut other, "rw read", &format!("died {} 5 1", parent.pid));
    let mut child = sandbox.child_of(&mut other, "fork");
    expect(&mut child, "drop", "dropped");
    expect(&mut child, "rw try-read", "would block");
    expect(&mut other, "rw repair 3", "repaired");
}

fn child_of_a_fork_waits_for_its_parent_to_write() {
    let (sandbox, [mut parent]) = actors();
    parent.ask("rw write");
    let mut child = sandbox.child_of(&mut parent, "fork");
    child.ask("drop");
    expect_to_wait(&mut child, "rw read", "its parent writes");
    parent.ask("drop");
    assert_eq!(child.answer("rw read"), "read 1 1");
    expect_to_wait(&mut parent, "rw write", "its child reads");
    child.kill();
    assert_eq!(parent.answer("rw write"), "write 1 1");
}

fn stopped_reader_is_not_robbed() {
    let (_sandbox, [mut reader, mut writer]) = actors();
    reader.ask("rw read");
    reader.stop();
    expect_to_wait(&mut writer, "rw write", "the reader is stopped, not dead");
    reader.go_on();
    reader.ask("drop");
    assert_eq!(writer.answer("rw write"), "write 1 1");
}

fn child_of_a_fork_waits_for_a_condition_itself() {
    let (sandbox, [mut parent]) = actors();
    let mut child = sandbox.child_of(&mut parent, "fork");
    child.tell("jobs take");
    child.expect_silence(A_WHILE, "there is no job");
    parent.ask("jobs add 1");
    parent.ask("jobs notify-one");
    assert_eq!(child.answer("jobs take"), "took");
}

fn child_forked_while_making_a_cell_makes_nothing() {
    let (_sandbox, [mut one, mut two]) = actors();
    assert_eq!(one.ask("cell fork-inside 4"), "[4, 4, 4]");
    assert_eq!(two.ask("cell get"), "Some([4, 4, 4])");
}

/// Each try asks about 32 processes; the next one goes on where it stopped.
fn tries_get_round_to_a_dead_holder_among_many_processes() {
    let (sandbox, [mut rest, mut other]) = actors();
    let mut holders: Vec<_> = (0..70).map(|_| sandbox.start("actor")).collect();
    for holder in &mut holders {
        holder.ask("many take 1");
    }
    assert_eq!(rest.ask("many take 30"), "0 are left");
    holders[60].kill();
    let tries = (1..=20).find(|_| other.ask("many try") == "had");
    assert!(tries.is_some(), "the dead one is never asked about");
    holders[10].kill();
    assert_eq!(other.ask("many timeout 20000"), "had");
}

fn permit_copied_by_a_fork_gives_nothing_back() {
    let (sandbox, [mut parent, mut other]) = actors();
    parent.ask("permit acquire");
    parent.ask("permit acquire");
    let mut child = sandbox.child_of(&mut parent, "fork");
    child.ask("drop");
    child.ask("drop");
    assert_eq!(other.ask("permit try"), "would block");
    child.tell("permit acquire");
    child.expect_silence(A_WHILE, "its parent holds all permits");
    parent.ask("drop");
    assert_eq!(child.answer("permit acquire"), "had");
    child.kill();
    assert_eq!(other.ask("permit acquire"), "had");
}

fn child_of_a_fork_arrives_at_a_barrier_itself() {
    let (sandbox, [mut parent, mut other]) = actors();
    let mut child = sandbox.child_of(&mut parent, "fork");
    child.tell("barrier wait");
    parent.tell("barrier wait");
    parent.expect_silence(A_WHILE, "the third has not come");
    child.kill();
    let mut child = sandbox.child_of(&mut other, "fork");
    child.tell("barrier wait");
    child.expect_silence(A_WHILE, "the first child is dead");
    assert_eq!(other.ask("barrier wait"), "led");
    assert_eq!(parent.answer("barrier wait"), "passed");
    assert_eq!(child.answer("barrier wait"), "passed");
}

fn stopped_leader_is_not_robbed() {
    let (_sandbox, [mut one, mut two]) = actors();
    one.ask("leader lead");
    one.stop();
    two.tell("leader lead");
    two.expect_silence(A_WHILE, "the leader is stopped, not dead");
    one.go_on();
    one.ask("drop");
    assert_eq!(two.answer("leader lead"), "term 2");
}

fn leadership_copied_by_a_fork_steps_nobody_down() {
    let (sandbox, [mut parent, mut other]) = actors();
    parent.ask("leader lead");
    let mut child = sandbox.child_of(&mut parent, "fork");
    child.ask("drop");
    assert_eq!(other.ask("leader try"), "would block");
    child.tell("leader lead");
    child.expect_silence(A_WHILE, "its parent leads");
    parent.kill();
    assert_eq!(child.answer("leader lead"), "term 2");
}
