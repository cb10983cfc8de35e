//! Objects that many processes make at once, or that one is killed while making.

use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use cotenant::{ObjectState, Segment};

use crate::actor::{self, NAME};
use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("sixteen_racing_processes_make_an_object_once", sixteen_racing_processes_make_an_object_once),
    ("who_waits_for_a_killed_maker_makes_the_object", who_waits_for_a_killed_maker_makes_the_object),
    ("what_a_killed_maker_left_is_made_by_the_next", what_a_killed_maker_left_is_made_by_the_next),
    ("who_waits_for_a_panicking_maker_makes_the_object", who_waits_for_a_panicking_maker_makes_the_object),
    ("a_killed_maker_of_another_type_is_no_mismatch", a_killed_maker_of_another_type_is_no_mismatch),
    ("an_object_being_made_is_listed_and_not_given", an_object_being_made_is_listed_and_not_given),
    ("who_waits_no_longer_is_told_who_makes_it", who_waits_no_longer_is_told_who_makes_it),
    ("a_stopped_maker_is_waited_for", a_stopped_maker_is_waited_for),
    ("an_object_removed_while_it_is_made_is_its_makers_alone", an_object_removed_while_it_is_made_is_its_makers_alone),
    ("a_removed_object_stays_with_those_who_hold_it", a_removed_object_stays_with_those_who_hold_it),
    ("processes_that_make_it_grow_at_once_do_not_meet", processes_that_make_it_grow_at_once_do_not_meet),
    ("maker_killed_before_it_counted_its_bytes_keeps_them", maker_killed_before_it_counted_its_bytes_keeps_them),
    ("makers_killed_at_any_moment_leave_whole_objects", makers_killed_at_any_moment_leave_whole_objects),
];

fn actors(sandbox: &Sandbox, count: usize) -> Vec<Peer> {
    (0..count)
        .map(|_| {
            let mut peer = sandbox.start("actor");
            peer.ask("open");
            peer
        })
        .collect()
}

fn sixteen_racing_processes_make_an_object_once() {
    let sandbox = Sandbox::new();
    let mut peers = actors(&sandbox, 16);
    for peer in &mut peers {
        peer.tell("race it 16");
    }
    let found: Vec<_> = peers.iter().map(|peer| peer.answer("race")).collect();
    assert_eq!(found[0].split(' ').count(), 20);
    assert!(found.iter().all(|it| *it == found[0]), "they found different objects: {found:#?}");
    for maker in found[0].split(' ') {
        let maker: i32 = maker.parse().expect("a process id");
        assert!(peers.iter().any(|peer| peer.pid == maker), "{maker} is none of the racers");
    }
    assert_eq!(peers[0].ask("inits"), "20");
}

fn who_waits_for_a_killed_maker_makes_the_object() {
    let sandbox = Sandbox::new();
    let mut peers = actors(&sandbox, 3);
    peers[0].tell("make-for-ever it");
    assert_eq!(peers[0].answer("make-for-ever"), "making");
    peers[1].tell("make it 1");
    peers[2].tell("make it 2");
    peers[1].expect_silence(Duration::from_millis(50), "the object is being made");
    peers[0].kill();
    let made = peers[1].answer("make");
    assert!(made == "1" || made == "2", "{made}");
    assert_eq!(peers[2].answer("make"), made);
    assert_eq!(peers[2].ask("inits"), "2", "the dead one's, and one of the two");
}

fn what_a_killed_maker_left_is_made_by_the_next() {
    let sandbox = Sandbox::new();
    let mut peers = actors(&sandbox, 2);
    peers[0].tell("make-for-ever it");
    assert_eq!(peers[0].answer("make-for-ever"), "making");
    let used = peers[1].ask("used");
    peers[0].kill();
    assert_eq!(peers[1].ask("get it"), "none");
    assert_eq!(peers[1].ask("make it 7"), "7");
    assert_eq!(peers[1].ask("used"), used, "in the same memory");
    assert_eq!(peers[1].ask("list"), "it=ready,inits=ready");
}

