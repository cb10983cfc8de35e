//! Objects as one process sees them: names, types, room, threads, handles.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use cotenant::sync::Mutex;
use cotenant::{ErrorKind, Keep, ObjectState, ProcessSync, Segment, SegmentOptions};

use crate::actor::NAME;
use crate::support::Named;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("an_object_is_what_its_maker_made_it", an_object_is_what_its_maker_made_it),
    ("another_type_is_refused_with_the_difference", another_type_is_refused_with_the_difference),
    ("odd_names_are_names", odd_names_are_names),
    ("names_that_cannot_be_are_refused", names_that_cannot_be_are_refused),
    ("a_thousand_objects_are_found_again", a_thousand_objects_are_found_again),
    ("a_full_table_says_so", a_full_table_says_so),
    ("full_descriptions_say_so", full_descriptions_say_so),
    ("an_object_larger_than_what_is_left_is_refused", an_object_larger_than_what_is_left_is_refused),
    ("objects_are_aligned", objects_are_aligned),
    ("an_object_without_bytes_is_one", an_object_without_bytes_is_one),
    ("an_object_that_asks_for_itself_is_told", an_object_that_asks_for_itself_is_told),
    ("an_object_may_be_made_of_others", an_object_may_be_made_of_others),
    ("threads_make_each_object_once", threads_make_each_object_once),
    ("threads_that_make_and_remove_meet_whole_objects", threads_that_make_and_remove_meet_whole_objects),
    ("iteration_tells_what_is_added_meanwhile", iteration_tells_what_is_added_meanwhile),
    ("iteration_tells_fields", iteration_tells_fields),
    ("two_handles_of_one_process_share", two_handles_of_one_process_share),
    ("two_handles_of_one_thread_do_not_wait_for_each_other", two_handles_of_one_thread_do_not_wait_for_each_other),
    ("values_stay_while_one_is_attached", values_stay_while_one_is_attached),
    ("kept_objects_are_found_later", kept_objects_are_found_later),
    ("a_child_of_a_fork_makes_objects", a_child_of_a_fork_makes_objects),
    ("a_handle_can_be_sent_and_shared", a_handle_can_be_sent_and_shared),
    ("an_object_larger_than_the_stack_begins_with_zeros", an_object_larger_than_the_stack_begins_with_zeros),
];

fn options(sandbox: &Sandbox) -> SegmentOptions {
    Segment::options().folder(sandbox.path()).max_bytes(1 << 20)
}

#[derive(ProcessSync, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Limits {
    requests: u32,
    burst: u32,
}

#[derive(ProcessSync, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct OtherLimits {
    requests: u64,
    burst: u32,
}

fn an_object_is_what_its_maker_made_it() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    assert!(segment.get::<Limits>("limits").expect("nothing there").is_none());
    let limits = segment.get_or_init("limits", || Limits { requests: 1, burst: 2 }).expect("an object");
    assert_eq!(*limits, Limits { requests: 1, burst: 2 });
    let again = segment.get_or_init("limits", || unreachable!("made once")).expect("an object");
    assert!(std::ptr::eq(limits, again));
    assert!(std::ptr::eq(limits, segment.get("limits").expect("its type").expect("an object")));
    assert_eq!(segment.used_bytes(), 64);
}

fn another_type_is_refused_with_the_difference() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    segment.get_or_init("limits", || Limits { requests: 1, burst: 2 }).expect("an object");
    let said = [
        segment.get::<OtherLimits>("limits").expect_err("another type"),
        segment.get_or_init("limits", || OtherLimits { requests: 1, burst: 2 }).expect_err("another type"),
    ];
    for error in said {
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        let text = error.to_string();
        let me = format!("in use by {} (", std::process::id());
        for part in ["limits.requests: ", "u64", "u32", &me, "another name", "Segment::remove", NAME] {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
    }
    assert!(segment.remove("limits").expect("removing"));
    segment.get_or_init("limits", || OtherLimits { requests: 1, burst: 2 }).expect("the name is free");
}

