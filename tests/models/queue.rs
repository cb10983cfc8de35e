//! The queue's index protocol: any ends and sole ones, both deliveries, deaths on both sides.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use cotenant::__private::queue_in_private_memory as queue;
use cotenant::channel::{Delivery, Message, Queue, Receiver, Sender};

use crate::world::{Tasks, deaths, explore, one_of, share, step};

/// Of each sender.
const MESSAGES: u32 = 2;
/// Two units.
const BYTES: usize = 16;
/// From this number on, a message tells one receiver that no more will come for it.
const STOP: u32 = 4;
/// Longer than any model runs: it has no clock.
const PATIENCE: Duration = Duration::from_secs(600);
/// A look for what the dead had is repeated so often: each may have asked about them just before they died.
const LOOKS: u32 = 64;

/// What became of each message. Not shared memory: who dies does so before or after it is written.
#[derive(Default)]
struct Log([Story; 6]);

#[derive(Default)]
struct Story {
    accepted: AtomicBool,
    came: AtomicU32,
    came_unmarked: AtomicU32,
    /// Of so many receivers that have not let go of it, dead ones too.
    in_hand: AtomicU32,
    /// Its receiver was about to say so.
    handled: AtomicBool,
    acknowledged: AtomicBool,
}

impl Log {
    fn came(&self, message: &Message<'_, '_>) -> u32 {
        let number = u32::from(message[0]);
        assert!(message.len() == BYTES && message.iter().all(|byte| *byte == message[0]), "a torn message");
        let story = &self.0[number as usize];
        assert!(!story.acknowledged.load(SeqCst), "message {number} came again, although it was acknowledged");
        assert!(story.in_hand.fetch_add(1, SeqCst) <= deaths(), "message {number} came while a living receiver has it");
        story.came.fetch_add(1, SeqCst);
        if !message.is_redelivered() {
            assert_eq!(story.came_unmarked.fetch_add(1, SeqCst), 0, "message {number} came twice, and not marked");
        }
        number
    }

    fn acknowledge(&self, message: Message<'_, '_>) {
        let story = &self.0[usize::from(message[0])];
        story.in_hand.fetch_sub(1, SeqCst);
        story.handled.store(true, SeqCst);
        message.ack();
        story.acknowledged.store(true, SeqCst);
    }

    /// It is to come again.
    fn give_back(&self, message: Message<'_, '_>) {
        self.0[usize::from(message[0])].in_hand.fetch_sub(1, SeqCst);
        drop(message);
    }
}

fn sender<'q>(queue: &'q Queue<'_>, sole: bool) -> Sender<'q> {
    if sole { queue.sole_sender_timeout(PATIENCE) } else { queue.sender() }.expect("a sender")
}

fn receiver<'q>(queue: &'q Queue<'_>, sole: bool) -> Receiver<'q> {
    if sole { queue.sole_receiver_timeout(PATIENCE) } else { queue.receiver() }.expect("a receiver")
}

fn send(queue: &Queue<'_>, log: &Log, numbers: Range<u32>, sole: bool) {
    let sender = sender(queue, sole);
    for number in numbers {
        sender.send([number as u8; BYTES]).expect("room");
        log.0[number as usize].accepted.store(true, SeqCst);
    }
}

/// Handles what comes, or lets it come again, until it is told to stop.
fn receive(queue: &Queue<'_>, log: &Log, sole: bool) {
    let receiver = receiver(queue, sole);
    loop {
        let message = receiver.recv().expect("a message");
        let number = log.came(&message);
        step();
        if queue.delivery() == Delivery::AtLeastOnce && one_of(4) == 0 {
            log.give_back(message);
            continue;
        }
        log.acknowledge(message);
        if number >= STOP {
            return;
        }
    }
}

/// The positions at which it begins: anywhere in the ring, with old records behind and before them.
fn use_before(queue: &Queue<'_>) {
    let (sender, receiver) = (sender(queue, true), receiver(queue, true));
    for _ in 0..one_of(10) {
        sender.send([9; BYTES]).expect("room");
        receiver.recv().expect("a message").ack();
    }
    if one_of(2) == 0 {
        sender.send([9; 1]).expect("room");
        receiver.recv().expect("a message").ack();
    }
}