fn who_waits_for_a_panicking_maker_makes_the_object() {
    let sandbox = Sandbox::new();
    let mut peers = actors(&sandbox, 2);
    peers[0].tell("make-and-panic it 200");
    assert_eq!(peers[0].answer("make-and-panic"), "making");
    peers[1].tell("make it 5");
    assert_eq!(peers[0].answer("make-and-panic"), "panicked");
    assert_eq!(peers[1].answer("make"), "5");
    assert_eq!(peers[0].ask("make it 6"), "5", "the one that panicked can ask again");
}

fn a_killed_maker_of_another_type_is_no_mismatch() {
    let sandbox = Sandbox::new();
    let mut peers = actors(&sandbox, 2);
    peers[0].tell("make-for-ever it");
    assert_eq!(peers[0].answer("make-for-ever"), "making");
    peers[1].tell("make-words it");
    peers[1].expect_silence(Duration::from_millis(50), "the object is being made");
    peers[0].kill();
    assert_eq!(peers[1].answer("make-words"), "8");
    assert_eq!(peers[1].ask("list"), "inits=ready,it=ready");
    let other = peers[1].ask("make it 1");
    assert!(other.starts_with("Mismatch: "), "{other}");
}

fn an_object_being_made_is_listed_and_not_given() {
    let sandbox = Sandbox::new();
    let mut peers = actors(&sandbox, 2);
    peers[0].tell("make-for-ever it");
    assert_eq!(peers[0].answer("make-for-ever"), "making");
    assert_eq!(peers[1].ask("get it"), "none");
    assert_eq!(peers[1].ask("list"), "it=being made,inits=ready");
}

fn who_waits_no_longer_is_told_who_makes_it() {
    let sandbox = Sandbox::new();
    let mut maker = sandbox.start("actor");
    maker.ask("open");
    maker.tell("make-for-ever it");
    assert_eq!(maker.answer("make-for-ever"), "making");
    let segment = Segment::options().folder(sandbox.path()).open(NAME).expect("the segment");
    let made = || AtomicU64::new(7);
    let moment = Duration::from_millis(5);
    let error = segment.get_or_init_timeout("it", moment, made).map(drop).expect_err("it is being made");
    assert_eq!(error.kind(), cotenant::ErrorKind::TimedOut, "{error}");
    assert!(error.to_string().contains(&format!("process {} ", maker.pid)), "{error}");
    maker.kill();
    let long = Duration::from_secs(60);
    assert_eq!(segment.get_or_init_timeout("it", long, made).expect("a value").load(Relaxed), 7);
    assert_eq!(
        segment.get_or_init_timeout("it", Duration::ZERO, || unreachable!()).map(|_: &AtomicU64| ()).ok(),
        Some(())
    );
}

fn a_stopped_maker_is_waited_for() {
    let sandbox = Sandbox::new();
    let mut peers = actors(&sandbox, 2);
    peers[0].tell("make-slowly it 3");
    assert_eq!(peers[0].answer("make-slowly"), "making");
    peers[0].stop();
    peers[1].tell("make it 4");
    peers[1].expect_silence(Duration::from_millis(700), "a stopped maker is not robbed");
    peers[0].go_on();
    assert_eq!(peers[1].answer("make"), "3");
    assert_eq!(peers[0].answer("make-slowly"), "3");
}

fn an_object_removed_while_it_is_made_is_its_makers_alone() {
    let sandbox = Sandbox::new();
    let mut peers = actors(&sandbox, 3);
    peers[0].tell("make-slowly it 3");
    assert_eq!(peers[0].answer("make-slowly"), "making");
    peers[1].tell("make it 4");
    assert_eq!(peers[2].ask("remove it"), "true");
    assert_eq!(peers[0].answer("make-slowly"), "3");
    assert_eq!(peers[1].answer("make"), "4", "who waited for the removed one makes another");
    assert_eq!(peers[0].ask("get it"), "4");
    assert_eq!(peers[2].ask("get it"), "4");
}

