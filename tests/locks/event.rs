//! The event between processes.

use crate::actor::{A_WHILE, actors, tests};

tests! {
    all_who_wait_go_on_when_it_is_set,
    set_event_stays_set_until_it_is_reset,
    waiter_gets_through_a_set_that_is_reset_at_once,
    wait_for_an_event_ends_when_its_time_is_up,
    dead_waiter_is_nobodys_loss,
    event_that_the_dead_set_is_set,
}

fn all_who_wait_go_on_when_it_is_set() {
    let (_sandbox, [mut sets, mut one, mut two]) = actors();
    for waits in [&mut one, &mut two] {
        waits.tell("event wait");
        waits.expect_silence(A_WHILE, "the event is not set");
    }
    sets.ask("event set");
    assert_eq!(one.answer("event wait"), "set");
    assert_eq!(two.answer("event wait"), "set");
}

fn set_event_stays_set_until_it_is_reset() {
    let (_sandbox, [mut one, mut two]) = actors();
    assert_eq!(two.ask("event is-set"), "false");
    one.ask("event set");
    one.ask("event set");
    for _ in 0..2 {
        assert_eq!(two.ask("event wait"), "set");
        assert_eq!(two.ask("event is-set"), "true");
    }
    one.ask("event reset");
    assert_eq!(two.ask("event is-set"), "false");
    two.tell("event wait");
    two.expect_silence(A_WHILE, "the event is not set");
    one.ask("event set");
    assert_eq!(two.answer("event wait"), "set");
}

fn waiter_gets_through_a_set_that_is_reset_at_once() {
    let (_sandbox, [mut pulses, mut waits]) = actors();
    waits.tell("event wait");
    waits.expect_silence(A_WHILE, "the event is not set");
    pulses.ask("event pulse");
    assert_eq!(waits.answer("event wait"), "set");
    assert_eq!(waits.ask("event timeout 30"), "timed out", "who comes later waits");
}

fn wait_for_an_event_ends_when_its_time_is_up() {
    let (_sandbox, [mut one, mut two]) = actors();
    assert_eq!(one.ask("event timeout 30"), "timed out");
    assert_eq!(one.ask("event timeout 250"), "timed out", "longer than the longest sleep");
    two.ask("event set");
    assert_eq!(one.ask("event timeout 0"), "set");
}

fn dead_waiter_is_nobodys_loss() {
    let (_sandbox, [mut sets, mut dies, mut waits]) = actors();
    for peer in [&mut dies, &mut waits] {
        peer.tell("event wait");
        peer.expect_silence(A_WHILE, "the event is not set");
    }
    dies.kill();
    sets.ask("event set");
    assert_eq!(waits.answer("event wait"), "set");
}

fn event_that_the_dead_set_is_set() {
    let (_sandbox, [mut sets, mut waits]) = actors();
    waits.tell("event wait");
    sets.ask("event set");
    sets.kill();
    assert_eq!(waits.answer("event wait"), "set");
    assert_eq!(waits.ask("event is-set"), "true");
}