/// Senders and receivers at the same time. Whoever dies, the others come to their end, and what was accepted comes.
fn run(sole_sender: bool, sole_receiver: bool, delivery: Delivery) {
    explore(2, move || {
        let (queue, log) = (share(queue(16, delivery)), share(Log::default()));
        use_before(queue);
        let (sender_count, receiver_count) = (2 - u32::from(sole_sender), 2 - u32::from(sole_receiver));
        let (mut senders, mut receivers) = (Tasks::default(), Tasks::default());
        // Who starts first is the first one that may be condemned.
        let start_receivers = |receivers: &mut Tasks| {
            for _ in 0..receiver_count {
                receivers.spawn(move || receive(queue, log, sole_receiver));
            }
        };
        let receivers_first = one_of(2) == 0;
        if receivers_first {
            start_receivers(&mut receivers);
        }
        for number in 0..sender_count {
            senders.spawn(move || send(queue, log, number * MESSAGES..(number + 1) * MESSAGES, sole_sender));
        }
        if !receivers_first {
            start_receivers(&mut receivers);
        }
        senders.join();
        let stops: Vec<_> = (STOP..STOP + receiver_count).map(|number| [number as u8; BYTES]).collect();
        // One of those who sleep is told, and tells the next.
        sender(queue, sole_sender).send_all(&stops).expect("room");
        stops.iter().for_each(|stop| log.0[usize::from(stop[0])].accepted.store(true, SeqCst));
        let dead_receivers = receiver_count - receivers.join() as u32;
        look(queue, log, dead_receivers, delivery);
    });
}

/// What is left comes to whoever looks last; then everything that was accepted has come.
fn look(queue: &Queue<'_>, log: &Log, dead_receivers: u32, delivery: Delivery) {
    let receiver = queue.receiver().expect("a receiver");
    let mut in_vain = 0;
    while in_vain < if deaths() > 0 { LOOKS } else { 1 } {
        match receiver.try_recv().expect("no error") {
            Some(message) => {
                log.came(&message);
                log.acknowledge(message);
                in_vain = 0;
            }
            None => in_vain += 1,
        }
    }
    let mut lost = 0;
    for (number, story) in log.0.iter().enumerate() {
        let (accepted, came) = (story.accepted.load(SeqCst), story.came.load(SeqCst));
        match delivery {
            Delivery::AtLeastOnce => {
                let is_handled = story.handled.load(SeqCst);
                assert!(is_handled || !accepted, "message {number} was accepted, and nobody handled it");
            }
            _ => {
                assert!(came <= 1, "message {number} came {came} times");
                lost += u32::from(accepted && came == 0);
            }
        }
    }
    assert!(lost <= dead_receivers, "{lost} messages were accepted and did not come; {dead_receivers} receivers died");
}

/// One sender and one receiver without deaths: the receiver is woken for each message.
#[test]
fn woken_for_each_message() {
    for sole in [false, true] {
        explore(0, move || {
            let (queue, log) = (share(queue(16, Delivery::AtLeastOnce)), share(Log::default()));
            let mut tasks = Tasks::default();
            tasks.spawn(move || send(queue, log, STOP - MESSAGES..STOP + 1, sole));
            tasks.spawn(move || receive(queue, log, sole));
            tasks.join();
            look(queue, log, 0, Delivery::AtLeastOnce);
        });
    }
}

/// A ring with room for seven such messages, of which one sender sends more: it is woken when there is room.
#[test]
fn woken_when_there_is_room() {
    for (sole, sole_receiver) in [(false, false), (true, false), (false, true), (true, true)] {
        explore(0, move || {
            let queue = share(queue(16, Delivery::AtMostOnce));
            let mut tasks = Tasks::default();
            tasks.spawn(move || {
                let sender = sender(queue, sole);
                (0..9).for_each(|number| sender.send([number; BYTES]).expect("room"));
            });
            tasks.spawn(move || {
                let receiver = receiver(queue, sole_receiver);
                (0..9).for_each(|number| assert_eq!(receiver.recv().expect("a message")[0], number));
            });
            tasks.join();
        });
    }
}

#[test]
fn any_ends() {
    run(false, false, Delivery::AtLeastOnce);
}

#[test]
fn sole_ends() {
    run(true, true, Delivery::AtLeastOnce);
}

#[test]
fn a_sole_sender_and_any_receivers() {
    run(true, false, Delivery::AtLeastOnce);
}

#[test]
fn any_senders_and_a_sole_receiver() {
    run(false, true, Delivery::AtLeastOnce);
}

#[test]
fn any_ends_at_most_once() {
    run(false, false, Delivery::AtMostOnce);
}

#[test]
fn sole_ends_at_most_once() {
    run(true, true, Delivery::AtMostOnce);
}
