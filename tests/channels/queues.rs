//! Queues between programs that find them by name.

use std::time::Duration;

use cotenant::cache::Cache;
use cotenant::channel::{Delivery, Queue, QueueOptions, Receiver, SendError, Sender, wait_any};
use cotenant::{Backing, ErrorKind, Segment};

use crate::support::sandbox::Sandbox;
use crate::support::{Named, PATIENCE, serve};

const NAME: &str = "test.jobs";

pub(crate) const TESTS: &[Named] = &[
    ("message_of_a_killed_receiver_comes_again", message_of_a_killed_receiver_comes_again),
    ("killed_senders_reservation_holds_up_nobody", killed_senders_reservation_holds_up_nobody),
    ("stopped_senders_reservation_stays_its", stopped_senders_reservation_stays_its),
    ("standby_takes_over_from_a_killed_sole_end", standby_takes_over_from_a_killed_sole_end),
    ("sleeping_receiver_is_woken_by_another_process", sleeping_receiver_is_woken_by_another_process),
    ("sleeping_sender_is_woken_when_there_is_room", sleeping_sender_is_woken_when_there_is_room),
    ("messages_stay_while_one_participant_lives", messages_stay_while_one_participant_lives),
    ("messages_in_a_file_survive_everybody", messages_in_a_file_survive_everybody),
    ("forked_child_is_a_sender_of_its_own", forked_child_is_a_sender_of_its_own),
    ("forked_child_leaves_its_parents_message_alone", forked_child_leaves_its_parents_message_alone),
    (
        "forked_child_keeps_its_message_in_the_place_of_its_parents",
        forked_child_keeps_its_message_in_the_place_of_its_parents,
    ),
    ("forked_child_waits_for_several_as_itself", forked_child_waits_for_several_as_itself),
    ("another_delivery_is_refused", another_delivery_is_refused),
    ("queue_in_a_segment_lies_beside_others", queue_in_a_segment_lies_beside_others),
    ("capacity_that_no_queue_can_have_is_refused", capacity_that_no_queue_can_have_is_refused),
    ("name_of_something_else_is_told", name_of_something_else_is_told),
    ("errors_say_which_queue", errors_say_which_queue),
];

pub(crate) const ROLES: &[Named] = &[("end", end)];

fn options() -> QueueOptions {
    Queue::options().capacity_bytes(1 << 12).delivery(Delivery::AtLeastOnce)
}

pub(crate) fn queue_in(sandbox: &Sandbox) -> Queue<'static> {
    options().segment(Segment::options().folder(sandbox.path())).open_or_create(NAME).expect("a queue")
}

/// A program with ends of the queue.
fn end() {
    let queue: &'static Queue<'static> = Box::leak(Box::new(options().open_or_create(NAME).expect("the queue")));
    let mut sender: Option<&'static mut Sender<'static>> = None;
    let mut receiver: Option<&'static Receiver<'static>> = None;
    let mut held = Vec::new();
    let mut reserved = None;
    serve::stdin(|line| {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let sender = &mut sender;
        match word {
            "sole" => {
                let end = queue.sole_sender_timeout(PATIENCE).expect("the role");
                *sender = Some(Box::leak(Box::new(end)));
                receiver = Some(Box::leak(Box::new(queue.sole_receiver_timeout(PATIENCE).expect("the role"))));
                return "sole".to_owned();
            }
            "reserve" => {
                let end = Box::leak(Box::new(queue.sender().expect("a sender")));
                let mut place = end.reserve(rest.len()).expect("room");
                place.copy_from_slice(rest.as_bytes());
                reserved = Some(place);
                return "reserved".to_owned();
            }
            "commit" => {
                reserved.take().expect("reserved").commit();
                return "committed".to_owned();
            }
            _ => {}
        }
        let sender = sender.get_or_insert_with(|| Box::leak(Box::new(queue.sender().expect("a sender"))));
        let receiver = receiver.get_or_insert_with(|| Box::leak(Box::new(queue.receiver().expect("a receiver"))));
        match word {
            "send" => {
                sender.send_timeout(rest, PATIENCE).map_or_else(|error| error.to_string(), |()| "sent".to_owned())
            }
            // Keeps it.
            "take" => match receiver.recv_timeout(PATIENCE).expect("no error") {
                Some(message) => {
                    let text = String::from_utf8_lossy(&message).into_owned();
                    held.push(message);
                    text
                }
                None => "nothing".to_owned(),
            },
            "ack" => {
                held.drain(..).for_each(|message| message.ack());
                "acknowledged".to_owned()
            }
            other => panic!("no command {other}"),
        }
    });
}