fn odd_names_are_names() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    let long = "n".repeat(128);
    let names =
        ["a", " ", "a/b", "../a", "größe", "名前", "🦀", "a\u{202e}b", "a b", "'", "\\", "%s", "{}", ".", "A", &long];
    for (number, name) in (0_u64..).zip(names) {
        let made = segment.get_or_init(name, || AtomicU64::new(number)).expect("an object");
        assert_eq!(made.load(Relaxed), number, "{name:?}");
    }
    let other = Segment::options().folder(sandbox.path()).open(NAME).expect("a second handle");
    for (number, name) in (0_u64..).zip(names) {
        let found = other.get::<AtomicU64>(name).expect("its type").expect("an object");
        assert_eq!(found.load(Relaxed), number, "{name:?}");
    }
    assert_eq!(other.objects().count(), names.len());
}

fn names_that_cannot_be_are_refused() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    let long = "n".repeat(129);
    let long_in_bytes = "ü".repeat(65);
    for name in ["", "a\nb", "\0", "a\u{7f}", "\u{9b}2J", &long, &long_in_bytes] {
        for refused in [
            segment.get_or_init(name, || 1_u64).map(drop),
            segment.get::<u64>(name).map(drop),
            segment.remove(name).map(drop),
        ] {
            let error = refused.expect_err("no name for an object");
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}: {error}");
            assert!(!error.to_string().chars().any(char::is_control), "{error}");
        }
    }
    assert_eq!(segment.objects().count(), 0);
}

fn a_thousand_objects_are_found_again() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    for number in 0..1_000_u64 {
        segment.get_or_init(&format!("object {number}"), || AtomicU64::new(number)).expect("an object");
    }
    let other = Segment::options().folder(sandbox.path()).open(NAME).expect("a second handle");
    for _ in 0..2 {
        for number in 0..1_000_u64 {
            let found = other.get::<AtomicU64>(&format!("object {number}")).expect("its type").expect("an object");
            assert_eq!(found.load(Relaxed), number);
        }
    }
    assert_eq!(other.objects().filter(|it| it.state == ObjectState::Ready).count(), 1_000);
    assert_eq!(segment.used_bytes(), 64_000);
}

fn a_full_table_says_so() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).max_objects(3).create(NAME).expect("a segment");
    for name in ["a", "b", "c"] {
        segment.get_or_init(name, || 1_u8).expect("room");
    }
    assert!(segment.remove("b").expect("removing"));
    let error = segment.get_or_init("d", || 1_u8).expect_err("no room");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    let text = error.to_string();
    for part in ["`d`", "table of 3 objects", "1 of them removed", "max_objects"] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert_eq!(segment.get::<u8>("a").expect("its type"), Some(&1));
}

/// A type with a long description.
#[derive(ProcessSync, Clone, Copy)]
#[repr(C)]
struct Long {
    a_field_whose_name_is_much_longer_than_anybody_would_like_to_read_in_a_program_that_is_to_be_understood_0: [u8; 1],
    a_field_whose_name_is_much_longer_than_anybody_would_like_to_read_in_a_program_that_is_to_be_understood_1: [u8; 2],
    a_field_whose_name_is_much_longer_than_anybody_would_like_to_read_in_a_program_that_is_to_be_understood_2: [u8; 3],
    a_field_whose_name_is_much_longer_than_anybody_would_like_to_read_in_a_program_that_is_to_be_understood_3: [u8; 4],
}

#[derive(ProcessSync, Clone, Copy)]
#[repr(C)]
struct Longer {
    a: Long,
    b: Long,
    c: Long,
    d: Long,
    e: Long,
    f: Long,
    g: Long,
    h: Long,
}

fn full_descriptions_say_so() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).max_objects(100).create(NAME).expect("a segment");
    // SAFETY: all fields are integers.
    let zeros: Longer = unsafe { std::mem::zeroed() };
    let error = (0..100).find_map(|number| segment.get_or_init(&number.to_string(), || zeros).err());
    let error = error.expect("the descriptions fill their area before the table is full");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    let text = error.to_string();
    for part in ["descriptions of types", "max_objects"] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    segment.get_or_init("small", || 1_u8).expect("a shorter description still fits");
}

