//! Queues and framed pipes with C at the one end and Rust at the other, each way round, and with either side killed.

use std::io::{BufRead, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cotenant_rust::channel::{Delivery, Message, PipeReader, PipeWriter, Queue, Receiver, Reservation, Sender};
use tempfile::TempDir;

use crate::refused::folder;
use crate::support::program::{Place, Program};
use crate::support::{Compiler, GCC, GXX, sources};
use crate::tests;

/// The role of tests/c/programs/queue_actor.c in Rust.
pub(crate) const ROLE: &str = "queue";

pub(crate) fn run() {
    let options = Queue::options().capacity_bytes(4096).delivery(Delivery::AtLeastOnce);
    // Ends borrow their queue, and messages and places their ends: all stay as long as the process.
    let queue: &'static Queue<'static> = Box::leak(Box::new(options.open_or_create("capi.both").expect("a queue")));
    let mut actor = Actor::new(queue, queue.sender().expect("a sender"), queue.receiver().expect("a receiver"));
    println!("ready");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (what, text) = line.split_once(' ').unwrap_or((&line, ""));
        println!("{}", actor.done(what, text));
        let _ = std::io::stdout().flush();
    }
}

struct Actor {
    queue: &'static Queue<'static>,
    sender: Option<&'static mut Sender<'static>>,
    receiver: &'static Receiver<'static>,
    reserved: Option<Reservation<'static, 'static>>,
    message: Option<Message<'static, 'static>>,
}

impl Actor {
    fn new(queue: &'static Queue<'static>, sender: Sender<'static>, receiver: Receiver<'static>) -> Actor {
        let (sender, receiver) = (Some(Box::leak(Box::new(sender))), Box::leak(Box::new(receiver)));
        Actor { queue, sender, receiver, reserved: None, message: None }
    }

    fn done(&mut self, what: &str, text: &str) -> String {
        match what {
            "send" => self.sender.as_mut().expect("free").send(text).expect("sent"),
            "reserve" => {
                let mut place = self.sender.take().expect("free").reserve(text.len()).expect("a place");
                place.copy_from_slice(text.as_bytes());
                self.reserved = Some(place);
            }
            "commit" => self.reserved.take().expect("reserved").commit(),
            "recv" | "try-recv" => {
                let patience = Duration::from_secs(if what == "recv" { 30 } else { 0 });
                let Some(message) = self.receiver.recv_timeout(patience).expect("sound") else {
                    return "none".to_owned();
                };
                let line = format!("{} {}", String::from_utf8_lossy(&message), message.deliveries_before());
                self.message = Some(message);
                return line;
            }
            "ack" => self.message.take().expect("a message").ack(),
            "drop" => drop(self.message.take()),
            "sole-ends" => {
                let patience = Duration::from_secs(1);
                let Ok(sender) = self.queue.sole_sender_timeout(patience) else { return "busy".to_owned() };
                let Ok(receiver) = self.queue.sole_receiver_timeout(patience) else { return "busy".to_owned() };
                *self = Actor::new(self.queue, sender, receiver);
            }
            _ => return "unknown".to_owned(),
        }
        "ok".to_owned()
    }
}

#[derive(Clone, Copy)]
enum In {
    C,
    Cpp,
    Rust,
}

const PAIRS: [(In, In); 4] = [(In::C, In::Rust), (In::Rust, In::C), (In::C, In::Cpp), (In::Cpp, In::Rust)];

fn built(folder: &TempDir, source: &str, compiler: Compiler) -> PathBuf {
    let source = sources().join("programs").join(source);
    compiler.compile(&[&source], &folder.path().join(compiler.program), &["-O2"])
}

fn with_pairs(test: impl Fn(&mut dyn FnMut(bool) -> Program)) {
    let folder = folder();
    let built = [GCC, GXX].map(|compiler| built(&folder, "queue_actor.c", compiler));
    for (one, other) in PAIRS {
        let place = Place::new();
        test(&mut |is_other| {
            let program = match if is_other { other } else { one } {
                In::C => place.start(&built[0], &[]),
                In::Cpp => place.start(&built[1], &[]),
                In::Rust => {
                    let this = std::env::current_exe().expect("this test's own path");
                    Program::start(place.command(this).env("COTENANT_CAPI_ROLE", ROLE))
                }
            };
            assert_eq!(program.line(), "ready");
            program
        });
    }
}

#[track_caller]
fn ask(program: &mut Program, what: &str, answer: &str) {
    assert_eq!(program.ask(what), answer, "{what}");
}

