//! What a reader gets of objects: copies, of what is there, and of nothing that is a lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use cotenant::sync::{Mutex, RwLock};
use cotenant::value::{Array, Optional, Text};
use cotenant::{ErrorKind, ObjectState, ProcessSync, Segment, SegmentReader};

use crate::actor::NAME;
use crate::support::Named;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("a_snapshot_is_the_value", a_snapshot_is_the_value),
    ("a_snapshot_is_of_its_moment", a_snapshot_is_of_its_moment),
    ("a_guarded_value_is_read_whoever_holds_the_lock", a_guarded_value_is_read_whoever_holds_the_lock),
    ("numbers_of_a_snapshot_are_whole", numbers_of_a_snapshot_are_whole),
    ("a_reader_is_told_of_another_type", a_reader_is_told_of_another_type),
    ("a_reader_finds_no_object_that_is_not_there", a_reader_finds_no_object_that_is_not_there),
    ("a_reader_keeps_the_object_that_it_found", a_reader_keeps_the_object_that_it_found),
    ("a_reader_sees_objects_added_and_lists_them", a_reader_sees_objects_added_and_lists_them),
    ("a_reader_is_no_participant", a_reader_is_no_participant),
    ("threads_share_a_reader", threads_share_a_reader),
    ("a_segment_bears_panics", a_segment_bears_panics),
];

fn both(sandbox: &Sandbox) -> (Segment, SegmentReader) {
    let options = Segment::options().folder(sandbox.path()).max_bytes(1 << 20);
    let segment = options.create(NAME).expect("a segment");
    let reader = options.open_reader(NAME).expect("a reader");
    (segment, reader)
}

#[derive(ProcessSync, Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum Colour {
    Red = 3,
    Green = 7,
}

#[derive(ProcessSync, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Mixed {
    tiny: u8,
    letter: char,
    colour: Colour,
    wide: u128,
    real: f64,
    flags: [bool; 3],
    name: Text<10>,
    list: Array<u16, 5>,
    maybe: Optional<i32>,
}

fn mixed() -> Mixed {
    Mixed {
        tiny: 250,
        letter: '🦀',
        colour: Colour::Green,
        wide: u128::MAX - 5,
        real: -0.25,
        flags: [true, false, true],
        name: Text::from_static("großartig"),
        list: Array::try_from(&[1, 2, 3][..]).expect("room"),
        maybe: Optional::some(-7),
    }
}

fn a_snapshot_is_the_value() {
    let sandbox = Sandbox::new();
    let (segment, reader) = both(&sandbox);
    segment.get_or_init("mixed", mixed).expect("an object");
    segment.get_or_init("odd", || [9_u8; 77]).expect("an object");
    segment.get_or_init("nothing", || ()).expect("an object");
    segment.get_or_init("colour", || Colour::Red).expect("an object");
    assert_eq!(reader.get::<Mixed>("mixed").expect("its type").expect("an object").snapshot(), mixed());
    assert_eq!(reader.get::<[u8; 77]>("odd").expect("its type").expect("an object").snapshot(), [9; 77]);
    reader.get::<()>("nothing").expect("its type").expect("an object").snapshot();
    assert_eq!(reader.get::<Colour>("colour").expect("its type").map(|it| it.snapshot()), Some(Colour::Red));
}

fn a_snapshot_is_of_its_moment() {
    let sandbox = Sandbox::new();
    let (segment, reader) = both(&sandbox);
    let count = segment.get_or_init("count", || AtomicU64::new(1)).expect("an object");
    let seen = reader.get::<AtomicU64>("count").expect("its type").expect("an object");
    assert_eq!(seen.snapshot().into_inner(), 1);
    count.store(2, Relaxed);
    assert_eq!(seen.snapshot().into_inner(), 2);
}

fn a_guarded_value_is_read_whoever_holds_the_lock() {
    let sandbox = Sandbox::new();
    let (segment, reader) = both(&sandbox);
    let mutex = segment.get_or_init("mutex", || Mutex::new([1_u32; 3])).expect("an object");
    let rwlock = segment.get_or_init("rwlock", || RwLock::<u8, 4>::new(5)).expect("an object");
    let seen = reader.get::<Mutex<[u32; 3]>>("mutex").expect("its type").expect("an object");
    let seen_too = reader.get::<RwLock<u8, 4>>("rwlock").expect("its type").expect("an object");
    assert_eq!((seen.snapshot_value(), seen_too.snapshot_value()), ([1; 3], 5));
    let mut guard = mutex.lock().expect("nobody holds it");
    guard[1] = 2;
    *rwlock.write().expect("nobody holds it") = 6;
    assert_eq!((seen.snapshot_value(), seen_too.snapshot_value()), ([1, 2, 1], 6));
    drop(guard);
    assert_eq!(*mutex.lock().expect("the reader left it alone"), [1, 2, 1]);
}

