//! The queue's insides, between threads, in private memory.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::places::Places;
use super::private::queue;
use super::{Delivery, SendError, wait_any};

/// So long nobody waits whom somebody wakes.
const LONG: Duration = Duration::from_secs(10);

/// Until somebody sleeps, or is about to.
fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
    std::thread::sleep(Duration::from_millis(20));
}

fn numbered(n: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![n as u8; len.max(8)];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    bytes
}

fn number(bytes: &[u8]) -> u64 {
    let n = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    assert!(bytes[8..].iter().all(|byte| *byte == n as u8), "of one message");
    n
}

/// Lengths that do not divide the ring, so that every kind of wrapping comes up.
fn length(n: u64) -> usize {
    (n * 37 % 300) as usize
}

#[test]
fn messages_of_all_lengths_come_in_order() {
    for (sole_sender, sole_receiver) in [(false, false), (true, false), (false, true), (true, true)] {
        let queue = queue(64, Delivery::AtMostOnce);
        std::thread::scope(|scope| {
            let queue = &queue;
            scope.spawn(move || {
                let sender = if sole_sender { queue.sole_sender() } else { queue.sender() }.expect("a role");
                (0..20_000).for_each(|n| sender.send(numbered(n, length(n))).expect("room"));
            });
            let receiver = if sole_receiver { queue.sole_receiver() } else { queue.receiver() }.expect("a role");
            for n in 0..20_000 {
                let message = receiver.recv().expect("a message");
                assert_eq!((number(&message), message.len()), (n, length(n).max(8)));
                assert!(!message.is_redelivered());
            }
        });
        assert_eq!(queue.receiver().expect("a role").try_recv().expect("no error").map(|_| ()), None);
    }
}