/// The next message, as text, and whether it is marked.
fn next(receiver: &Receiver<'_>) -> (String, bool) {
    let message = receiver.recv_timeout(PATIENCE).expect("no error").expect("a message in time");
    let got = (String::from_utf8_lossy(&message).into_owned(), message.is_redelivered());
    message.ack();
    got
}

fn message_of_a_killed_receiver_comes_again() {
    for roles in [false, true] {
        let sandbox = Sandbox::new();
        let queue = queue_in(&sandbox);
        let sender = queue.sender().expect("a sender");
        ["a", "b", "c"].iter().for_each(|text| sender.send(text).expect("room"));
        let mut peer = sandbox.start("end");
        if roles {
            drop(sender);
            assert_eq!(peer.ask("sole"), "sole");
        }
        assert_eq!((peer.ask("take"), peer.ask("ack")), ("a".to_owned(), "acknowledged".to_owned()));
        assert_eq!(peer.ask("take"), "b");
        peer.kill();
        let receiver = queue.receiver().expect("a receiver");
        let mut got = [next(&receiver), next(&receiver)];
        got.sort();
        assert_eq!(got, [("b".to_owned(), true), ("c".to_owned(), false)]);
        assert!(receiver.try_recv().expect("no error").is_none(), "what was acknowledged came again");
    }
}

fn killed_senders_reservation_holds_up_nobody() {
    let sandbox = Sandbox::new();
    let queue = queue_in(&sandbox);
    let mut peer = sandbox.start("end");
    assert_eq!(peer.ask("reserve half"), "reserved");
    queue.sender().expect("a sender").send("whole").expect("room");
    let receiver = queue.receiver().expect("a receiver");
    assert!(receiver.try_recv().expect("no error").is_none(), "it lives, and is waited for");
    peer.kill();
    assert_eq!(next(&receiver), ("whole".to_owned(), false));
}

fn stopped_senders_reservation_stays_its() {
    let sandbox = Sandbox::new();
    let queue = queue_in(&sandbox);
    let mut peer = sandbox.start("end");
    assert_eq!(peer.ask("reserve slow"), "reserved");
    peer.stop();
    queue.sender().expect("a sender").send("quick").expect("room");
    let receiver = queue.receiver().expect("a receiver");
    assert!(receiver.recv_timeout(Duration::from_millis(300)).expect("no error").is_none(), "it was robbed");
    peer.go_on();
    assert_eq!(peer.ask("commit"), "committed");
    assert_eq!([next(&receiver).0, next(&receiver).0], ["slow", "quick"]);
}

fn standby_takes_over_from_a_killed_sole_end() {
    let sandbox = Sandbox::new();
    let queue = queue_in(&sandbox);
    let mut peer = sandbox.start("end");
    assert_eq!((peer.ask("sole"), peer.ask("send first")), ("sole".to_owned(), "sent".to_owned()));
    let error = queue.sole_sender().expect_err("another process is the sole sender");
    assert!(error.kind() == ErrorKind::Busy && error.to_string().contains(&peer.pid.to_string()), "{error}");
    let refused = queue.sender().expect("a sender").try_send("no");
    assert!(matches!(refused, Err(SendError::Full("no"))), "somebody else is the sole sender");
    peer.kill();
    let sender = queue.sole_sender_timeout(PATIENCE).expect("the role");
    sender.send("second").expect("room");
    let receiver = queue.sole_receiver_timeout(PATIENCE).expect("the role");
    assert_eq!([next(&receiver).0, next(&receiver).0], ["first", "second"]);
}