fn messages_go_between_c_and_rust() {
    with_pairs(|start| {
        let (mut a, mut b) = (start(false), start(true));
        ask(&mut a, "send copied", "ok");
        ask(&mut a, "reserve in place", "ok");
        ask(&mut a, "commit", "ok");
        ask(&mut b, "recv", "copied 0");
        ask(&mut b, "ack", "ok");
        ask(&mut b, "recv", "in place 0");
        ask(&mut b, "drop", "ok");
        ask(&mut b, "recv", "in place 1");
        ask(&mut b, "ack", "ok");
        ask(&mut b, "try-recv", "none");
        ask(&mut a, "sole-ends", "ok");
        ask(&mut b, "sole-ends", "busy");
    });
}

fn what_a_killed_receiver_had_comes_again_in_the_other_language() {
    with_pairs(|start| {
        let (mut a, mut b) = (start(false), start(true));
        ask(&mut a, "send job", "ok");
        ask(&mut b, "recv", "job 0");
        b.kill();
        ask(&mut a, "recv", "job 1");
        ask(&mut a, "ack", "ok");
        let mut b = start(true);
        ask(&mut a, "sole-ends", "ok");
        ask(&mut a, "send next", "ok");
        ask(&mut a, "recv", "next 0");
        a.kill();
        ask(&mut b, "recv", "next 1");
        ask(&mut b, "ack", "ok");
        ask(&mut b, "sole-ends", "ok");
        ask(&mut b, "try-recv", "none");
    });
}

fn a_place_of_a_killed_sender_is_passed_over() {
    with_pairs(|start| {
        let (mut a, mut b) = (start(false), start(true));
        ask(&mut a, "reserve never", "ok");
        ask(&mut b, "send after it", "ok");
        a.kill();
        ask(&mut b, "recv", "after it 0");
        ask(&mut b, "ack", "ok");
    });
}

fn framed(mode: &str) -> (TempDir, Child) {
    let folder = folder();
    let mut command = Command::new(built(&folder, "framed.c", GCC));
    command.arg(mode).stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = command.spawn().expect("the program");
    (folder, child)
}

/// Bytes that a program has written so far.
fn written(child: &Child) -> u64 {
    let counts = std::fs::read_to_string(format!("/proc/{}/io", child.id())).expect("it runs");
    let count = counts.lines().find_map(|line| line.strip_prefix("wchar: "));
    count.and_then(|count| count.parse().ok()).expect("a number")
}

fn frames_of_c_are_read_in_rust_and_the_torn_one_of_a_killed_writer_is_passed_over() {
    let (_folder, mut child) = framed("write");
    let mut reader = PipeReader::from(OwnedFd::from(child.stdout.take().expect("a pipe"))).messages();
    assert_eq!(reader.recv().expect("a pipe").as_deref(), Some(&b"first"[..]));
    assert_eq!(reader.recv().expect("a pipe"), Some(vec![b'm'; 1 << 20]));
    assert_eq!(reader.recv().expect("a pipe").as_deref(), Some(&b"last"[..]));
    assert_eq!(reader.recv().expect("a pipe"), None);
    assert!(child.wait().expect("its end").success() && reader.skipped_bytes() == 0);

    let (_folder, mut child) = framed("write");
    let mut reader = PipeReader::from(OwnedFd::from(child.stdout.take().expect("a pipe"))).messages();
    // It waits for room in the middle of the long one, which is more than the pipe takes.
    while written(&child) < 60_000 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(reader.recv().expect("a pipe").as_deref(), Some(&b"first"[..]));
    child.kill().expect("it can be killed");
    child.wait().expect("its end");
    assert_eq!(reader.recv().expect("a pipe"), None);
    assert!(reader.skipped_bytes() > 0);
}

fn frames_of_rust_are_read_in_c() {
    let (_folder, mut child) = framed("read");
    let mut writer = PipeWriter::from(OwnedFd::from(child.stdin.take().expect("a pipe")));
    writer.write_all(b"no message").expect("a pipe");
    let mut writer = writer.messages();
    writer.send(b"first").expect("it reads");
    writer.send(&vec![b'm'; 1 << 20]).expect("it reads");
    drop(writer);
    let mut told = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut told).expect("text");
    assert!(child.wait().expect("its end").success());
    assert_eq!(told, "5 f\n1048576 m\nend 10\n");
}

tests!(
    messages_go_between_c_and_rust,
    what_a_killed_receiver_had_comes_again_in_the_other_language,
    a_place_of_a_killed_sender_is_passed_over,
    frames_of_c_are_read_in_rust_and_the_torn_one_of_a_killed_writer_is_passed_over,
    frames_of_rust_are_read_in_c,
);