#[test]
fn many_senders_and_receivers_lose_and_double_nothing() {
    let queue = queue(128, Delivery::AtLeastOnce);
    let (sum, count) = (AtomicUsize::new(0), AtomicUsize::new(0));
    const EACH: u64 = 5_000;
    std::thread::scope(|scope| {
        let (queue, sum, count) = (&queue, &sum, &count);
        for sender in 0..3 {
            scope.spawn(move || {
                let mut end = queue.sender().expect("a sender");
                for n in 0..EACH {
                    let n = n * 3 + sender;
                    let mut place = end.reserve(length(n).max(8)).expect("room");
                    place.copy_from_slice(&numbered(n, length(n)));
                    if n % 7 == 0 {
                        drop(place); // Given up: another one in its place.
                        end.send(numbered(n, length(n))).expect("room");
                    } else {
                        place.commit();
                    }
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(move || {
                let receiver = queue.receiver().expect("a receiver");
                let mut last = [None; 3];
                while count.load(SeqCst) < 3 * EACH as usize {
                    let Some(message) = receiver.recv_timeout(Duration::from_millis(20)).expect("no error") else {
                        continue;
                    };
                    let n = number(&message);
                    if n % 11 == 3 && !message.is_redelivered() {
                        continue; // Dropped: it comes again.
                    }
                    if !message.is_redelivered() {
                        assert!(last[n as usize % 3] < Some(n), "of one sender, in order");
                        last[n as usize % 3] = Some(n);
                    }
                    message.ack();
                    sum.fetch_add(n as usize, SeqCst);
                    count.fetch_add(1, SeqCst);
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 3 * EACH as usize);
    assert_eq!(sum.into_inner() as u64, (0..3 * EACH).sum::<u64>());
}

#[test]
fn what_is_not_acknowledged_comes_again_before_the_rest() {
    for sole in [false, true] {
        let queue = queue(64, Delivery::AtLeastOnce);
        let sender = queue.sender().expect("a sender");
        (0..3).for_each(|n| sender.send(numbered(n, 8)).expect("room"));
        let receiver = if sole { queue.sole_receiver() } else { queue.receiver() }.expect("a role");
        let messages = receiver.recv_many(2).expect("two messages");
        let [zero, one] = <[_; 2]>::try_from(messages).expect("two");
        drop(one);
        zero.ack();
        let again = receiver.recv().expect("a message");
        assert_eq!((number(&again), again.is_redelivered(), again.deliveries_before()), (1, true, 1));
        drop(again);
        let again = receiver.recv().expect("a message");
        assert_eq!((number(&again), again.deliveries_before()), (1, 2));
        again.ack();
        let rest = receiver.recv().expect("a message");
        assert_eq!((number(&rest), rest.is_redelivered()), (2, false));
        rest.ack();
        assert!(receiver.try_recv().expect("no error").is_none());
        drop(receiver);
        assert_eq!(queue.used_bytes(), 0);
    }
}

#[test]
fn a_leaked_message_of_a_sole_receiver_comes_again_to_the_next() {
    let queue = queue(64, Delivery::AtLeastOnce);
    queue.sender().expect("a sender").send(numbered(5, 8)).expect("room");
    let receiver = queue.sole_receiver().expect("the role");
    std::mem::forget(receiver.recv().expect("a message"));
    drop(receiver);
    let next = queue.receiver().expect("a receiver");
    assert!(next.recv().expect("a message").is_redelivered());
}

#[test]
fn full_gives_the_message_back() {
    for sole in [false, true] {
        let queue = queue(64, Delivery::AtMostOnce);
        let sender = if sole { queue.sole_sender() } else { queue.sender() }.expect("a role");
        let mut sent = 0;
        let back = loop {
            match sender.try_send(numbered(sent, 100)) {
                Ok(()) => sent += 1,
                Err(SendError::Full(message)) => break message,
                Err(error) => panic!("{error}"),
            }
        };
        // Eight units each, and one for the end.
        assert_eq!((number(&back), sent), (sent, 7));
        let timed_out = sender.send_timeout(back, Duration::from_millis(5));
        assert!(matches!(timed_out, Err(SendError::TimedOut(_))));
        let receiver = queue.receiver().expect("a receiver");
        drop(receiver.recv().expect("a message"));
        sender.try_send(numbered(7, 100)).expect("there is room again");
        for n in 1..8 {
            assert_eq!(number(&receiver.recv().expect("a message")), n);
        }
    }
}

#[test]
fn a_message_that_never_fits_is_refused() {
    let queue = queue(64, Delivery::AtMostOnce);
    let sender = queue.sender().expect("a sender");
    let most = queue.max_message_bytes() as usize;
    assert!(matches!(sender.try_send(vec![0; most + 1]), Err(SendError::Refused(..))));
    // The longest one, wherever the ring stands.
    let receiver = queue.receiver().expect("a receiver");
    for n in 0..40 {
        sender.try_send(numbered(n, most)).expect("it fits into an empty queue");
        assert_eq!(number(&receiver.recv().expect("a message")), n);
        sender.try_send([n as u8]).expect("room");
        assert_eq!(*receiver.recv().expect("a message"), [n as u8]);
    }
}

#[test]
fn roles_are_for_one() {
    let queue = queue(64, Delivery::AtMostOnce);
    let sender = queue.sole_sender().expect("the role");
    assert!(queue.sole_sender().is_err());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let other = queue.sender().expect("a sender");
            assert!(matches!(other.try_send([1]), Err(SendError::Full(_))));
            assert!(queue.sole_sender_timeout(Duration::from_millis(1)).is_err());
        });
    });
    sender.send([2]).expect("room");
    drop(sender);
    queue.sender().expect("a sender").try_send([3]).expect("nobody is the sole one");
    let sender = queue.sole_sender().expect("the role");
    std::thread::scope(|scope| drop(scope.spawn(move || sender.send([4]).expect("the role went along"))));
    let receiver = queue.sole_receiver().expect("the role");
    let all: Vec<u8> = std::iter::from_fn(|| receiver.try_recv().expect("no error").map(|it| it[0])).collect();
    assert_eq!(all, [2, 3, 4]);
}

#[test]
fn a_batch_is_sent_whole_through_a_small_ring() {
    let queue = queue(64, Delivery::AtMostOnce);
    let batch: Vec<_> = (0..500).map(|n| numbered(n, length(n))).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| queue.sender().expect("a sender").send_all(&batch).expect("room"));
        let receiver = queue.receiver().expect("a receiver");
        let mut expected = 0;
        while expected < 500 {
            for message in receiver.recv_many(5).expect("messages") {
                assert_eq!(number(&message), expected);
                expected += 1;
            }
        }
    });
}

/// The bytes of a place that is given up lie where marks of later messages will be looked for.
#[test]
fn a_place_that_is_not_committed_leaves_nothing_whatever_was_written_there() {
    for sole in [false, true] {
        for forget in [false, true] {
            let queue = queue(256, Delivery::AtMostOnce);
            let mut sender = if sole { queue.sole_sender() } else { queue.sender() }.expect("a role");
            let receiver = queue.receiver().expect("a role");
            sender.send("one").expect("room");
            let mut place = sender.reserve(400).expect("room");
            // A ready message of five bytes, as it would lie at each unit.
            let ghost: Vec<u8> =
                [2_u32, 0, 5, 0, u32::from_ne_bytes(*b"GHOS")].iter().flat_map(|it| it.to_ne_bytes()).collect();
            for at in (0..400 - ghost.len()).step_by(32) {
                place[at..at + ghost.len()].copy_from_slice(&ghost);
            }
            if forget && sole {
                std::mem::forget(place);
            } else {
                drop(place);
            }
            for number in 0..20_u8 {
                sender.send([number; 3]).expect("room");
            }
            assert_eq!(&*receiver.recv().expect("a message"), b"one");
            for number in 0..20_u8 {
                assert_eq!(&*receiver.recv().expect("a message"), &[number; 3]);
            }
            assert!(receiver.try_recv().expect("no error").is_none());
        }
    }
}

/// Asleep before the only end of its side came, which says of the bell that nobody sleeps.
#[test]
fn who_slept_before_a_sole_receiver_came_is_woken_after_it_went() {
    let queue = &queue(64, Delivery::AtMostOnce);
    std::thread::scope(|scope| {
        let asleep = scope.spawn(|| {
            let begin = Instant::now();
            let receiver = queue.receiver().expect("a receiver");
            assert!(receiver.recv_timeout(LONG).expect("no error").is_some());
            begin.elapsed()
        });
        wait_until(|| queue.ring().head().committed.has_a_listener());
        let sole = queue.sole_receiver().expect("the role");
        assert!(sole.recv_timeout(Duration::from_millis(1)).expect("no error").is_none());
        drop(sole);
        queue.sender().expect("a sender").send([1]).expect("room");
        assert!(asleep.join().expect("no panic") < LONG, "nobody woke it");
    });
}

#[test]
fn who_slept_before_a_sole_sender_came_is_woken_after_it_went() {
    let queue = &queue(64, Delivery::AtMostOnce);
    let (sender, receiver) = (queue.sender().expect("a sender"), queue.receiver().expect("a receiver"));
    while sender.try_send([0; 100]).is_ok() {}
    std::thread::scope(|scope| {
        let asleep = scope.spawn(|| {
            let begin = Instant::now();
            let _ = queue.sender().expect("a sender").send_timeout([1; 100], LONG);
            begin.elapsed()
        });
        wait_until(|| queue.ring().head().freed.has_a_listener());
        let sole = queue.sole_sender().expect("the role");
        assert!(sole.send_timeout([2; 100], Duration::from_millis(1)).is_err());
        drop(sole);
        while receiver.try_recv().expect("no error").is_some() {}
        assert!(asleep.join().expect("no panic") < LONG, "nobody woke it");
    });
}

#[test]
fn who_waits_for_several_queues_is_woken_by_each() {
    for ringing in 0..2 {
        let queues = &[queue(64, Delivery::AtMostOnce), queue(64, Delivery::AtMostOnce)];
        std::thread::scope(|scope| {
            let asleep = scope.spawn(|| {
                let begin = Instant::now();
                let receivers = [0, 1].map(|nth: usize| queues[nth].receiver().expect("a receiver"));
                assert_eq!(wait_any(&[&receivers[0], &receivers[1]], LONG), Some(ringing));
                begin.elapsed()
            });
            wait_until(|| queues.iter().all(|queue| queue.ring().head().committed.has_a_listener()));
            queues[ringing].sender().expect("a sender").send([1]).expect("room");
            assert!(asleep.join().expect("no panic") < LONG, "nobody woke it");
        });
    }
}

/// A sender was killed before it moved `tail`, and receivers are past its record by now.
#[test]
fn senders_are_woken_although_a_killed_one_left_the_tail_behind() {
    let queue = &queue(64, Delivery::AtMostOnce);
    let receiver = queue.receiver().expect("a receiver");
    let longest = vec![0; queue.max_message_bytes() as usize];
    let ring = queue.ring();
    let tail = &ring.head().tail;
    let send_and_die = |message: &[u8]| {
        let before = tail.load(Relaxed);
        assert!(queue.sender().expect("a sender").try_send(message).is_ok());
        tail.store(before, Relaxed);
    };
    assert!(queue.sender().expect("a sender").try_send(&longest).is_ok());
    send_and_die(&longest);
    std::thread::scope(|scope| {
        let asleep = scope.spawn(|| {
            let begin = Instant::now();
            queue.sender().expect("a sender").send_timeout(&longest, LONG).expect("room");
            begin.elapsed()
        });
        wait_until(|| queue.ring().head().freed.has_a_listener());
        // Room enough is only behind both.
        for _ in 0..2 {
            drop(receiver.recv().expect("a message"));
            std::thread::sleep(Duration::from_millis(20)); // It looks, and sleeps on if that was not enough.
        }
        assert!(asleep.join().expect("no panic") < LONG, "nobody woke it");
    });
    send_and_die(&[1]);
    while receiver.try_recv().expect("no error").is_some() {}
    assert_eq!(queue.used_bytes(), 0);
}

#[test]
fn what_was_done_behind_a_kept_message_is_not_gone_over_again_and_again() {
    for sole in [false, true] {
        let queue = queue(1024, Delivery::AtMostOnce);
        let sender = queue.sender().expect("a sender");
        let receiver = if sole { queue.sole_receiver() } else { queue.receiver() }.expect("a role");
        for round in 0..4 {
            // The rest of the ring, its end and its beginning.
            let kept = (sender.send([1; 40]).expect("room"), receiver.recv().expect("a message"));
            let mut sent = 0_u64;
            while sender.try_send(numbered(sent, 40)).is_ok() {
                assert_eq!(number(&receiver.recv().expect("a message")), sent);
                sent += 1;
            }
            assert!(sent > 200, "{sent} in round {round}");
            assert!(receiver.try_recv().expect("no error").is_none());
            let mut records = 0;
            let ring = queue.ring();
            let head = ring.head();
            let places = Places { head: head.head.load(Relaxed), next: head.next.load(Relaxed) };
            let walked = places.find(&ring, |_, _| {
                records += 1;
                Ok(None::<()>)
            });
            assert!(walked.is_ok() && records <= 3, "{records} records in round {round}");
            drop(kept);
            assert!(receiver.try_recv().expect("no error").is_none());
            assert_eq!(queue.used_bytes(), 0);
        }
    }
}

/// Whoever may write the queue may have put them there.
#[test]
fn positions_may_pass_the_last_number_of_all() {
    for (sole_sender, sole_receiver) in [(false, false), (true, false), (false, true), (true, true)] {
        let queue = queue(1024, Delivery::AtMostOnce);
        let ring = queue.ring();
        let head = ring.head();
        [&head.tail, &head.next, &head.head].iter().for_each(|it| it.store(u64::MAX - 200, Relaxed));
        let sender = if sole_sender { queue.sole_sender() } else { queue.sender() }.expect("a role");
        let receiver = if sole_receiver { queue.sole_receiver() } else { queue.receiver() }.expect("a role");
        for n in 0..500 {
            sender.try_send(numbered(n, length(n))).expect("room");
            assert_eq!(number(&receiver.recv().expect("a message")), n);
        }
        assert!(head.tail.load(Relaxed) < u64::MAX / 2);
    }
}

#[test]
fn try_waits_a_moment_for_who_is_stopped_in_the_middle() {
    let queue = &queue(64, Delivery::AtMostOnce);
    let (sender, receiver) = (queue.sender().expect("a sender"), queue.receiver().expect("a receiver"));
    sender.send([1]).expect("room");
    let (stopped, over) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let ring = queue.ring();
            let locks = [&ring.head().sending, &ring.head().receiving];
            let tickets = locks.map(|lock| lock.try_lock().ok().expect("nobody has it").0);
            stopped.store(1, SeqCst);
            while over.load(SeqCst) == 0 {
                std::thread::yield_now();
            }
            std::iter::zip(locks, tickets).for_each(|(lock, ticket)| lock.unlock(ticket));
        });
        while stopped.load(SeqCst) == 0 {
            std::thread::yield_now();
        }
        let (none, full) = (receiver.try_recv().map(|it| it.is_none()), sender.try_send([2]));
        over.store(1, SeqCst);
        assert!(matches!((none, full), (Ok(true), Err(SendError::Full(_)))));
    });
    assert_eq!(*receiver.try_recv().expect("no error").expect("it is there"), [1]);
}
