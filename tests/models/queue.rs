//! The queue's index protocol: any ends and sole ones, deaths on both sides.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use cotenant::__private::queue_in_private_memory as queue;
use cotenant::channel::{Delivery, Queue};

use crate::world::{Tasks, deaths, explore, share, step};

const MESSAGES: u32 = 2;

/// How often each message came, and how often unmarked.
#[derive(Default)]
struct Log {
    accepted: [AtomicU32; 8],
    came: [AtomicU32; 8],
    unmarked: [AtomicU32; 8],
}

fn send(queue: &Queue<'_>, log: &Log, first: u32, sole: bool) {
    let patience = Duration::from_secs(600);
    let sender = if sole { queue.sole_sender_timeout(patience) } else { queue.sender() }.expect("a sender");
    for number in first..first + MESSAGES {
        // Two lines: several of them go round the ring.
        sender.send([number as u8; 70]).expect("room");
        log.accepted[number as usize].store(1, SeqCst);
    }
}

/// Takes and acknowledges until so many have been acknowledged in all, or nobody is left to send.
fn receive(queue: &Queue<'_>, log: &Log, count: u32, sole: bool) {
    let patience = Duration::from_secs(600);
    let receiver = if sole { queue.sole_receiver_timeout(patience) } else { queue.receiver() }.expect("a receiver");
    for _ in 0..count {
        let message = receiver.recv().expect("a message");
        let number = message[0] as usize;
        assert!(message.len() == 70 && message.iter().all(|byte| *byte == message[0]), "a torn message");
        log.came[number].fetch_add(1, SeqCst);
        if !message.is_redelivered() {
            assert_eq!(log.unmarked[number].fetch_add(1, SeqCst), 0, "twice, and not marked");
        }
        step();
        message.ack();
    }
}

/// What is left comes to whoever looks last; everything accepted has come.
fn look(queue: &Queue<'_>, log: &Log) {
    let receiver = queue.receiver().expect("a receiver");
    while let Some(message) = receiver.try_recv().expect("no error") {
        let number = message[0] as usize;
        if log.came[number].fetch_add(1, SeqCst) > 0 {
            assert!(message.is_redelivered(), "twice, and not marked");
        }
        message.ack();
    }
    for number in 0..8 {
        let (accepted, came) = (log.accepted[number].load(SeqCst), log.came[number].load(SeqCst));
        assert!(accepted <= came, "message {number} was accepted and did not come");
        assert!(deaths() > 0 || came <= 1, "message {number} came {came} times");
    }
}

fn run(sole_sender: bool, sole_receiver: bool) {
    explore(2, move || {
        let (queue, log) = (share(queue(16, Delivery::AtLeastOnce)), share(Log::default()));
        let senders = if sole_sender { 1 } else { 2 };
        let receivers = if sole_receiver { 1 } else { 2 };
        let mut tasks = Tasks::default();
        for sender in 0..senders {
            tasks.spawn(move || send(queue, log, sender * MESSAGES, sole_sender));
        }
        tasks.join();
        let mut tasks = Tasks::default();
        let all = (0..8).filter(|number| log.accepted[*number as usize].load(SeqCst) == 1).count() as u32;
        for _ in 0..receivers {
            tasks.spawn(move || receive(queue, log, all / receivers, sole_receiver));
        }
        tasks.join();
        look(queue, log);
    });
}

/// While senders send, one receiver receives; without deaths it is woken for each message.
#[test]
fn woken_for_each_message() {
    for sole in [false, true] {
        explore(0, move || {
            let (queue, log) = (share(queue(16, Delivery::AtLeastOnce)), share(Log::default()));
            let mut tasks = Tasks::default();
            tasks.spawn(move || send(queue, log, 0, sole));
            tasks.spawn(move || receive(queue, log, MESSAGES, sole));
            tasks.join();
            look(queue, log);
        });
    }
}

/// A ring with room for seven such messages, of which one sender sends more: it is woken when there is room.
#[test]
fn woken_when_there_is_room() {
    explore(0, || {
        let queue = share(queue(16, Delivery::AtMostOnce));
        let mut tasks = Tasks::default();
        tasks.spawn(move || {
            let sender = queue.sender().expect("a sender");
            (0..9).for_each(|number| sender.send([number; 70]).expect("room"));
        });
        tasks.spawn(move || {
            let receiver = queue.receiver().expect("a receiver");
            (0..9).for_each(|number| assert_eq!(receiver.recv().expect("a message")[0], number));
        });
        tasks.join();
    });
}

#[test]
fn any_ends() {
    run(false, false);
}

#[test]
fn sole_ends() {
    run(true, true);
}

#[test]
fn a_sole_sender_and_any_receivers() {
    run(true, false);
}
