//! The mutex between processes: exclusion, deaths, panics.

use std::time::Duration;

use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("threads_of_processes_exclude_each_other", threads_of_processes_exclude_each_other),
    ("lock_held_elsewhere_would_block", lock_held_elsewhere_would_block),
    ("waiter_gets_the_lock_when_it_is_released", waiter_gets_the_lock_when_it_is_released),
    ("second_lock_of_one_thread_would_deadlock", second_lock_of_one_thread_would_deadlock),
    ("killed_owner_is_named_and_its_value_repaired", killed_owner_is_named_and_its_value_repaired),
    ("waiter_notices_the_death_of_the_owner", waiter_notices_the_death_of_the_owner),
    ("all_waiters_get_the_lock_after_a_death", all_waiters_get_the_lock_after_a_death),
    ("repairer_that_is_killed_is_the_next_dead_owner", repairer_that_is_killed_is_the_next_dead_owner),
    ("repair_that_panics_leaves_owner_died", repair_that_panics_leaves_owner_died),
    ("child_forked_in_a_repair_repairs_nothing", child_forked_in_a_repair_repairs_nothing),
    (
        "lock_that_was_given_up_is_not_recoverable_but_by_repair",
        lock_that_was_given_up_is_not_recoverable_but_by_repair,
    ),
    ("dropped_owner_died_is_found_by_the_next", dropped_owner_died_is_found_by_the_next),
    ("panic_under_a_guard_is_owner_died_elsewhere", panic_under_a_guard_is_owner_died_elsewhere),
    ("stopped_owner_is_not_robbed", stopped_owner_is_not_robbed),
    ("ended_thread_with_a_leaked_guard_keeps_the_lock", ended_thread_with_a_leaked_guard_keeps_the_lock),
    ("owner_that_closed_its_descriptors_is_not_robbed", owner_that_closed_its_descriptors_is_not_robbed),
];

/// Time for a thief to show himself. A test passes however long things take.
pub(crate) const A_WHILE: Duration = Duration::from_millis(300);

fn two(sandbox: &Sandbox) -> (Peer, Peer) {
    (sandbox.start("actor"), sandbox.start("actor"))
}

/// A sandbox, a peer that was killed under the lock with 7 in the value, and one that lives.
fn after_a_death() -> (Sandbox, Peer, Peer) {
    let sandbox = Sandbox::new();
    let (mut dies, lives) = two(&sandbox);
    dies.ask("lock");
    dies.ask("set 7");
    dies.kill();
    (sandbox, dies, lives)
}

fn threads_of_processes_exclude_each_other() {
    let sandbox = Sandbox::new();
    let mut peers: Vec<_> = (0..4).map(|_| sandbox.start("actor")).collect();
    peers.iter_mut().for_each(|peer| peer.tell("count-locked 3 20000"));
    peers.iter().for_each(|peer| assert_eq!(peer.answer("counting"), "counted"));
    assert_eq!(peers[0].ask("lock"), format!("clean {}", 100 + 4 * 3 * 20_000));
}

fn lock_held_elsewhere_would_block() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = two(&sandbox);
    one.ask("lock");
    assert_eq!(two.ask("try"), "would block");
    one.ask("drop");
    assert_eq!(two.ask("try"), "clean 100");
}

fn waiter_gets_the_lock_when_it_is_released() {
    let sandbox = Sandbox::new();
    let (mut owner, mut waits) = two(&sandbox);
    owner.ask("lock");
    waits.tell("lock");
    waits.expect_silence(A_WHILE, "the lock is held");
    owner.ask("set 3");
    owner.ask("drop");
    assert_eq!(waits.answer("lock"), "clean 3");
}

fn second_lock_of_one_thread_would_deadlock() {
    let sandbox = Sandbox::new();
    let mut peer = sandbox.start("actor");
    peer.ask("lock");
    assert_eq!(peer.ask("lock"), "deadlock");
    assert_eq!(peer.ask("try"), "deadlock");
    peer.ask("drop");
    assert_eq!(peer.ask("lock"), "clean 100");
}

fn killed_owner_is_named_and_its_value_repaired() {
    let (sandbox, dead, mut lives) = after_a_death();
    assert_eq!(lives.ask("lock"), format!("died {} 7", dead.pid));
    lives.ask("repair 8");
    lives.ask("drop");
    assert_eq!(lives.ask("lock"), "clean 8");
    lives.ask("drop");
    assert_eq!(sandbox.start("actor").ask("lock"), "clean 8");
}

fn waiter_notices_the_death_of_the_owner() {
    let sandbox = Sandbox::new();
    let (mut owner, mut waits) = two(&sandbox);
    owner.ask("lock");
    waits.tell("lock");
    waits.expect_silence(A_WHILE, "the owner lives");
    owner.kill();
    assert_eq!(waits.answer("lock"), format!("died {} 100", owner.pid));
}