fn an_object_larger_than_what_is_left_is_refused() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    segment.get_or_init("half", || [1_u8; 1 << 19]).expect("room");
    let error = segment.get_or_init("more", || [2_u8; (1 << 19) + 1]).expect_err("no room");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    let text = error.to_string();
    for part in ["`more`", "524288 of its 1048576 bytes", "524289", "max_bytes"] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert_eq!((segment.objects().count(), segment.used_bytes()), (1, 1 << 19), "nothing was changed");
    let rest = segment.get_or_init("rest", || [3_u8; 1 << 19]).expect("what is left fits exactly");
    assert!(rest.iter().all(|byte| *byte == 3));
    assert!(segment.get::<[u8; 1 << 19]>("half").expect("its type").is_some_and(|it| it.iter().all(|byte| *byte == 1)));
}

#[derive(ProcessSync)]
#[repr(C, align(4096))]
struct Page {
    first: AtomicU32,
}

fn objects_are_aligned() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    for round in 0..3 {
        let byte = segment.get_or_init(&format!("byte {round}"), || 1_u8).expect("an object");
        let page = segment.get_or_init(&format!("page {round}"), || Page { first: AtomicU32::new(5) });
        let page = page.expect("an object");
        assert_eq!(std::ptr::from_ref(byte) as usize % 64, 0);
        assert_eq!(std::ptr::from_ref(page) as usize % 4096, 0);
        assert_eq!(page.first.load(Relaxed), 5);
    }
}

fn an_object_without_bytes_is_one() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    segment.get_or_init("here", || ()).expect("an object");
    assert!(segment.get::<()>("here").expect("its type").is_some());
    assert_eq!(segment.get::<u8>("here").expect_err("another type").kind(), ErrorKind::Mismatch);
}

fn an_object_that_asks_for_itself_is_told() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    let mut said = None;
    let made = segment.get_or_init("it", || {
        said = segment.get_or_init("it", || 1_u64).err();
        assert!(segment.get::<u64>("it").expect("nobody waits").is_none());
        2_u64
    });
    assert_eq!(made.ok(), Some(&2));
    let error = said.expect("an error, not a deadlock");
    assert_eq!(error.kind(), ErrorKind::WouldDeadlock);
    assert!(error.to_string().contains("`it`"), "{error}");
}

fn an_object_may_be_made_of_others() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    let sum = segment.get_or_init("sum", || {
        let parts = ["a", "b", "c"].map(|name| *segment.get_or_init(name, || 5_u64).expect("a part"));
        assert!(segment.remove("c").expect("removing another"));
        parts.iter().sum::<u64>()
    });
    assert_eq!(sum.ok(), Some(&15));
    assert_eq!(segment.objects().map(|it| it.name).collect::<Vec<_>>(), ["sum", "a", "b"]);
}

fn threads_make_each_object_once() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    let made = AtomicU64::new(0);
    let gate = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for number in 0..100 {
                    gate.wait();
                    let object = segment.get_or_init(&format!("object {number}"), || {
                        std::thread::yield_now();
                        AtomicU64::new(made.fetch_add(1, Relaxed) * 100)
                    });
                    object.expect("an object").fetch_add(1, Relaxed);
                }
            });
        }
    });
    assert_eq!(made.load(Relaxed), 100);
    for number in 0..100 {
        let object = segment.get::<AtomicU64>(&format!("object {number}")).expect("its type").expect("an object");
        assert_eq!(object.load(Relaxed) % 100, 8);
    }
}

fn threads_that_make_and_remove_meet_whole_objects() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).max_bytes(64 << 20).max_objects(20_000).create(NAME).expect("a segment");
    let removed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (segment, removed) = (&segment, &removed);
            scope.spawn(move || {
                for round in 0..2_000_u64 {
                    let name = ["a", "b", "c"][(round % 3) as usize];
                    let words = segment.get_or_init(name, || [thread * 10_000 + round; 16]).expect("an object");
                    assert!(words.iter().all(|word| *word == words[0]), "{words:?}");
                    if round % 2 == thread % 2 && segment.remove(name).expect("removing") {
                        removed.fetch_add(1, Relaxed);
                    }
                }
            });
        }
    });
    let left = segment.objects().count() as u64;
    assert!(left <= 3, "{left} objects of three names");
    // A maker that lost its name does not count as an object that is left, but took its place all the same.
    assert_eq!(segment.used_bytes() / 128, removed.load(Relaxed) + left);
}

