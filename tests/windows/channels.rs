//! Queues over file mappings, pipes and FIFOs: what a process answers about them, and the tests.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use cotenant::Segment;
use cotenant::channel::{Delivery, Fifo, Message, MessageWriter, Queue, Receiver, Reservation, Sender, pipe, wait_any};

use crate::peer::{Peer, Program};

const PATIENCE: Duration = Duration::from_secs(180);
const SHORT: Duration = Duration::from_millis(20);

/// The ends of a process: they borrow the queue, and messages them, as long as it lives.
#[derive(Default)]
struct Ends {
    queue: Option<&'static Queue<'static>>,
    sender: Option<&'static mut Sender<'static>>,
    receiver: Option<&'static Receiver<'static>>,
    reserved: Option<Reservation<'static, 'static>>,
    message: Option<Message<'static, 'static>>,
    writer: Option<MessageWriter>,
}

thread_local! {
    static ENDS: RefCell<Ends> = RefCell::default();
}

fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

/// Commands: `queue open NAME`, then `queue send TEXT`, `queue take`, ...; `fifo open PATH`, then `fifo send TEXT`, ...
pub(crate) fn answer(line: &str) -> Option<String> {
    let (what, rest) = line.split_once(' ')?;
    let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    ENDS.with_borrow_mut(|ends| match what {
        "queue" => Some(ends.queue(verb, rest)),
        "fifo" => Some(ends.fifo(verb, rest)),
        _ => None,
    })
}

impl Ends {
    fn queue(&mut self, verb: &str, rest: &str) -> String {
        match verb {
            "open" => {
                let queue: &'static Queue<'static> = leak(options().open_or_create(rest).expect("the queue"));
                self.queue = Some(queue);
                self.sender = Some(leak(queue.sender().expect("a sender")));
                self.receiver = Some(leak(queue.receiver().expect("a receiver")));
            }
            "sole" => {
                let queue = self.queue.expect("`open` first");
                match queue.sole_sender_timeout(SHORT) {
                    Ok(sender) => self.sender = Some(leak(sender)),
                    Err(error) => return format!("{:?}", error.kind()),
                }
                self.receiver = Some(leak(queue.sole_receiver_timeout(PATIENCE).expect("the role")));
            }
            "send" => self.sender.as_mut().expect("free").send_timeout(rest, PATIENCE).expect("room"),
            "reserve" => {
                let mut place = self.sender.take().expect("free").reserve(rest.len()).expect("room");
                place.copy_from_slice(rest.as_bytes());
                self.reserved = Some(place);
            }
            "commit" => self.reserved.take().expect("reserved").commit(),
            "take" => {
                let message = self.receiver.expect("`open` first").recv_timeout(PATIENCE).expect("no error");
                let message = message.expect("a message in time");
                let text = String::from_utf8_lossy(&message).into_owned();
                let again = if message.is_redelivered() { " again" } else { "" };
                self.message = Some(message);
                return text + again;
            }
            "ack" => self.message.take().expect("taken").ack(),
            other => panic!("no such command: {other}"),
        }
        "ok".to_owned()
    }

    fn fifo(&mut self, verb: &str, rest: &str) -> String {
        match verb {
            "open" => {
                let fifo = match Fifo::open(rest) {
                    Ok(fifo) => fifo,
                    Err(error) => return format!("{:?}", error.kind()),
                };
                self.writer = Some(fifo.writer_timeout(PATIENCE).expect("a reader").messages());
            }
            "send" => self.writer.as_mut().expect("`open` first").send(rest.as_bytes()).expect("a reader"),
            // Longer than the system keeps, so that it waits in the middle of it.
            "send-long" => self.writer.as_mut().expect("`open` first").send(&vec![7; 1 << 20]).expect("a reader"),
            "close" => self.writer = None,
            other => panic!("no such command: {other}"),
        }
        "ok".to_owned()
    }
}

fn options() -> cotenant::channel::QueueOptions {
    Queue::options().capacity_bytes(1 << 12).delivery(Delivery::AtLeastOnce)
}

fn two(test: &str) -> (Program, Peer, Peer) {
    let program = Program::new();
    let (mut first, mut second) = (program.start(), program.start());
    let name = format!("test.{test}.{}", std::process::id());
    for peer in [&mut first, &mut second] {
        assert_eq!(peer.ask(&format!("queue open {name}")), "ok");
    }
    (program, first, second)
}

