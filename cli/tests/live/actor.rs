//! A process that makes segments and holds their locks, on command: a line each on standard input, answered by a line.
//! It ends with its input, so none is left behind by a failed test.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use cotenant::metrics::{Across, Buckets, Counter, Metrics};
use cotenant::sync::{
    Barrier, Condvar, Event, Leader, LockError, Mutex, MutexGuard, Once, OnceCell, RwLock, Semaphore,
};
use cotenant::value::{Array, Duration as SharedDuration, Optional, Text};
use cotenant::{Backing, Keep, ProcessSync, Segment, SysVKey};

use crate::place::{Place, WATCHDOG};

/// In the environment of a child: play.
const ROLE: &str = "COTENANT_TEST_ACTOR";

#[derive(ProcessSync, Clone, Copy)]
#[repr(C)]
struct Limits {
    /// Requests that are let through in a second.
    per_second: u32,
    burst: u32,
}

#[derive(ProcessSync, Clone, Copy)]
#[repr(u8)]
enum Stage {
    Starting,
    Serving,
}

#[derive(ProcessSync, Clone, Copy)]
#[repr(C)]
struct Host {
    name: Text<16>,
    ports: Array<u16, 4>,
    weight: Optional<f64>,
    stage: Stage,
    patience: SharedDuration,
}

thread_local! {
    /// What `lock-kept` holds until `unlock`.
    static KEPT: std::cell::Cell<Option<MutexGuard<'static, Limits>>> = const { std::cell::Cell::new(None) };
}

/// Not a test: what the children of tests run.
#[test]
#[ignore = "the part that children of the other tests play"]
fn play() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let mut kept = Vec::new();
    let mut readers = Vec::new();
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        if let ["read-only", name] = words.as_slice() {
            readers.push(options().open_reader(name).expect("it is there"));
        } else {
            act(&words, &mut kept);
        }
        // In one call, and told from what the test harness prints.
        std::io::stdout().write_all(b"\n#done\n").expect("somebody listens");
    }
    // Killed or not, nothing is cleaned up: values and locks are left as they are.
    std::process::exit(0);
}

fn options() -> cotenant::SegmentOptions {
    let options = Segment::options().max_bytes(1 << 20);
    match std::env::var_os("COTENANT_TEST_FOLDER") {
        Some(folder) => options.folder(folder),
        None => options,
    }
}

fn count(segment: &'static Segment, number: u64) {
    let options = Metrics::options().max_series(16).max_bytes(1 << 17).cells(2);
    let metrics = options.open_or_create(segment, "metrics").expect("there is room");
    metrics.describe("jobs", "Jobs done.").expect("there is room");
    metrics.counter("jobs", &[("queue", "fast")]).expect("there is room").add(number);
    metrics.gauge("working", &[], Across::Sum).expect("there is room").add(number as f64);
    let buckets = Buckets::between(1.0, 8.0).parts(0);
    metrics.histogram("size_bytes", &[], buckets).expect("there is room").observe(3.0);
    segment.get_or_init("REQUESTS", Counter::<2>::new).expect("there is room").add(number);
}