fn iteration_tells_what_is_added_meanwhile() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    for number in 0..5 {
        segment.get_or_init(&number.to_string(), || 1_u8).expect("an object");
    }
    let mut names = Vec::new();
    for object in segment.objects() {
        if names.len() < 5 {
            segment.get_or_init(&format!("from {}", object.name), || 1_u16).expect("an object");
        }
        names.push(object.name);
    }
    assert_eq!(names, ["0", "1", "2", "3", "4", "from 0", "from 1", "from 2", "from 3", "from 4"]);
    std::thread::scope(|scope| {
        let adding = scope.spawn(|| {
            for number in 10..500 {
                segment.get_or_init(&number.to_string(), || AtomicU64::new(number)).expect("an object");
            }
        });
        while !adding.is_finished() {
            for object in segment.objects() {
                assert!(matches!(object.state, ObjectState::Ready | ObjectState::BeingMade), "{object:?}");
            }
        }
    });
    assert_eq!(segment.objects().count(), 500);
}

fn iteration_tells_fields() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    segment.get_or_init("guarded", || Mutex::new([Limits { requests: 1, burst: 2 }; 3])).expect("an object");
    let object = segment.objects().next().expect("an object");
    assert_eq!((object.name.as_str(), object.type_name.as_str()), ("guarded", "Mutex<[Limits; 3]>"));
    assert_eq!((object.bytes, object.state), (32, ObjectState::Ready));
    let fields: Vec<_> = object.fields.iter().map(|it| format!("{} {} {}", it.path, it.type_name, it.at)).collect();
    let expected =
        ["lock u64 0", "value [Limits; 3] 8", "value[] Limits 8", "value[].requests u32 8", "value[].burst u32 12"];
    assert_eq!(fields, expected);
}

fn two_handles_of_one_process_share() {
    let sandbox = Sandbox::new();
    let first = options(&sandbox).create(NAME).expect("a segment");
    let second = options(&sandbox).open(NAME).expect("a second handle");
    let one = first.get_or_init("n", || AtomicU64::new(1)).expect("an object");
    let two = second.get_or_init("n", || AtomicU64::new(9)).expect("an object");
    one.fetch_add(5, Relaxed);
    assert_eq!(two.load(Relaxed), 6);
    assert!(second.remove("n").expect("removing"));
    assert!(first.get::<AtomicU64>("n").expect("its type").is_none());
    // A thread that makes an object through one handle is waited for by another that asks through the other one.
    let gate = Barrier::new(2);
    std::thread::scope(|scope| {
        let (gate, second) = (&gate, &second);
        let waiting = scope.spawn(move || {
            gate.wait();
            *second.get_or_init("slow", || 2_u64).expect("an object")
        });
        let made = first.get_or_init("slow", || {
            gate.wait();
            std::thread::sleep(std::time::Duration::from_millis(100));
            1_u64
        });
        assert_eq!(made.ok(), Some(&1));
        assert_eq!(waiting.join().expect("a thread"), 1);
    });
}

fn two_handles_of_one_thread_do_not_wait_for_each_other() {
    let sandbox = Sandbox::new();
    let first = options(&sandbox).create(NAME).expect("a segment");
    let second = options(&sandbox).open(NAME).expect("a second handle");
    let made = first.get_or_init("it", || {
        let error = second.get_or_init("it", || 1_u64).expect_err("this thread makes it, through the other handle");
        assert_eq!(error.kind(), ErrorKind::WouldDeadlock);
        2_u64
    });
    assert_eq!(made.ok(), Some(&2));
    let one = first.get_or_init("lock", || Mutex::new(1_u64)).expect("an object");
    let other = second.get_or_init("lock", || Mutex::new(2_u64)).expect("an object");
    let guard = one.lock().expect("nobody holds it");
    assert!(matches!(other.lock(), Err(cotenant::sync::LockError::WouldDeadlock)));
    drop(guard);
    assert_eq!(*other.lock().expect("nobody holds it"), 1);
}