#[test]
fn messages_go_between_processes_and_wake_who_waits() {
    let (_program, mut first, mut second) = two("messages");
    assert_eq!((first.ask("queue send one"), second.ask("queue take")), ("ok".into(), "one".into()));
    assert_eq!(second.ask("queue ack"), "ok");
    for number in 0..3 {
        second.tell("queue take");
        second.expect_silence("there is no message");
        assert_eq!(first.ask(&format!("queue send {number}")), "ok");
        assert_eq!(second.answer("take"), number.to_string());
        assert_eq!(second.ask("queue ack"), "ok");
    }
    assert_eq!((first.ask("queue reserve in place"), first.ask("queue commit")), ("ok".into(), "ok".into()));
    assert_eq!(second.ask("queue take"), "in place");
}

#[test]
fn message_of_a_killed_receiver_comes_again_over_a_file_mapping() {
    for sole in [false, true] {
        let (_program, mut first, mut second) = two(if sole { "again.sole" } else { "again" });
        if sole {
            assert_eq!(second.ask("queue sole"), "ok");
            assert_eq!(second.ask("queue send job"), "ok");
        } else {
            assert_eq!(first.ask("queue send job"), "ok");
        }
        assert_eq!(second.ask("queue take"), "job");
        second.kill();
        assert_eq!(first.ask("queue take"), "job again");
        assert_eq!(first.ask("queue ack"), "ok");
        assert_eq!(first.ask("queue sole"), "ok");
    }
}

#[test]
fn place_of_a_killed_sender_holds_up_nobody() {
    let (_program, mut first, mut second) = two("place");
    assert_eq!(first.ask("queue reserve half"), "ok");
    assert_eq!(second.ask("queue send whole"), "ok");
    second.tell("queue take");
    second.expect_silence("the place is another's who lives");
    first.kill();
    assert_eq!(second.answer("take"), "whole");
}

#[test]
fn standby_takes_over_a_role_from_who_is_killed() {
    let (_program, mut first, mut second) = two("role");
    assert_eq!((first.ask("queue sole"), second.ask("queue sole")), ("ok".into(), "Busy".into()));
    assert_eq!(first.ask("queue send kept"), "ok");
    first.kill();
    assert_eq!((second.ask("queue sole"), second.ask("queue take")), ("ok".into(), "kept".into()));
}

#[test]
fn one_waits_for_several_queues() {
    let make = |name: &str| options().create(&format!("test.several.{name}.{}", std::process::id())).expect("a queue");
    let (one, other) = (make("one"), make("other"));
    let receivers = [one.receiver().expect("a receiver"), other.receiver().expect("a receiver")];
    let both = [&receivers[0], &receivers[1]];
    assert_eq!(wait_any(&both, SHORT), None);
    std::thread::scope(|scope| {
        scope.spawn(|| other.sender().expect("a sender").send("here").expect("room"));
        assert_eq!(wait_any(&both, PATIENCE), Some(1));
    });
    let segment = Segment::options().create(&format!("test.several.in.{}", std::process::id())).expect("a segment");
    let inside = options().open_or_create_in(&segment, "jobs").expect("a queue in it");
    inside.sender().expect("a sender").send("inside").expect("room");
    assert_eq!(&*inside.receiver().expect("a receiver").recv().expect("a message"), b"inside");
}

#[test]
fn pipes_have_timeouts_and_say_when_they_are_full() {
    let (mut reader, mut writer) = pipe().expect("a pipe");
    assert!(!reader.wait(SHORT).expect("no error"));
    writer.write_all(b"bytes").expect("room");
    assert!(reader.wait(PATIENCE).expect("no error"));
    let mut bytes = [0; 3];
    reader.read_exact(&mut bytes).expect("they are there");
    assert_eq!((&bytes, reader.read(&mut [0; 8]).expect("the rest")), (b"byt", 2));
    reader.set_nonblocking(true).expect("it can");
    assert_eq!(reader.read(&mut [0; 8]).expect_err("empty").kind(), ErrorKind::WouldBlock);
    reader.set_nonblocking(false).expect("it can");

    let (mut reader, mut writer) = (reader.messages(), writer.messages());
    assert_eq!(reader.try_recv().expect_err("empty").kind(), ErrorKind::WouldBlock);
    assert_eq!(reader.recv_timeout(SHORT).expect_err("empty").kind(), ErrorKind::TimedOut);
    let mut sent = 0;
    while writer.try_send(&[sent; 3000]).is_ok() {
        sent += 1;
    }
    assert!(sent > 3);
    assert_eq!(writer.try_send(&[0; 3000]).expect_err("full").kind(), ErrorKind::WouldBlock);
    assert_eq!(writer.send_timeout(&[0; 3000], SHORT).expect_err("full").kind(), ErrorKind::TimedOut);
    for number in 0..sent {
        assert_eq!(reader.recv_timeout(PATIENCE).expect("it is there"), Some(vec![number; 3000]));
    }
    std::thread::scope(|scope| {
        scope.spawn(|| writer.send(&vec![9; 200_000]).expect("it is read"));
        assert_eq!(reader.recv_timeout(PATIENCE).expect("it comes"), Some(vec![9; 200_000]));
    });
    drop(writer);
    assert_eq!(reader.recv().expect("the end"), None);
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let mut writer = writer.messages();
    assert_eq!(writer.send(b"x").expect_err("nobody reads").kind(), ErrorKind::BrokenPipe);
    assert_eq!(writer.try_send(b"x").expect_err("nobody reads").kind(), ErrorKind::BrokenPipe);
}