fn a_removed_object_stays_with_those_who_hold_it() {
    let sandbox = Sandbox::new();
    let mut peers = actors(&sandbox, 1);
    assert_eq!(peers[0].ask("make it 1"), "1");
    let segment = Segment::options().folder(sandbox.path()).open(NAME).expect("the peers' segment");
    let held = segment.get::<std::sync::atomic::AtomicU64>("it").expect("its type").expect("an object");
    assert_eq!(peers[0].ask("remove it"), "true");
    assert_eq!(peers[0].ask("remove it"), "false");
    assert_eq!(peers[0].ask("get it"), "none");
    assert!(segment.get::<u64>("it").expect("no object").is_none(), "a name that this process knew is gone, too");
    assert_eq!(peers[0].ask("make it 2"), "2");
    assert_eq!(held.load(std::sync::atomic::Ordering::Relaxed), 1);
    let again = segment.get::<std::sync::atomic::AtomicU64>("it").expect("its type").expect("an object");
    assert_eq!(again.load(std::sync::atomic::Ordering::Relaxed), 2);
    assert_eq!(segment.objects().filter(|it| it.name == "it").count(), 1);
}

fn processes_that_make_it_grow_at_once_do_not_meet() {
    let sandbox = Sandbox::new();
    let mut peers = actors(&sandbox, 6);
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.tell(&format!("fill peer{number} 100"));
    }
    for peer in &peers {
        assert_eq!(peer.answer("fill"), "filled");
    }
    for peer in &mut peers {
        assert_eq!(peer.ask("check"), "600");
    }
}

/// Between the count, which is the commit, and the size is an instruction or two.
fn maker_killed_before_it_counted_its_bytes_keeps_them() {
    const DATA_BYTES_AT: u64 = 152; // docs/format.md
    let sandbox = Sandbox::new();
    let segment = Segment::options().folder(sandbox.path()).max_bytes(1 << 20).create(NAME).expect("a segment");
    let first = segment.get_or_init("first", || [1_u64; 20]).expect("an object");
    let file = std::fs::File::options().write(true).open(segment.path()).expect("the segment");
    file.write_all_at(&[0; 8], DATA_BYTES_AT).expect("its size, as before the object");
    let second = segment.get_or_init("second", || [2_u64; 20]).expect("an object");
    assert_eq!((first[19], second[0]), (1, 2));
    assert!(segment.used_bytes() >= 2 * 160);
}

fn makers_killed_at_any_moment_leave_whole_objects() {
    let sandbox = Sandbox::new();
    let options = Segment::options().folder(sandbox.path()).max_bytes(256 << 20).max_objects(60_000);
    let segment = options.create(NAME).expect("a segment");
    let mut seed = 12_345_u64;
    for round in 0..60 {
        let mut pair: Vec<_> = (0..2).map(|_| sandbox.start("actor")).collect();
        for (number, peer) in pair.iter_mut().enumerate() {
            peer.tell(&format!("fill-for-ever round{round}.{number}"));
            assert_eq!(peer.answer("fill-for-ever"), "filling");
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_micros(seed >> 33 & 0x1fff));
        pair[0].kill();
        std::thread::sleep(Duration::from_micros(seed >> 48 & 0x7ff));
        pair[1].kill();
        actor::fill_one(&segment, &format!("after{round}"), round).expect("the directory can be used");
    }
    let ready = actor::check_all(&segment);
    assert!(ready >= 60, "{ready}");
    for object in segment.objects().filter(|it| it.state == ObjectState::BeingMade) {
        let (who, number) = object.name.rsplit_once('-').expect("a name of ours");
        actor::fill_one(&segment, who, number.parse().expect("a number")).expect("what the dead left can be made");
    }
    assert!(segment.objects().all(|it| it.state == ObjectState::Ready));
    actor::check_all(&segment);
}