fn act(words: &[&str], kept: &mut Vec<&'static Segment>) {
    let segment = || *kept.last().expect("a segment is made first");
    let limits = || {
        segment().get_or_init("limits", || Mutex::new(Limits { per_second: 100, burst: 20 })).expect("there is room")
    };
    let table = || segment().get_or_init("table", || RwLock::<u64>::new(7)).expect("there is room");
    match words {
        ["metrics", number] => count(segment(), number.parse().expect("a number")),
        ["make", backing, name] => {
            let (options, nowhere) = (options(), Segment::options().max_bytes(1 << 20));
            let made = match *backing {
                "posix" => options.open_or_create(name),
                "readable" => options.mode(0o644).open_or_create(name),
                "kept" => options.keep(Keep::UntilRemoved).open_or_create(name),
                "memfd" => nowhere.backing(Backing::Memfd).create(name),
                "anonymous" => nowhere.backing(Backing::Anonymous).create(name),
                "sysv" => options.backing(Backing::SysV(SysVKey::Number(key_of(name)))).open_or_create(name),
                other => match other.strip_prefix("scope=") {
                    Some(scope) => options.scope(scope).open_or_create(name),
                    None => panic!("no backing {other}"),
                },
            };
            kept.push(made.expect("the segment can be made").leak());
        }
        ["queue", name] => {
            let queue = cotenant::channel::Queue::options().capacity_bytes(1 << 16);
            let queue = queue.open_or_create_in(segment(), name).expect("there is room");
            let sender = Box::leak(Box::new(queue)).sender().expect("it sends");
            sender.send(&[7; 100]).expect("there is room");
        }
        ["keep", "message", name] => {
            let queue = cotenant::channel::Queue::options().capacity_bytes(1 << 16);
            let queue: &'static _ = Box::leak(Box::new(queue.open_or_create_in(segment(), name).expect("room")));
            let receiver: &'static _ = Box::leak(Box::new(queue.receiver().expect("it receives")));
            std::mem::forget(receiver.recv().expect("a message"));
        }
        ["await", "message", name] => {
            let queue = cotenant::channel::Queue::options().capacity_bytes(1 << 16);
            let queue: &'static _ = Box::leak(Box::new(queue.open_or_create_in(segment(), name).expect("room")));
            Box::leak(Box::new(queue.sole_sender().expect("it is the only one")));
            std::thread::spawn(move || queue.receiver().expect("it receives").recv().map(drop));
        }
        ["count", number] => {
            let done = segment().get_or_init("done", || AtomicU64::new(0)).expect("there is room");
            done.store(number.parse().expect("a number"), Relaxed);
        }
        ["hosts"] => {
            let host = Host {
                name: Text::from_static("alpha"),
                ports: Array::from_array([80, 443]),
                weight: Optional::none(),
                stage: Stage::Starting,
                patience: SharedDuration::from_millis(2500),
            };
            segment().get_or_init("hosts", || Mutex::new([host; 2])).expect("there is room");
            let seed = segment().get_or_init("seed", OnceCell::new).expect("there is room");
            seed.set(7_u64).expect("free");
            segment().get_or_init("constant", || 5_u32).expect("there is room");
        }
        ["write-and-end"] => *table().write().map_err(drop).expect("it is free") += 1,
        ["lock-kept"] => KEPT.set(Some(limits().lock().map_err(drop).expect("it is free"))),
        ["unlock"] => drop(KEPT.take().expect("it was locked")),
        ["lock"] => std::mem::forget(limits().lock().expect("it is free")),
        ["lock-again"] => drop(limits().lock().map_err(drop).expect("it was reset")),
        ["wait"] => {
            let limits = limits();
            std::thread::spawn(move || std::mem::forget(limits.lock()));
            until(|| segment_waits(segment()), "it does not wait");
        }
        ["await", what] => {
            await_it(segment(), what, limits);
            until(|| segment_waits(segment()), "it does not wait");
        }
        ["make-for-ever"] => {
            let (segment, begun) = (segment(), &*Box::leak(Box::new(AtomicU64::new(0))));
            std::thread::spawn(move || {
                segment.get_or_init("slow", || {
                    begun.store(1, Relaxed);
                    loop {
                        std::thread::park();
                    }
                    #[allow(unreachable_code)] // Its type.
                    AtomicU64::new(0)
                })
            });
            until(|| begun.load(Relaxed) == 1, "it does not begin");
        }
        ["await-made"] => {
            let segment = segment();
            std::thread::spawn(move || segment.get_or_init("slow", || AtomicU64::new(1)).is_ok());
            until(|| segment_waits(segment), "it does not wait");
        }
        ["repair"] => match limits().lock() {
            Err(LockError::OwnerDied(died)) => drop(died.repair(|_| ())),
            _ => panic!("its owner is dead"),
        },
        ["mistake"] => assert!(segment().get_or_init("done", || 0_u32).is_err(), "it has another type"),
        ["panic"] => {
            let panics = || {
                let _held = limits().lock().map_err(drop).expect("it is free");
                panic!("under the lock, as the test wants it")
            };
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        }
        ["lead"] => {
            let leader = segment().get_or_init("leader", Leader::new).expect("there is room");
            std::mem::forget(leader.lead().map_err(drop).expect("nobody leads"));
        }
        ["give-up"] => match limits().lock() {
            Err(LockError::OwnerDied(died)) => died.give_up(),
            _ => panic!("its owner is dead"),
        },
        ["write"] => std::mem::forget(table().write().map_err(drop).expect("it is free")),
        ["read"] => std::mem::forget(table().read().map_err(drop).expect("it is free")),
        ["permit"] => {
            let slots = segment().get_or_init("slots", || Semaphore::<4>::new(2)).expect("there is room");
            std::mem::forget(slots.acquire().map_err(drop).expect("there is one"));
        }
        other => panic!("no command {other:?}"),
    }
}