fn sleeping_receiver_is_woken_by_another_process() {
    let sandbox = Sandbox::new();
    let queue = queue_in(&sandbox);
    let mut peer = sandbox.start("end");
    for number in 0..20 {
        peer.tell("take");
        peer.expect_silence(Duration::from_millis(20), "there is no message");
        queue.sender().expect("a sender").send(format!("{number}")).expect("room");
        assert_eq!(peer.answer("take"), number.to_string());
        assert_eq!(peer.ask("ack"), "acknowledged");
    }
}

fn sleeping_sender_is_woken_when_there_is_room() {
    let sandbox = Sandbox::new();
    let queue = queue_in(&sandbox);
    let sender = queue.sender().expect("a sender");
    let mut sent = 0;
    while sender.try_send([7; 200]).is_ok() {
        sent += 1;
    }
    let mut peer = sandbox.start("end");
    peer.tell(&format!("send {}", "x".repeat(200)));
    peer.expect_silence(Duration::from_millis(50), "the queue is full");
    let receiver = queue.receiver().expect("a receiver");
    for _ in 0..sent {
        assert_eq!(next(&receiver).0.len(), 200);
    }
    assert_eq!(peer.answer("send"), "sent");
    assert_eq!(next(&receiver).0, "x".repeat(200));
}

fn messages_stay_while_one_participant_lives() {
    let sandbox = Sandbox::new();
    let queue = queue_in(&sandbox);
    let mut peer = sandbox.start("end");
    for number in 0..5 {
        assert_eq!(peer.ask(&format!("send {number}")), "sent");
    }
    peer.kill();
    let receiver = queue.receiver().expect("a receiver");
    for number in 0..5 {
        assert_eq!(next(&receiver), (number.to_string(), false));
    }
}

fn messages_in_a_file_survive_everybody() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs");
    let path = path.to_str().expect("a path");
    let options = options().segment(Segment::options().backing(Backing::File));
    let queue = options.create(path).expect("a queue in a file");
    queue.sender().expect("a sender").send("kept").expect("room");
    queue.sender().expect("a sender").send("taken").expect("room");
    let receiver = queue.receiver().expect("a receiver");
    std::mem::forget(receiver.recv().expect("a message"));
    drop(receiver);
    drop(queue);
    let queue = options.open(path).expect("the queue is there");
    let receiver = queue.receiver().expect("a receiver");
    let mut got = [next(&receiver), next(&receiver)];
    got.sort();
    assert_eq!(got, [("kept".to_owned(), true), ("taken".to_owned(), false)]);
}

fn forked_child_is_a_sender_of_its_own() {
    let queue = options().segment(Segment::options().backing(Backing::Anonymous)).create("fork").expect("a queue");
    let (mut sender, receiver) = (queue.sender().expect("a sender"), queue.receiver().expect("a receiver"));
    let mut place = sender.reserve(6).expect("room");
    place.copy_from_slice(b"parent");
    // SAFETY: the child uses the queue and ends.
    match unsafe { libc::fork() } {
        0 => {
            drop(place); // A copy: the parent's stays.
            let alone = queue.sender().and_then(|mine| mine.send("child").map_err(cotenant::Error::from));
            let status = i32::from(alone.is_err());
            // SAFETY: no pointer.
            unsafe { libc::_exit(status) }
        }
        child => {
            let mut status = 0;
            // SAFETY: our child, and a place for its status.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!(status, 0, "the child could not send");
        }
    }
    assert!(receiver.try_recv().expect("no error").is_none(), "the parent's comes first");
    place.commit();
    assert_eq!([next(&receiver).0, next(&receiver).0], ["parent", "child"]);
}