fn fifo_path(test: &str) -> String {
    format!(r"\\.\pipe\cotenant-test-{test}-{}", std::process::id())
}

#[test]
fn fifo_takes_messages_of_several_processes_and_passes_over_what_a_killed_one_left() {
    let path = fifo_path("several");
    let fifo = Fifo::create(&path, 0o600).expect("a FIFO");
    let program = Program::new();
    let (mut first, mut second) = (program.start(), program.start());
    first.tell(&format!("fifo open {path}"));
    first.expect_silence("nobody reads");
    let mut reader = fifo.reader().expect("it may be read").messages();
    assert_eq!(first.answer("open"), "ok");
    assert_eq!(second.ask(&format!("fifo open {path}")), "ok");
    assert_eq!((first.ask("fifo send one"), second.ask("fifo send two")), ("ok".into(), "ok".into()));
    let mut got = [reader.recv_timeout(PATIENCE).expect("one"), reader.recv_timeout(PATIENCE).expect("two")];
    got.sort();
    assert_eq!(got, [Some(b"one".to_vec()), Some(b"two".to_vec())]);
    first.tell("fifo send-long");
    first.expect_silence("it waits for room in the middle");
    first.kill();
    assert_eq!(second.ask("fifo send after it"), "ok");
    assert_eq!(reader.recv_timeout(PATIENCE).expect("no error").as_deref(), Some(&b"after it"[..]));
    assert_eq!(second.ask("fifo close"), "ok");
    assert_eq!(reader.recv_timeout(PATIENCE).expect("the end"), None);
    assert!(reader.skipped_bytes() > 0, "the torn message");
}

#[test]
fn fifo_says_who_is_missing() {
    let path = fifo_path("missing");
    let kind = |error: cotenant::Error| error.kind();
    assert_eq!(Fifo::open(&path).map_err(kind).expect_err("there is none"), cotenant::ErrorKind::NotFound);
    let fifo = Fifo::create(&path, 0o600).expect("a FIFO");
    assert_eq!(Fifo::create(&path, 0o600).map_err(kind).expect_err("there is one"), cotenant::ErrorKind::AlreadyExists);
    let shared = Fifo::create(fifo_path("group"), 0o660).map_err(kind).expect_err("only for its user");
    assert_eq!(shared, cotenant::ErrorKind::Unsupported);
    let elsewhere = Fifo::create(r"C:\fifo", 0o600).map_err(kind).expect_err("no name of a pipe");
    assert_eq!(elsewhere, cotenant::ErrorKind::InvalidInput);
    let same = Fifo::open(&path).expect("it is there");
    assert_eq!(same.try_writer().map_err(kind).expect_err("nobody reads"), cotenant::ErrorKind::WouldBlock);
    assert_eq!(same.writer_timeout(SHORT).map_err(kind).expect_err("nobody reads"), cotenant::ErrorKind::TimedOut);
    let mut reader = fifo.reader().expect("it may be read");
    assert!(!reader.wait(SHORT).expect("no error"), "nobody has written yet");
    let mut writer = same.try_writer().expect("somebody reads");
    writer.write_all(b"bytes").expect("room");
    let mut all = [0; 5];
    reader.read_exact(&mut all).expect("they come");
    assert_eq!(&all, b"bytes");
    drop(writer);
    assert_eq!(reader.read(&mut all).expect("the end"), 0);
    drop((fifo, reader));
    assert_eq!(Fifo::open(&path).map_err(kind).expect_err("it is gone"), cotenant::ErrorKind::NotFound);
}