fn numbers_of_a_snapshot_are_whole() {
    let sandbox = Sandbox::new();
    let (segment, reader) = both(&sandbox);
    let words = segment.get_or_init("words", || [const { AtomicU64::new(0) }; 40]).expect("an object");
    let seen = reader.get::<[AtomicU64; 40]>("words").expect("its type").expect("an object");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..200_000_u64 {
                let half = round & 0xffff_ffff;
                words[(round % 40) as usize].store(half << 32 | half, Relaxed);
            }
            is_over.store(true, Relaxed);
        });
        while !is_over.load(Relaxed) {
            for word in seen.snapshot() {
                let word = word.into_inner();
                assert_eq!(word >> 32, word & 0xffff_ffff, "halves of two numbers");
            }
        }
    });
}

fn a_reader_is_told_of_another_type() {
    let sandbox = Sandbox::new();
    let (segment, reader) = both(&sandbox);
    segment.get_or_init("n", || 5_u32).expect("an object");
    let error = reader.get::<u64>("n").expect_err("another type");
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    for part in ["`n`", "u32", "u64", "to go on"] {
        assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
    }
    assert_eq!(reader.get::<u64>("").expect_err("no name").kind(), ErrorKind::InvalidInput);
}

fn a_reader_finds_no_object_that_is_not_there() {
    let sandbox = Sandbox::new();
    let (segment, reader) = both(&sandbox);
    assert!(reader.get::<u64>("n").expect("nothing there").is_none());
    segment
        .get_or_init("n", || {
            assert!(reader.get::<u64>("n").expect("being made").is_none());
            assert_eq!(reader.objects().map(|it| it.state).collect::<Vec<_>>(), [ObjectState::BeingMade]);
            1_u64
        })
        .expect("an object");
    assert!(reader.get::<u64>("n").expect("its type").is_some());
    segment.remove("n").expect("removing");
    assert!(reader.get::<u64>("n").expect("removed").is_none());
}

fn a_reader_keeps_the_object_that_it_found() {
    let sandbox = Sandbox::new();
    let (segment, reader) = both(&sandbox);
    segment.get_or_init("n", || 1_u64).expect("an object");
    let first = reader.get::<u64>("n").expect("its type").expect("an object");
    segment.remove("n").expect("removing");
    segment.get_or_init("n", || 2_u64).expect("an object");
    let second = reader.get::<u64>("n").expect("its type").expect("an object");
    assert_eq!((first.snapshot(), second.snapshot()), (1, 2));
}

fn a_reader_sees_objects_added_and_lists_them() {
    let sandbox = Sandbox::new();
    let (segment, reader) = both(&sandbox);
    for number in 0..300_u64 {
        // Many of them lie where there was no memory when the reader came.
        segment.get_or_init(&format!("object {number}"), || [number; 300]).expect("room");
        let seen = reader.get::<[u64; 300]>(&format!("object {number}")).expect("its type").expect("an object");
        assert_eq!(seen.snapshot(), [number; 300]);
    }
    assert_eq!(reader.objects().count(), 300);
    assert_eq!(reader.objects().last(), segment.objects().last());
    assert_eq!((reader.used_bytes(), reader.max_bytes()), (segment.used_bytes(), segment.max_bytes()));
    assert_eq!(reader.path(), segment.path());
}

fn a_reader_is_no_participant() {
    let sandbox = Sandbox::new();
    let options = Segment::options().folder(sandbox.path()).max_bytes(1 << 20).max_participants(1);
    let segment = options.create(NAME).expect("a segment");
    let readers: Vec<_> = (0..20).map(|_| options.open_reader(NAME).expect("a reader")).collect();
    assert_eq!(segment.participants().len(), 1);
    assert_eq!(options.open(NAME).expect_err("one slot").kind(), ErrorKind::Full);
    segment.get_or_init("n", || 3_u64).expect("an object");
    assert!(readers.iter().all(|reader| reader.get::<u64>("n").expect("its type").map(|n| n.snapshot()) == Some(3)));
}

fn threads_share_a_reader() {
    let sandbox = Sandbox::new();
    let (segment, reader) = both(&sandbox);
    segment.get_or_init("n", || 3_u64).expect("an object");
    let n = reader.get::<u64>("n").expect("its type").expect("an object");
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| (n.snapshot(), reader.objects().count()))).collect();
        assert!(threads.into_iter().all(|thread| thread.join().expect("a thread") == (3, 1)));
    });
}

fn a_segment_bears_panics() {
    let sandbox = Sandbox::new();
    let (segment, reader) = both(&sandbox);
    let made = std::panic::catch_unwind(|| {
        segment.get_or_init::<AtomicU64>("done", || std::panic::resume_unwind(Box::new("as the test asked"))).is_ok()
    });
    assert!(made.is_err() && segment.get::<AtomicU64>("done").expect("no error").is_none());
    segment.get_or_init("done", || AtomicU64::new(5)).expect("made by the next one");
    let done = reader.get::<AtomicU64>("done").expect("no error").expect("it is there");
    let snapshot = std::panic::catch_unwind(|| (done.snapshot().into_inner(), reader.objects().count()));
    assert_eq!(snapshot.ok(), Some((5, 1)));
}
