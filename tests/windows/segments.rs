//! Segments of objects over file mappings: what a process answers about them, and the tests.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cotenant::sync::{LockError, Mutex};
use cotenant::{Backing, ErrorKind, Segment};

use crate::peer::{Peer, Program};

const PART_BYTES: usize = 64 << 10;

thread_local! {
    /// The segment that the commands are about.
    static SEGMENT: RefCell<Option<Segment>> = const { RefCell::new(None) };
}

/// Commands: `create NAME`, `open NAME`, `open-or-create NAME`, then `add`, `hold`, `lock`, ...
pub(crate) fn answer(line: &str) -> Option<String> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let options = || Segment::options().max_bytes(8 << 20);
    let opened = match verb {
        "segment-create" => options().create(rest),
        "segment-open" => options().open(rest),
        "segment-get" => options().open_or_create(rest),
        "segment-drop" => {
            SEGMENT.take();
            return Some("dropped".to_owned());
        }
        "segment" => return Some(SEGMENT.with_borrow(|segment| about(segment.as_ref().expect("a segment"), rest))),
        _ => return None,
    };
    Some(match opened {
        Ok(segment) => {
            let created = segment.is_created();
            SEGMENT.set(Some(segment));
            format!("created {created}")
        }
        Err(error) => format!("{:?}: {}", error.kind(), error.to_string().replace('\n', " ")),
    })
}

fn about(segment: &Segment, command: &str) -> String {
    let counter = || segment.get_or_init("counter", || AtomicU64::new(100)).expect("the counter");
    let guarded = || segment.get_or_init("guarded", || Mutex::new(0_u64)).expect("the mutex");
    match command {
        "add" => counter().fetch_add(1, Relaxed).to_string(),
        "hold" => {
            std::mem::forget(guarded().lock().expect("the lock"));
            "held".to_owned()
        }
        "lock" => match guarded().lock() {
            Ok(value) => format!("clean {}", *value),
            Err(LockError::OwnerDied(died)) => format!("died {}", *died.repair(|value| *value = 7)),
            Err(error) => error.to_string(),
        },
        "die-in-init" => {
            segment.get_or_init("slow", || -> u64 { std::process::abort() }).expect("never");
            unreachable!()
        }
        "init" => segment.get_or_init("slow", || 5_u64).expect("the value").to_string(),
        "grow" => {
            let mut made = 0_u64;
            loop {
                let value = (made % 251) as u8;
                match segment.get_or_init(&format!("part {made}"), || [value; PART_BYTES]) {
                    Ok(bytes) => assert!(bytes.iter().all(|byte| *byte == value)),
                    Err(error) if error.kind() == ErrorKind::NoSpace => return made.to_string(),
                    Err(error) => return error.to_string(),
                }
                made += 1;
            }
        }
        "whole" => {
            let part = |i: u64| segment.get::<[u8; PART_BYTES]>(&format!("part {i}")).expect("the segment");
            let is_whole = |i: &u64| part(*i).is_some_and(|bytes| bytes.iter().all(|byte| u64::from(*byte) == i % 251));
            (0..).take_while(is_whole).count().to_string()
        }
        "mismatch" => {
            let error = segment.get::<Mutex<u32>>("counter").map(drop).unwrap_err();
            error.to_string().replace('\n', " ")
        }
        "remove" => segment.remove("counter").expect("removing").to_string(),
        "names" => segment.objects().map(|object| object.name).collect::<Vec<_>>().join(" "),
        "people" => segment.participants().len().to_string(),
        other => panic!("no such command: {other}"),
    }
}

fn two_of(program: &Program, name: &str) -> (Peer, Peer) {
    let (mut first, mut second) = (program.start(), program.start());
    assert_eq!(first.ask(&format!("segment-create {name}")), "created true");
    assert_eq!(second.ask(&format!("segment-open {name}")), "created false");
    (first, second)
}

fn name(of: &str) -> String {
    format!("test.segment.{of}.{}", std::process::id())
}

#[test]
fn processes_share_the_objects_of_a_segment() {
    let program = Program::new();
    let name = name("objects");
    let (mut first, mut second) = two_of(&program, &name);
    assert_eq!(first.ask("segment add"), "100");
    assert_eq!(second.ask("segment add"), "101");
    assert_eq!(second.ask("segment people"), "2");
    let again = second.ask(&format!("segment-create {name}"));
    assert!(again.starts_with("AlreadyExists") && again.contains("in use by"), "{again}");
    let mismatch = second.ask("segment mismatch");
    assert!(mismatch.contains("this program has Mutex<u32>"), "{mismatch}");
    assert_eq!(first.ask("segment remove"), "true");
    assert_eq!(second.ask("segment add"), "100", "the name leads to another object");
    assert_eq!(first.ask("segment names"), "counter");
}

#[test]
fn killed_owner_of_a_lock_in_a_segment_is_told() {
    let program = Program::new();
    let (mut first, mut second) = two_of(&program, &name("death"));
    assert_eq!(first.ask("segment hold"), "held");
    second.tell("segment lock");
    second.expect_silence("the owner lives");
    first.kill();
    assert_eq!(second.answer("segment lock"), "died 7");
    assert_eq!(second.ask("segment lock"), "clean 7");
    assert_eq!(second.ask("segment people"), "1");
}

#[test]
fn object_whose_maker_died_is_made_by_the_next_one() {
    let program = Program::new();
    let (mut first, mut second) = two_of(&program, &name("maker"));
    first.tell("segment die-in-init");
    assert_eq!(second.ask("segment init"), "5");
}

#[test]
fn segment_grows_to_its_maximum_while_others_use_it() {
    let program = Program::new();
    let (mut first, mut second) = two_of(&program, &name("growth"));
    assert_eq!(second.ask("segment add"), "100");
    let made: u64 = first.ask("segment grow").parse().expect("how many parts were made");
    assert!((100..=(8 << 20) / PART_BYTES as u64).contains(&made), "{made} parts of {PART_BYTES} bytes in 8 MiB");
    assert_eq!(second.ask("segment whole"), made.to_string());
}

#[test]
fn segment_goes_with_the_last_process() {
    let program = Program::new();
    let name = name("end");
    let (mut first, mut second) = two_of(&program, &name);
    assert_eq!(first.ask("segment add"), "100");
    assert_eq!(first.ask("segment-drop"), "dropped");
    assert_eq!(second.ask("segment add"), "101");
    second.kill();
    let missing = first.ask(&format!("segment-open {name}"));
    assert!(missing.starts_with("NotFound"), "{missing}");
    assert_eq!(first.ask(&format!("segment-get {name}")), "created true");
    assert_eq!(first.ask("segment add"), "100");
}

#[test]
fn what_windows_lacks_is_refused_when_the_options_are_given() {
    for backing in [Backing::Posix, Backing::Memfd, Backing::Anonymous, Backing::File] {
        let error = Segment::options().backing(backing).create("test.segment.lacking").map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    let error = Segment::options().mode(0o660).create("test.segment.lacking").map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}
