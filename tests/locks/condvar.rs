//! The condition variable between processes: a mutex counts jobs.

use crate::actor::{A_WHILE, actors, tests};

tests! {
    waiter_goes_on_when_it_is_notified,
    one_notification_is_enough_for_one_job,
    all_waiters_are_notified,
    waiter_whose_notifier_was_killed_looks_again,
    killed_waiter_takes_no_notification,
    wait_with_a_timeout_ends_when_its_time_is_up,
    wait_returns_without_a_notification_at_last,
    death_under_the_lock_is_told_to_a_waiter,
}

fn waiter_goes_on_when_it_is_notified() {
    let (_sandbox, [mut adds, mut takes]) = actors();
    takes.tell("jobs take");
    takes.expect_silence(A_WHILE, "there is no job");
    adds.ask("jobs add 1");
    adds.ask("jobs notify-one");
    assert_eq!(takes.answer("jobs take"), "took");
    assert_eq!(adds.ask("jobs get"), "0");
}

fn one_notification_is_enough_for_one_job() {
    let (_sandbox, [mut adds, mut one, mut two]) = actors();
    for _ in 0..20 {
        one.tell("jobs take");
        two.tell("jobs take");
        for _ in 0..2 {
            adds.ask("jobs add 1");
            adds.ask("jobs notify-one");
        }
        assert_eq!(one.answer("jobs take"), "took");
        assert_eq!(two.answer("jobs take"), "took");
    }
    assert_eq!(adds.ask("jobs get"), "0");
}

fn all_waiters_are_notified() {
    let (_sandbox, [mut adds, mut one, mut two, mut three]) = actors();
    for takes in [&mut one, &mut two, &mut three] {
        takes.tell("jobs take");
        takes.expect_silence(A_WHILE / 3, "there is no job");
    }
    adds.ask("jobs add 3");
    adds.ask("jobs notify-all");
    for takes in [&one, &two, &three] {
        assert_eq!(takes.answer("jobs take"), "took");
    }
}

fn waiter_whose_notifier_was_killed_looks_again() {
    let (_sandbox, [mut dies, mut takes]) = actors();
    takes.tell("jobs take");
    takes.expect_silence(A_WHILE, "there is no job");
    dies.ask("jobs add 1");
    dies.kill();
    assert_eq!(takes.answer("jobs take"), "took");
}

fn killed_waiter_takes_no_notification() {
    let (_sandbox, [mut adds, mut dies, mut takes]) = actors();
    for waits in [&mut dies, &mut takes] {
        waits.tell("jobs take");
        waits.expect_silence(A_WHILE, "there is no job");
    }
    dies.kill();
    adds.ask("jobs add 1");
    adds.ask("jobs notify-one");
    assert_eq!(takes.answer("jobs take"), "took");
}

fn wait_with_a_timeout_ends_when_its_time_is_up() {
    let (_sandbox, [mut adds, mut waits]) = actors();
    assert_eq!(waits.ask("jobs wait-timeout 30"), "timed out 0");
    assert_eq!(waits.ask("jobs wait-timeout 250"), "timed out 0", "longer than the longest sleep");
    waits.tell("jobs wait-timeout 60000");
    waits.expect_silence(A_WHILE, "there is no job");
    adds.ask("jobs add 1");
    adds.ask("jobs notify-all");
    assert_eq!(waits.answer("jobs wait-timeout"), "woke 1");
}

fn wait_returns_without_a_notification_at_last() {
    let (_sandbox, [mut waits]) = actors();
    assert_eq!(waits.ask("jobs wait-once"), "woke 0");
}

fn death_under_the_lock_is_told_to_a_waiter() {
    let (_sandbox, [mut dies, mut takes]) = actors();
    takes.tell("jobs take");
    takes.expect_silence(A_WHILE, "there is no job");
    dies.ask("jobs lock");
    takes.expect_silence(A_WHILE, "the lock is held");
    dies.kill();
    assert_eq!(takes.answer("jobs take"), format!("died {}", dies.pid));
}
