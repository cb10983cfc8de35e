//! The peer of these tests: a process that does to a segment what a test tells it to.

use std::cell::RefCell;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cotenant::{Error, Segment};

use crate::support::serve;

/// The segment that tests use, in the folder of their sandbox.
pub(crate) const NAME: &str = "test";

thread_local! {
    static SEGMENT: RefCell<Option<&'static Segment>> = const { RefCell::new(None) };
}

pub(crate) fn play() {
    serve::stdin(answer);
}

/// The segment of this process, attached at the first use.
fn segment() -> &'static Segment {
    SEGMENT.with_borrow_mut(|segment| {
        *segment.get_or_insert_with(|| {
            let options = Segment::options().max_bytes(16 << 20);
            options.open_or_create(NAME).expect("attaching").leak()
        })
    })
}

pub(crate) fn said(error: &Error) -> String {
    format!("{:?}: {}", error.kind(), error.to_string().replace('\n', " | "))
}

/// One command; the answer is one line.
fn answer(line: &str) -> String {
    let mut words = line.split(' ');
    let command = words.next().unwrap_or_default();
    let name = words.next().unwrap_or_default();
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
    match command {
        "open" => segment().path().to_owned(),
        // Makes, or finds; `inits` counts who made.
        "make" => count(name, number).map_or_else(|error| said(&error), |value| value.load(Relaxed).to_string()),
        "race" => race(name, number()),
        "make-slowly" => count(name, || {
            say("making");
            std::thread::sleep(Duration::from_millis(300));
            number()
        })
        .map_or_else(|error| said(&error), |value| value.load(Relaxed).to_string()),
        "make-for-ever" => count(name, || {
            say("making");
            loop {
                std::thread::park();
            }
        })
        .map_or_else(|error| said(&error), |value| value.load(Relaxed).to_string()),
        "make-and-panic" => {
            let made = catch_unwind(AssertUnwindSafe(|| {
                count(name, || {
                    say("making");
                    std::thread::sleep(Duration::from_millis(number()));
                    std::panic::resume_unwind(Box::new("told to"))
                })
                .map(|value| value.load(Relaxed))
            }));
            made.map_or_else(|_| "panicked".into(), |made| format!("{made:?}"))
        }
        "make-words" => {
            let made = segment().get_or_init(name, || [const { AtomicU64::new(8) }; 8]);
            made.map_or_else(|error| said(&error), |words| words[7].load(Relaxed).to_string())
        }
        "get" => match segment().get::<AtomicU64>(name) {
            Ok(value) => value.map_or_else(|| "none".into(), |value| value.load(Relaxed).to_string()),
            Err(error) => said(&error),
        },
        "add" => match segment().get::<AtomicU64>(name) {
            Ok(Some(value)) => (value.fetch_add(number(), Relaxed)).to_string(),
            other => format!("{other:?}"),
        },
        "remove" => segment().remove(name).map_or_else(|error| said(&error), |was_there| was_there.to_string()),
        "inits" => count("inits", || 0).map_or_else(|error| said(&error), |inits| inits.load(Relaxed).to_string()),
        "used" => segment().used_bytes().to_string(),
        "list" => {
            let names: Vec<_> = segment().objects().map(|it| format!("{}={}", it.name, it.state)).collect();
            names.join(",")
        }
        "fill" => fill(name, number()),
        "check" => check(),
        "fill-for-ever" => fill_for_ever(name),
        other => format!("no such command: {other}"),
    }
}

/// A line before the answer.
fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("saying something");
}

/// The counter of that name; whoever makes it counts in `inits`.
fn count(name: &str, mut init: impl FnMut() -> u64) -> cotenant::Result<&'static AtomicU64> {
    let segment = segment();
    segment.get_or_init(name, || {
        if name != "inits" {
            segment.get_or_init("inits", || AtomicU64::new(0)).expect("another object").fetch_add(1, Relaxed);
        }
        AtomicU64::new(init())
    })
}

/// Asks for the objects `name-0` to `name-19` at the same moment as `racers - 1` others; gives what was found.
fn race(name: &str, racers: u64) -> String {
    let gate = segment().get_or_init(&format!("{name}-gate"), || AtomicU64::new(0)).expect("a gate");
    let mut found = Vec::new();
    for round in 0..20 {
        gate.fetch_add(1, Relaxed);
        crate::support::wait_until("all racers are at the gate", || {
            (0..2_000).any(|_| {
                std::hint::spin_loop();
                gate.load(Relaxed) >= (round + 1) * racers
            })
        });
        let value = count(&format!("{name}-{round}"), || u64::from(std::process::id()));
        found.push(value.map_or_else(|error| said(&error), |value| value.load(Relaxed).to_string()));
    }
    found.join(" ")
}

/// Objects of many sizes that say who made them, in each of their words: `WHO-0`, `WHO-1`, ...
pub(crate) fn fill(who: &str, objects: u64) -> String {
    for number in 0..objects {
        if let Err(error) = fill_one(segment(), who, number) {
            return said(&error);
        }
    }
    "filled".into()
}

pub(crate) fn fill_one(segment: &Segment, who: &str, number: u64) -> cotenant::Result<()> {
    let name = format!("{who}-{number}");
    let mark = mark(&name);
    match number % 3 {
        0 => segment.get_or_init(&name, || [mark; 1]).map(drop),
        1 => segment.get_or_init(&name, || [mark; 100]).map(drop),
        _ => segment.get_or_init(&name, || [mark; 1000]).map(drop),
    }
}

/// What an object of that name is full of.
fn mark(name: &str) -> u64 {
    name.bytes().fold(17, |mark, byte| mark.wrapping_mul(31).wrapping_add(byte.into()))
}

fn fill_for_ever(who: &str) -> String {
    say("filling");
    for number in 0.. {
        if number % 7 == 6 {
            segment().remove(&format!("{who}-{}", number - 1)).expect("removing");
        }
        if let Err(error) = fill_one(segment(), who, number) {
            return said(&error);
        }
    }
    String::new()
}

/// Whether every object that is ready holds what its maker wrote; gives how many there are.
fn check() -> String {
    check_all(segment()).to_string()
}

pub(crate) fn check_all(segment: &Segment) -> usize {
    let mut ready = 0;
    let mut places = Vec::new();
    for object in segment.objects() {
        places.push((object.at, object.bytes));
        if object.state != cotenant::ObjectState::Ready {
            continue;
        }
        let mark = mark(&object.name);
        let is_right = match object.bytes / 8 {
            1 => segment.get::<[u64; 1]>(&object.name).expect("its type").is_none_or(|it| *it == [mark; 1]),
            100 => segment.get::<[u64; 100]>(&object.name).expect("its type").is_none_or(|it| *it == [mark; 100]),
            _ => segment.get::<[u64; 1000]>(&object.name).expect("its type").is_none_or(|it| *it == [mark; 1000]),
        };
        assert!(is_right, "{} is not what its maker wrote", object.name);
        ready += 1;
    }
    places.sort_unstable();
    let overlap = places.windows(2).find(|pair| pair[0].0 + pair[0].1 > pair[1].0);
    assert!(overlap.is_none(), "two objects lie on each other: {overlap:?}");
    ready
}