fn forked_child_leaves_its_parents_message_alone() {
    let queue = options().segment(Segment::options().backing(Backing::Anonymous)).create("fork").expect("a queue");
    let (sender, receiver) = (queue.sender().expect("a sender"), queue.receiver().expect("a receiver"));
    sender.send("parent's").expect("room");
    let message = receiver.recv().expect("a message");
    // SAFETY: the child uses the queue and ends.
    match unsafe { libc::fork() } {
        0 => {
            // From here on it receives as itself, and has a copy of what its parent received.
            let nothing = receiver.try_recv().is_ok_and(|message| message.is_none());
            message.ack();
            // SAFETY: no pointer.
            unsafe { libc::_exit(i32::from(!nothing)) }
        }
        child => {
            let mut status = 0;
            // SAFETY: our child, and a place for its status.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!(status, 0, "the child could not look");
        }
    }
    // Had the child left it, its place would be another one's once around the ring.
    for _ in 0..1000 {
        if sender.try_send("others").is_err() {
            break;
        }
        receiver.recv().expect("a message").ack();
    }
    assert_eq!(&*message, b"parent's");
    message.ack();
}

fn forked_child_keeps_its_message_in_the_place_of_its_parents() {
    let queue = options().segment(Segment::options().backing(Backing::Anonymous)).create("fork").expect("a queue");
    let (sender, receiver) = (queue.sender().expect("a sender"), queue.receiver().expect("a receiver"));
    sender.send("parent's").expect("room");
    let message = receiver.recv().expect("a message");
    // SAFETY: the child uses the queue and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let next = || receiver.recv_timeout(PATIENCE).ok().flatten();
        let mine = loop {
            match next() {
                Some(mine) if mine.as_ptr() == message.as_ptr() => break mine,
                Some(other) => other.ack(),
                // SAFETY: no pointer.
                None => unsafe { libc::_exit(1) },
            }
        };
        drop(message); // Of what its parent has acknowledged long since.
        let is_another = next().is_some_and(|it| it.as_ptr() != mine.as_ptr() && !it.is_redelivered());
        // SAFETY: no pointer.
        unsafe { libc::_exit(if is_another { 0 } else { 2 }) }
    }
    message.ack();
    // Once around the ring, two units each, and one more.
    for _ in 0..(1 << 12) / 32 + 1 {
        sender.send_timeout("others..", PATIENCE).expect("room");
    }
    let mut status = 0;
    // SAFETY: our child, and a place for its status.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(libc::WEXITSTATUS(status), 0, "1: nothing came; 2: the child's own message came again");
}

