//! The semaphore between processes: two permits of at most four.

use crate::actor::{A_WHILE, actors, tests};

tests! {
    permits_are_so_many_and_no_more,
    waiter_gets_a_permit_that_is_given_back,
    every_waiter_gets_a_permit_given_back_at_once,
    wait_for_a_permit_ends_when_its_time_is_up,
    permit_of_a_dead_holder_comes_back,
    waiter_gets_the_permit_of_a_dead_holder,
    killed_waiter_takes_no_permit,
    permit_may_be_dropped_by_another_thread,
    panic_with_a_permit_gives_it_back,
    leaked_permit_comes_back_with_the_end_of_its_process,
    try_finds_the_one_dead_holder_among_many_permits,
    semaphore_without_permits_gives_none,
}

fn permits_are_so_many_and_no_more() {
    let (_sandbox, [mut one, mut two, mut three]) = actors();
    assert_eq!(one.ask("permit acquire"), "had");
    assert_eq!(two.ask("permit available"), "1 of 2");
    assert_eq!(two.ask("permit try"), "had");
    assert_eq!(two.ask("permit available"), "0 of 2");
    for peer in [&mut one, &mut two, &mut three] {
        assert_eq!(peer.ask("permit try"), "would block");
    }
    one.ask("drop");
    assert_eq!(three.ask("permit try"), "had");
    assert_eq!(one.ask("permit try"), "would block");
}

fn waiter_gets_a_permit_that_is_given_back() {
    let (_sandbox, [mut holds, mut waits]) = actors();
    holds.ask("permit acquire");
    holds.ask("permit acquire");
    waits.tell("permit acquire");
    waits.expect_silence(A_WHILE, "there is no permit");
    holds.ask("drop");
    assert_eq!(waits.answer("permit acquire"), "had");
}

fn every_waiter_gets_a_permit_given_back_at_once() {
    let (_sandbox, [mut holds, mut one, mut two]) = actors();
    for _ in 0..20 {
        holds.ask("permit acquire");
        holds.ask("permit acquire");
        one.tell("permit acquire");
        two.tell("permit acquire");
        holds.ask("drop");
        holds.ask("drop");
        for peer in [&mut one, &mut two] {
            assert_eq!(peer.answer("permit acquire"), "had");
            peer.ask("drop");
        }
    }
}

fn wait_for_a_permit_ends_when_its_time_is_up() {
    let (_sandbox, [mut holds, mut waits]) = actors();
    holds.ask("permit acquire");
    assert_eq!(waits.ask("permit timeout 30"), "had");
    assert_eq!(holds.ask("permit timeout 30"), "timed out");
    assert_eq!(waits.ask("permit timeout 30"), "timed out");
}

fn permit_of_a_dead_holder_comes_back() {
    for verb in ["try", "acquire", "timeout 20000"] {
        let (_sandbox, [mut dies, mut other]) = actors();
        dies.ask("permit acquire");
        dies.ask("permit acquire");
        dies.kill();
        for _ in 0..2 {
            assert_eq!(other.ask(&format!("permit {verb}")), "had", "{verb}");
        }
        assert_eq!(other.ask("permit try"), "would block");
    }
}

fn waiter_gets_the_permit_of_a_dead_holder() {
    let (_sandbox, [mut lives, mut dies, mut waits]) = actors();
    lives.ask("permit acquire");
    dies.ask("permit acquire");
    waits.tell("permit acquire");
    waits.expect_silence(A_WHILE, "there is no permit");
    dies.kill();
    assert_eq!(waits.answer("permit acquire"), "had");
    assert_eq!(lives.ask("permit try"), "would block");
}

fn killed_waiter_takes_no_permit() {
    let (_sandbox, [mut holds, mut dies, mut waits]) = actors();
    holds.ask("permit acquire");
    holds.ask("permit acquire");
    dies.tell("permit acquire");
    waits.tell("permit acquire");
    waits.expect_silence(A_WHILE, "there is no permit");
    dies.kill();
    holds.ask("drop");
    assert_eq!(waits.answer("permit acquire"), "had");
    assert_eq!(holds.ask("permit available"), "0 of 2");
}

fn permit_may_be_dropped_by_another_thread() {
    let (_sandbox, [mut one, mut two]) = actors();
    one.ask("permit acquire");
    one.ask("permit acquire");
    assert_eq!(one.ask("permit drop-elsewhere"), "dropped");
    assert_eq!(two.ask("permit try"), "had");
    assert_eq!(two.ask("permit try"), "would block");
}

fn panic_with_a_permit_gives_it_back() {
    let (_sandbox, [mut one, mut two]) = actors();
    one.ask("permit acquire");
    assert_eq!(one.ask("panic"), "panicked");
    assert_eq!(two.ask("permit available"), "2 of 2");
}

fn leaked_permit_comes_back_with_the_end_of_its_process() {
    let (_sandbox, [mut leaks, mut other]) = actors();
    leaks.ask("permit acquire");
    leaks.ask("leak");
    other.ask("permit acquire");
    assert_eq!(other.ask("permit try"), "would block");
    assert!(leaks.finish().success());
    assert_eq!(other.ask("permit acquire"), "had");
}

/// Two living processes are two questions, whatever number of permits they hold, and wherever the dead one's is.
fn try_finds_the_one_dead_holder_among_many_permits() {
    for (before, verb) in [(5, "try"), (50, "try"), (94, "try"), (50, "timeout 1")] {
        let (_sandbox, [mut one, mut dies, mut two, mut other]) = actors();
        one.ask(&format!("many take {before}"));
        dies.ask("many take 1");
        assert_eq!(two.ask(&format!("many take {}", 99 - before)), "0 are left");
        dies.kill();
        assert_eq!(other.ask(&format!("many {verb}")), "had", "{before} {verb}");
        assert_eq!(other.ask("many try"), "would block");
    }
}

fn semaphore_without_permits_gives_none() {
    let (_sandbox, [mut peer]) = actors();
    assert_eq!(peer.ask("permit none"), "timed out");
}
