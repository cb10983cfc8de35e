//! Waiting for several queues at a time.

use std::time::Duration;

use cotenant::channel::{Delivery, Queue, Receiver, wait_any};
use cotenant::{Backing, Segment};

use crate::support::sandbox::Sandbox;
use crate::support::{Named, PATIENCE};

pub(crate) const TESTS: &[Named] = &[
    ("one_who_waits_for_several_queues_is_woken_by_each", one_who_waits_for_several_queues_is_woken_by_each),
    ("the_lowest_of_several_that_are_ready_is_told", the_lowest_of_several_that_are_ready_is_told),
    ("what_a_dead_receiver_had_is_waited_for_as_well", what_a_dead_receiver_had_is_waited_for_as_well),
    ("reservation_that_is_given_up_is_nothing_to_take", reservation_that_is_given_up_is_nothing_to_take),
];

/// The queue of tests/channels/queues.rs's role `end`.
fn named(sandbox: &Sandbox) -> Queue<'static> {
    crate::queues::queue_in(sandbox)
}

fn nameless() -> Queue<'static> {
    let options = Queue::options().capacity_bytes(1 << 12).delivery(Delivery::AtLeastOnce);
    options.segment(Segment::options().backing(Backing::Anonymous)).create("several").expect("a queue")
}

fn take(receiver: &Receiver<'_>) -> Vec<u8> {
    let message = receiver.try_recv().expect("no error").expect("it is ready");
    let bytes = message.to_vec();
    message.ack();
    bytes
}

fn one_who_waits_for_several_queues_is_woken_by_each() {
    for sole in [false, true] {
        let sandbox = Sandbox::new();
        let (far, near) = (named(&sandbox), nameless());
        let receivers = if sole {
            [near.sole_receiver().expect("a role"), far.sole_receiver().expect("a role")]
        } else {
            [near.receiver().expect("a role"), far.receiver().expect("a role")]
        };
        let both = [&receivers[0], &receivers[1]];
        assert_eq!(wait_any(&both, Duration::from_millis(5)), None, "nothing was sent");
        let mut peer = sandbox.start("end");
        for number in 0..20 {
            // Sent while this one waits, or just before.
            peer.tell(&format!("send {number}"));
            assert_eq!(wait_any(&both, PATIENCE), Some(1));
            assert_eq!(take(&receivers[1]), number.to_string().as_bytes());
            assert_eq!(peer.answer("send"), "sent");
            let near = &near;
            std::thread::scope(|scope| {
                scope.spawn(move || near.sender().expect("a sender").send("near").expect("room"));
                assert_eq!(wait_any(&both, PATIENCE), Some(0));
            });
            assert_eq!(take(&receivers[0]), b"near");
        }
    }
}

fn the_lowest_of_several_that_are_ready_is_told() {
    let queues = [nameless(), nameless(), nameless()];
    let receivers: Vec<_> = queues.iter().map(|queue| queue.receiver().expect("a receiver")).collect();
    let all: Vec<_> = receivers.iter().collect();
    queues[2].sender().expect("a sender").send("last").expect("room");
    queues[1].sender().expect("a sender").send("middle").expect("room");
    assert_eq!(wait_any(&all, PATIENCE), Some(1));
    assert_eq!(take(&receivers[1]), b"middle");
    assert_eq!(wait_any(&all, PATIENCE), Some(2));
    assert_eq!(take(&receivers[2]), b"last");
    assert_eq!(wait_any(&[], Duration::from_millis(1)), None);
}

fn what_a_dead_receiver_had_is_waited_for_as_well() {
    for sole in [false, true] {
        let sandbox = Sandbox::new();
        let (far, near) = (named(&sandbox), nameless());
        let receivers = [near.receiver().expect("a receiver"), far.receiver().expect("a receiver")];
        far.sender().expect("a sender").send("job").expect("room");
        let mut peer = sandbox.start("end");
        if sole {
            assert_eq!(peer.ask("sole"), "sole");
        }
        assert_eq!(peer.ask("take"), "job");
        assert_eq!(wait_any(&[&receivers[0], &receivers[1]], Duration::from_millis(5)), None, "it lives");
        peer.kill();
        assert_eq!(wait_any(&[&receivers[0], &receivers[1]], PATIENCE), Some(1));
        assert_eq!(take(&receivers[1]), b"job");
    }
}

fn reservation_that_is_given_up_is_nothing_to_take() {
    let queue = nameless();
    let (mut sender, receiver) = (queue.sender().expect("a sender"), queue.receiver().expect("a receiver"));
    let place = sender.reserve(8).expect("room");
    assert_eq!(wait_any(&[&receiver], Duration::from_millis(5)), None, "it is not committed");
    place.commit();
    assert_eq!(wait_any(&[&receiver], PATIENCE), Some(0));
    take(&receiver);
    assert_eq!(wait_any(&[&receiver], Duration::from_millis(5)), None, "it was taken");
}