fn all_waiters_get_the_lock_after_a_death() {
    let sandbox = Sandbox::new();
    let mut owner = sandbox.start("actor");
    owner.ask("lock");
    let mut waiters: Vec<_> = (0..8).map(|_| sandbox.start("actor")).collect();
    waiters.iter_mut().for_each(|waiter| waiter.tell("count-locked-or-repair 2"));
    owner.kill();
    waiters.iter().for_each(|waiter| assert_eq!(waiter.answer("counting"), "counted"));
    assert_eq!(waiters[0].ask("lock"), "clean 17", "1 from the one repair, and twice 8");
}

fn repairer_that_is_killed_is_the_next_dead_owner() {
    let (sandbox, dead, mut repairer) = after_a_death();
    assert_eq!(repairer.ask("lock"), format!("died {} 7", dead.pid));
    repairer.kill();
    assert_eq!(sandbox.start("actor").ask("lock"), "clean 100", "nobody was left: values start afresh");

    let (sandbox, _, mut repairer) = after_a_death();
    let mut other = sandbox.start("actor");
    repairer.ask("lock");
    repairer.kill();
    assert_eq!(other.ask("lock"), format!("died {} 7", repairer.pid));
}

fn repair_that_panics_leaves_owner_died() {
    let (sandbox, _, mut repairer) = after_a_death();
    repairer.ask("lock");
    assert_eq!(repairer.ask("repair-panics"), "panicked");
    assert_eq!(sandbox.start("actor").ask("lock"), format!("died {} 7", repairer.pid));
}

fn child_forked_in_a_repair_repairs_nothing() {
    let (sandbox, _, mut repairer) = after_a_death();
    repairer.ask("lock");
    assert_eq!(repairer.ask("repair-forks"), "panicked");
    assert_eq!(sandbox.start("actor").ask("lock"), format!("died {} 7", repairer.pid));
}

fn lock_that_was_given_up_is_not_recoverable_but_by_repair() {
    let (sandbox, _, mut gives_up) = after_a_death();
    let (mut waits, mut repairs) = two(&sandbox);
    gives_up.ask("lock");
    waits.tell("lock");
    waits.expect_silence(A_WHILE, "the lock is held by a repairer");
    gives_up.ask("give-up");
    assert_eq!(waits.answer("lock"), "not recoverable");
    assert_eq!(repairs.ask("try"), "not recoverable");
    assert_eq!(gives_up.ask("lock"), "not recoverable");
    assert_eq!(repairs.ask("lock-or-repair"), "clean 1");
    repairs.ask("drop");
    assert_eq!(waits.ask("lock"), "clean 1");
}

fn dropped_owner_died_is_found_by_the_next() {
    let (sandbox, dead, mut leaves) = after_a_death();
    leaves.ask("lock");
    leaves.ask("drop");
    let mut next = sandbox.start("actor");
    assert_eq!(next.ask("lock"), format!("died {} 7", dead.pid), "not who dropped it");
    next.ask("drop");
    assert_eq!(leaves.ask("lock-or-repair"), "clean 1");
    leaves.ask("drop");
    assert_eq!(next.ask("lock"), "clean 1");
}

fn panic_under_a_guard_is_owner_died_elsewhere() {
    let sandbox = Sandbox::new();
    let (mut panics, mut other) = two(&sandbox);
    panics.ask("lock");
    panics.ask("set 9");
    assert_eq!(panics.ask("panic"), "panicked");
    assert_eq!(other.ask("lock"), format!("died {} 9", panics.pid));
    other.ask("repair 10");
    other.ask("drop");
    assert_eq!(panics.ask("lock"), "clean 10");
}

fn stopped_owner_is_not_robbed() {
    let sandbox = Sandbox::new();
    let (mut owner, mut waits) = two(&sandbox);
    owner.ask("lock");
    owner.stop();
    assert_eq!(waits.ask("try"), "would block");
    waits.tell("lock");
    waits.expect_silence(Duration::from_secs(2), "a stopped owner owns");
    owner.go_on();
    owner.ask("set 4");
    owner.ask("drop");
    assert_eq!(waits.answer("lock"), "clean 4");
}

fn ended_thread_with_a_leaked_guard_keeps_the_lock() {
    let sandbox = Sandbox::new();
    let (mut leaks, mut waits) = two(&sandbox);
    leaks.ask("leak-in-thread");
    assert_eq!(waits.ask("try"), "would block");
    waits.tell("lock");
    waits.expect_silence(A_WHILE, "the process of the thread lives");
    leaks.kill();
    assert_eq!(waits.answer("lock"), format!("died {} 100", leaks.pid));
}

fn owner_that_closed_its_descriptors_is_not_robbed() {
    let sandbox = Sandbox::new();
    let (mut owner, mut waits) = two(&sandbox);
    owner.ask("lock");
    assert_eq!(owner.ask("close"), "closed");
    assert_eq!(waits.ask("try"), "would block");
    waits.tell("lock");
    waits.expect_silence(A_WHILE, "the owner lives");
    owner.ask("set 6");
    owner.ask("drop");
    assert_eq!(waits.answer("lock"), "clean 6");
    // And the life byte: the values are still there for the next one.
    waits.kill();
    assert_eq!(owner.ask("add 1"), "6");
    assert_eq!(sandbox.start("actor").ask("get"), "6");
}