/// Has a thread wait for something that does not come.
fn await_it(segment: &'static Segment, what: &str, limits: impl Fn() -> &'static Mutex<Limits>) {
    match what {
        "event" => {
            let event = segment.get_or_init(what, || Event::new(false)).expect("there is room");
            std::thread::spawn(|| event.wait());
        }
        "once" => {
            let once = segment.get_or_init(what, Once::new).expect("there is room");
            std::thread::spawn(|| once.wait());
        }
        "barrier" => {
            let barrier = segment.get_or_init(what, Barrier::<2>::new).expect("there is room");
            std::thread::spawn(|| drop(barrier.wait()));
        }
        "condition" => {
            let condition = segment.get_or_init(what, Condvar::new).expect("there is room");
            let limits = limits();
            std::thread::spawn(|| {
                let limits = limits.lock().map_err(drop).expect("it is free");
                drop(condition.wait_while(limits, |_| true));
            });
        }
        "slots" => {
            let slots = segment.get_or_init(what, || Semaphore::<4>::new(2)).expect("there is room");
            std::thread::spawn(|| slots.acquire().map(std::mem::forget).map_err(drop));
        }
        other => panic!("nothing to wait for: {other:?}"),
    }
}

fn until(is_so: impl Fn() -> bool, else_say: &str) {
    let deadline = Instant::now() + WATCHDOG;
    while !is_so() {
        assert!(Instant::now() < deadline, "watchdog: {else_say}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn segment_waits(segment: &Segment) -> bool {
    let me = cotenant::inspect::live::LiveSegment::open(std::path::Path::new(segment.path())).expect("a segment");
    let participants = me.participants().expect("they can be read");
    participants.iter().any(|it| it.pid == std::process::id() && it.waits_for_at != 0)
}

/// A key that no other test run has at the same time.
fn key_of(name: &str) -> i32 {
    name.bytes().fold(0x1234_5678_u32, |key, byte| key.rotate_left(5) ^ u32::from(byte)) as i32 & 0x7fff_ffff
}

/// Such a process, as a test sees it.
pub(crate) struct Actor {
    pub(crate) child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<()>,
}

impl Actor {
    pub(crate) fn start(place: &Place) -> Actor {
        Actor::start_by(place, Command::new(std::env::current_exe().expect("our own program")))
    }

    /// By a command to which ours is added, such as `unshare`.
    pub(crate) fn start_by(place: &Place, mut command: Command) -> Actor {
        command.args(["--exact", "actor::play", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, "1").env("COTENANT_TEST_FOLDER", place.folder()).env_remove("COTENANT_DIR");
        Actor::spawn(command)
    }

    /// Where segments lie by default.
    pub(crate) fn start_at_home(mut command: Command) -> Actor {
        command.args(["--exact", "actor::play", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, "1").env_remove("COTENANT_TEST_FOLDER").env_remove("COTENANT_DIR");
        Actor::spawn(command)
    }

    fn spawn(mut command: Command) -> Actor {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let output = child.stdout.take().expect("piped");
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody listens once the test is over.
                if line == "#done" && sender.send(()).is_err() {
                    return;
                }
            }
        });
        Actor { input: child.stdin.take(), child, answers }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it do something, and waits until it is done.
    pub(crate) fn act(&mut self, command: &str) -> &mut Actor {
        let input = self.input.as_mut().expect("it lives");
        writeln!(input, "{command}").expect("it listens");
        self.answers.recv_timeout(WATCHDOG).unwrap_or_else(|_| panic!("watchdog: no answer to {command}"));
        self
    }

    /// As [`kill`](Actor::kill), at the end of a chain.
    pub(crate) fn kill_of(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it is our child");
    }

    /// SIGKILL, and waits until nothing is left of it.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it is our child");
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Its input ends, and with it it.
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