fn forked_child_waits_for_several_as_itself() {
    let make = || options().segment(Segment::options().backing(Backing::Anonymous)).create("fork").expect("a queue");
    let (jobs, results) = (make(), make());
    let receiver = jobs.receiver().expect("a receiver");
    jobs.sender().expect("a sender").send("job").expect("room");
    // SAFETY: the child uses the queue and ends.
    let parent = unsafe { libc::fork() };
    if parent == 0 {
        // It dies with the message, and its child, which has its receiver, is not to take it for its own.
        std::mem::forget(receiver.try_recv());
        // SAFETY: as above.
        if unsafe { libc::fork() } == 0 {
            let found = wait_any(&[&receiver], PATIENCE) == Some(0);
            let again = receiver.try_recv().is_ok_and(|message| message.is_some_and(|it| it.is_redelivered()));
            let _ = results.sender().map(|sender| sender.send(format!("{found} {again}")).is_ok());
        }
        // SAFETY: no pointer.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: our child; no status is wanted.
    unsafe { libc::waitpid(parent, std::ptr::null_mut(), 0) };
    assert_eq!(next(&results.receiver().expect("a receiver")).0, "true true");
}

fn another_delivery_is_refused() {
    let sandbox = Sandbox::new();
    let _queue = queue_in(&sandbox);
    let other = Queue::options().delivery(Delivery::AtMostOnce).segment(Segment::options().folder(sandbox.path()));
    assert_eq!(other.open(NAME).expect_err("it delivers at least once").kind(), ErrorKind::Mismatch);
    let any = Queue::options().segment(Segment::options().folder(sandbox.path())).open(NAME).expect("as it is");
    assert_eq!((any.delivery(), any.capacity_bytes()), (Delivery::AtLeastOnce, 1 << 12));
}

fn queue_in_a_segment_lies_beside_others() {
    let sandbox = Sandbox::new();
    let segment = Segment::options().folder(sandbox.path()).create("test.home").expect("a segment");
    segment.get_or_init("number", || 5_u64).expect("room");
    let queue = options().open_or_create_in(&segment, "jobs").expect("a queue");
    let same = options().open_in(&segment, "jobs").expect("the queue");
    assert_eq!(options().open_in(&segment, "other").expect_err("there is none").kind(), ErrorKind::NotFound);
    assert_eq!(options().open_in(&segment, "number").expect_err("a number").kind(), ErrorKind::Mismatch);
    queue.sender().expect("a sender").send("through").expect("room");
    assert_eq!(next(&same.receiver().expect("a receiver")).0, "through");
    assert!(segment.objects().any(|object| object.name == "jobs" && object.bytes > 4096), "tools see it");
}

fn capacity_that_no_queue_can_have_is_refused() {
    for bytes in [0, (4 << 30) + 1, u64::MAX] {
        let error = Queue::options().capacity_bytes(bytes).create("never").expect_err("no such capacity");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("1 KiB to 4 GiB are possible"), "{error}");
    }
}

fn errors_say_which_queue() {
    let sandbox = Sandbox::new();
    let segment = Segment::options().max_bytes(1 << 20).folder(sandbox.path()).create("a.segment").expect("a segment");
    let own = options().segment(Segment::options().folder(sandbox.path())).create("a.queue").expect("a queue");
    let inside = options().open_or_create_in(&segment, "jobs").expect("a queue");
    for (queue, name) in [(&own, "a.queue"), (&inside, "the queue `jobs` of the segment ")] {
        let too_long = queue.sender().expect("a sender").try_send([0; 4096]).expect_err("it is longer than half");
        assert!(too_long.to_string().contains(name), "{too_long}");
        let _sole = queue.sole_sender().expect("the role");
        let here_already = queue.sole_sender_timeout(Duration::ZERO).expect_err("this thread has the role");
        assert!(here_already.to_string().contains(name), "{here_already}");
        assert_eq!(here_already.kind(), ErrorKind::WouldDeadlock);
    }
}

fn name_of_something_else_is_told() {
    let sandbox = Sandbox::new();
    let segment = || Segment::options().folder(sandbox.path());
    let cache = Cache::options().capacity_bytes(1 << 20).folder(sandbox.path());
    let large = Queue::options().capacity_bytes(64 << 20).segment(segment());
    let of_cache = cache.create("a.cache").expect("a cache");
    let _of_queue = options().segment(segment()).create("a.queue").expect("a queue");
    let errors = [
        (cache.open_or_create("a.queue").map(drop), ["a.queue", "holds `queue`, and no cache"]),
        (large.open_or_create("a.cache").map(drop), ["a.cache", "holds `cache`, and no queue"]),
    ];
    for (result, parts) in errors {
        let error = result.expect_err("it is of something else");
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Mismatch, "{text}");
        assert!(parts.iter().all(|part| text.contains(part)) && text.contains("choose another name"), "{text}");
    }
    // Its own is found, however little room is left.
    drop((cache.open_or_create("a.cache").expect("the cache"), of_cache));
}
