//! `Once` and `OnceCell` between processes.

use crate::actor::{A_WHILE, actors, tests};
use crate::support::wait_until;

tests! {
    one_process_of_all_does_it,
    others_wait_while_one_does_it,
    next_one_does_it_when_the_first_was_killed_inside,
    next_one_does_it_when_the_first_panicked,
    once_inside_of_itself_would_deadlock,
    wait_for_completion_ends_when_it_is_done_or_its_time_is_up,
    cell_is_made_once_and_read_by_all,
    cell_whose_maker_was_killed_is_made_by_the_next,
    cell_whose_maker_panicked_is_made_by_the_next,
    cell_that_is_set_gives_another_value_back,
    racing_processes_agree_on_one_value,
}

fn one_process_of_all_does_it() {
    let (_sandbox, [mut one, mut two]) = actors();
    assert_eq!(one.ask("once is-done"), "false");
    assert_eq!(one.ask("once call"), "did it");
    assert_eq!(two.ask("once call"), "done before");
    assert_eq!(two.ask("once try"), "done before");
    assert_eq!(two.ask("once is-done"), "true");
    one.kill();
    assert_eq!(two.ask("once call"), "done before");
}

fn others_wait_while_one_does_it() {
    let (_sandbox, [mut does, mut waits, mut tries]) = actors();
    does.tell("once hold");
    wait_until("one is inside", || tries.ask("count") == "1");
    assert_eq!(tries.ask("once try"), "would block");
    assert_eq!(tries.ask("once timeout"), "timed out");
    waits.tell("once call");
    waits.expect_silence(A_WHILE, "another is doing it");
    tries.ask("event set");
    assert_eq!(does.answer("once hold"), "did it");
    assert_eq!(waits.answer("once call"), "done before");
}

fn next_one_does_it_when_the_first_was_killed_inside() {
    let (_sandbox, [mut dies, mut waits, mut other]) = actors();
    dies.tell("once hold");
    wait_until("one is inside", || other.ask("count") == "1");
    waits.tell("once call");
    waits.expect_silence(A_WHILE, "another is doing it");
    dies.kill();
    assert_eq!(waits.answer("once call"), "did it");
    assert_eq!(other.ask("once call"), "done before");
}

fn next_one_does_it_when_the_first_panicked() {
    let (_sandbox, [mut one, mut two]) = actors();
    assert_eq!(one.ask("once panic"), "panicked");
    assert_eq!(two.ask("once is-done"), "false");
    assert_eq!(two.ask("once try"), "did it");
}

fn once_inside_of_itself_would_deadlock() {
    let (_sandbox, [mut one]) = actors();
    assert_eq!(one.ask("once again"), "true Some(Err(WouldDeadlock: this thread holds the lock already))");
    assert_eq!(one.ask("once is-done"), "true");
}

fn wait_for_completion_ends_when_it_is_done_or_its_time_is_up() {
    let (_sandbox, [mut does, mut waits]) = actors();
    assert_eq!(waits.ask("once wait-timeout"), "timed out");
    assert_eq!(waits.ask("cell wait-timeout"), "Err(TimedOut)");
    waits.tell("once wait");
    waits.expect_silence(A_WHILE, "nobody has done it");
    does.ask("once call");
    assert_eq!(waits.answer("once wait"), "done");
    waits.tell("cell wait");
    waits.expect_silence(A_WHILE, "nobody has made it");
    does.ask("cell set 3");
    assert_eq!(waits.answer("cell wait"), "[3, 3, 3]");
    assert_eq!(waits.ask("once wait-timeout"), "done");
}

fn cell_is_made_once_and_read_by_all() {
    let (_sandbox, [mut one, mut two]) = actors();
    assert_eq!(two.ask("cell get"), "None");
    assert_eq!(one.ask("cell init 1"), "[1, 1, 1]");
    assert_eq!(two.ask("cell init 2"), "[1, 1, 1]");
    assert_eq!(two.ask("cell try-init 2"), "[1, 1, 1]");
    assert_eq!(two.ask("cell get"), "Some([1, 1, 1])");
}

fn cell_whose_maker_was_killed_is_made_by_the_next() {
    let (_sandbox, [mut dies, mut waits, mut other]) = actors();
    dies.tell("cell hold 1");
    wait_until("one is inside", || other.ask("count") == "1");
    assert_eq!(other.ask("cell try-init 3"), "would block");
    assert_eq!(other.ask("cell init-timeout 3"), "timed out");
    assert_eq!(other.ask("cell get"), "None");
    waits.tell("cell init 2");
    waits.expect_silence(A_WHILE, "another is making it");
    dies.kill();
    assert_eq!(waits.answer("cell init"), "[2, 2, 2]");
    assert_eq!(other.ask("cell init 3"), "[2, 2, 2]");
}

fn cell_whose_maker_panicked_is_made_by_the_next() {
    let (_sandbox, [mut one, mut two]) = actors();
    assert_eq!(one.ask("cell panic"), "panicked");
    assert_eq!(two.ask("cell get"), "None");
    assert_eq!(two.ask("cell init 2"), "[2, 2, 2]");
}

fn cell_that_is_set_gives_another_value_back() {
    let (_sandbox, [mut one, mut two]) = actors();
    assert_eq!(one.ask("cell set 1"), "set");
    assert_eq!(two.ask("cell set 2"), "back [2, 2, 2]");
    assert_eq!(two.ask("cell get"), "Some([1, 1, 1])");
}

fn racing_processes_agree_on_one_value() {
    for _ in 0..5 {
        let (_sandbox, mut peers) = actors::<4>();
        for (i, peer) in peers.iter_mut().enumerate() {
            peer.tell(&format!("cell init {i}"));
        }
        let answers: Vec<_> = peers.iter().map(|peer| peer.answer("cell init")).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
}