fn values_stay_while_one_is_attached() {
    let sandbox = Sandbox::new();
    let mut peer = sandbox.start("actor");
    peer.ask("open");
    let segment = options(&sandbox).open(NAME).expect("the peer's segment");
    segment.get_or_init("n", || AtomicU64::new(41)).expect("an object").fetch_add(1, Relaxed);
    assert_eq!(segment.participants().len(), 2);
    drop(segment);
    assert_eq!(peer.ask("get n"), "42");
    let segment = options(&sandbox).open(NAME).expect("the peer's segment");
    assert_eq!(segment.get::<AtomicU64>("n").expect("its type").map(|n| n.load(Relaxed)), Some(42));
    peer.kill();
    assert_eq!(segment.get::<AtomicU64>("n").expect("its type").map(|n| n.load(Relaxed)), Some(42));
    assert_eq!(segment.participants().len(), 1);
    drop(segment);
    let none = options(&sandbox).open(NAME).expect_err("nobody was attached");
    assert_eq!(none.kind(), ErrorKind::NotFound);
    let segment = options(&sandbox).create(NAME).expect("a segment");
    assert_eq!(segment.objects().count(), 0);
}

fn kept_objects_are_found_later() {
    let sandbox = Sandbox::new();
    let kept = options(&sandbox).keep(Keep::UntilRemoved);
    let segment = kept.create(NAME).expect("a segment");
    segment.get_or_init("n", || AtomicU64::new(7)).expect("an object");
    drop(segment);
    for round in 0..3 {
        let segment = kept.open_or_create(NAME).expect("the kept segment");
        assert!(!segment.is_created());
        let n = segment.get::<AtomicU64>("n").expect("its type").expect("an object");
        assert_eq!(n.fetch_add(1, Relaxed), 7 + round);
    }
}

fn a_child_of_a_fork_makes_objects() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    let total = segment.get_or_init("total", || Mutex::new(0_u64)).expect("an object");
    // SAFETY: the child calls what children of a fork may call by docs/safety.md, and ends by `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "forking");
    if child == 0 {
        let made = segment.get_or_init("child", || AtomicU64::new(3)).map(|it| it.load(Relaxed));
        let locked = total.lock().map(|mut total| *total += 1);
        let status = if made.ok() == Some(3) && locked.is_ok() { 7 } else { 8 };
        // SAFETY: no pointer.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: the place outlives the call.
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((ended, libc::WEXITSTATUS(status)), (child, 7));
    assert_eq!(segment.get::<AtomicU64>("child").expect("its type").map(|it| it.load(Relaxed)), Some(3));
    assert_eq!(*total.lock().expect("nobody holds it"), 1);
}

fn a_handle_can_be_sent_and_shared() {
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).create(NAME).expect("a segment");
    let segment = std::thread::spawn(move || {
        segment.get_or_init("n", || 1_u64).expect("an object");
        segment
    });
    let segment = segment.join().expect("a thread").leak();
    let n: &'static u64 = segment.get("n").expect("its type").expect("an object");
    assert_eq!(std::thread::spawn(move || *n).join().ok(), Some(1));
}

fn an_object_larger_than_the_stack_begins_with_zeros() {
    const BYTES: usize = 24 << 20;
    let sandbox = Sandbox::new();
    let segment = options(&sandbox).max_bytes(BYTES as u64 + 4096).create(NAME).expect("a segment");
    let numbers = segment.get_or_zeroed::<[AtomicU64; BYTES / 8]>("numbers").expect("the object");
    assert!(numbers.iter().all(|number| number.load(Relaxed) == 0));
    numbers[BYTES / 8 - 1].store(7, Relaxed);
    let again = segment.get_or_zeroed::<[AtomicU64; BYTES / 8]>("numbers").expect("the object");
    assert_eq!(again[BYTES / 8 - 1].load(Relaxed), 7, "it is made once");
    // Who died making an object had begun to write it.
    let half_made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        segment.get_or_init::<[u64; 4]>("half", || panic!("on purpose")).map(|_| ())
    }));
    assert!(half_made.is_err());
    assert_eq!(segment.get_or_zeroed::<[u64; 4]>("half").expect("the object"), &[0; 4]);
}
