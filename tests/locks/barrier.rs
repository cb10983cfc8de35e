//! The barrier between processes: of three.

use crate::actor::{A_WHILE, actors, tests};
use crate::support::peer::Peer;

tests! {
    three_pass_when_the_third_has_come,
    barrier_is_used_again_and_again,
    dead_arrival_does_not_count,
    arrival_that_timed_out_does_not_count,
    threads_of_one_process_arrive_too,
}

/// Lets all pass, and checks that one of them led.
#[track_caller]
fn pass(waiting: &mut [&mut Peer], last: &mut Peer) {
    assert_eq!(last.ask("barrier wait"), "led");
    for peer in waiting {
        assert_eq!(peer.answer("barrier wait"), "passed");
    }
}

fn three_pass_when_the_third_has_come() {
    let (_sandbox, [mut one, mut two, mut three]) = actors();
    one.tell("barrier wait");
    two.tell("barrier wait");
    one.expect_silence(A_WHILE, "the third has not come");
    two.expect_silence(A_WHILE, "the third has not come");
    pass(&mut [&mut one, &mut two], &mut three);
}

fn barrier_is_used_again_and_again() {
    let (_sandbox, mut peers) = actors::<3>();
    for round in 0..50 {
        peers.iter_mut().for_each(|peer| peer.tell("barrier wait"));
        let mut answers: Vec<_> = peers.iter().map(|peer| peer.answer("barrier wait")).collect();
        answers.sort();
        assert_eq!(answers, ["led", "passed", "passed"], "round {round}");
    }
}

fn dead_arrival_does_not_count() {
    let (_sandbox, [mut dies, mut two, mut three, mut four]) = actors();
    dies.tell("barrier wait");
    dies.expect_silence(A_WHILE, "the others have not come");
    dies.kill();
    two.tell("barrier wait");
    three.tell("barrier wait");
    three.expect_silence(A_WHILE, "one of three is dead");
    pass(&mut [&mut two, &mut three], &mut four);
}

fn arrival_that_timed_out_does_not_count() {
    let (_sandbox, [mut one, mut two, mut three]) = actors();
    assert_eq!(one.ask("barrier timeout 30"), "timed out");
    two.tell("barrier wait");
    three.tell("barrier timeout 60000");
    three.expect_silence(A_WHILE, "one of three gave up");
    assert_eq!(one.ask("barrier timeout 60000"), "led");
    assert_eq!(two.answer("barrier wait"), "passed");
    assert_eq!(three.answer("barrier timeout"), "passed");
}

fn threads_of_one_process_arrive_too() {
    let (_sandbox, [mut one, mut two]) = actors();
    one.tell("stress barrier-threads 2");
    one.expect_silence(A_WHILE, "the third has not come");
    assert_eq!(two.ask("barrier wait"), "led");
    assert_eq!(one.answer("stress barrier-threads"), "0 of 2 led");
}
