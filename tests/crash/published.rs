//! Deaths of those who publish, wait, and load: what was acknowledged is there, what was not is there whole or not at
//! all, and who comes next publishes at once.
//!
//! Every word of a snapshot is its number's. Every crash point begins with fresh values.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;

use cotenant::published::{Published, PublishedBytes};
use cotenant::sync::Mutex;
use cotenant::{Backing, Segment};

use crate::arena;
use crate::attach::dead_are_not_listed;
use crate::board::{Board, Word};
use crate::operation::{Death, Marks, Moment, NOTHING, Operation};
use crate::support::PATIENCE;

cotenant::shared! {
    static VALUE: Published<[u64; 25], 4> = Published::with_buffers([0; 25]);
    static WARM: Mutex<u64> = Mutex::new(0);
}

/// Made before the children are, who share it.
static BYTES: OnceLock<PublishedBytes<'static>> = OnceLock::new();
const BYTES_LENGTH: usize = 333;

/// What is there before the operation.
const BEFORE: u64 = 5;

const SIMPLE: Operation = Operation { every: 7, set_up: learn, before: renew, check: old_or_new, ..NOTHING };

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "Published: publish", child: publish, ..SIMPLE },
    Operation { name: "Published: first publish of a fork", every: 97, child: publish_first, ..SIMPLE },
    Operation { name: "Published: update", child: update, ..SIMPLE },
    Operation {
        name: "Published: publish, a waiter asleep",
        child: publish,
        second: Some(wait_too),
        act: |_| publish_next(),
        moment: Moment::AfterDeath,
        check: both_are_there,
        ..SIMPLE
    },
    Operation {
        name: "Published: publish after a publisher's death",
        every: 97,
        before: renew_and_die,
        child: publish,
        ..SIMPLE
    },
    Operation { name: "Published: load", child: load, check: untouched, ..SIMPLE },
    Operation {
        name: "Published: wait, another waiter beside",
        every: 997,
        child: wait,
        second: Some(wait_too),
        act: |_| publish_next(),
        moment: Moment::BeforeDeath,
        sleeps: 2,
        check: goes_on,
        ..SIMPLE
    },
    Operation { name: "PublishedBytes: publish", every: 17, child: publish_bytes, check: bytes_old_or_new, ..SIMPLE },
];

fn learn() {
    let options = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20);
    let bytes = options.published_bytes("crash.published", BYTES_LENGTH).expect("a segment");
    assert!(BYTES.set(bytes).is_ok(), "once");
    renew_and_die();
    VALUE.publish(&[0; 25]).expect("publishing after a death");
}

fn bytes() -> &'static PublishedBytes<'static> {
    BYTES.get().expect("made before the children")
}

/// Nobody but the survivor is left.
fn renew() {
    let fresh = Published::<[u64; 25], 4>::with_buffers([0; 25]);
    // SAFETY: shared memory that is written through atomics and cells only; nobody else uses it at this moment.
    unsafe { std::ptr::from_ref(&*VALUE).cast_mut().write_volatile(fresh) };
    for number in 1..=BEFORE {
        VALUE.publish(&[number; 25]).expect("nobody else is left");
    }
    take_slot();
}

/// As [`renew`], and then somebody is killed in the middle of publishing.
fn renew_and_die() {
    renew();
    let child = arena::fork(|| {
        let _ = VALUE.update(|old| {
            // SAFETY: no pointer.
            unsafe { libc::raise(libc::SIGKILL) };
            old
        });
    });
    let status = crate::tracer::reap(child, "who dies while it publishes").expect("it dies");
    assert_eq!(status & 0x7f, libc::SIGKILL, "status {status:#x}");
}

fn take_slot() {
    *WARM.lock_or_repair(|_| {}) += 1;
}

fn publish_next() {
    VALUE.publish_timeout(&[VALUE.sequence() + 1; 25], PATIENCE).expect("publishing beside the child");
}

// The children.

fn publish(marks: &Marks) {
    take_slot();
    marks.begin();
    let published = VALUE.publish(&[BEFORE + 1; 25]);
    marks.end();
    assert!(published.is_ok(), "{published:?}");
}

fn publish_first(marks: &Marks) {
    marks.begin();
    let published = VALUE.publish(&[BEFORE + 1; 25]);
    marks.end();
    assert!(published.is_ok(), "{published:?}");
}

fn update(marks: &Marks) {
    take_slot();
    marks.begin();
    let published = VALUE.update(|old| old.map(|word| word + 1));
    marks.end();
    assert!(published.is_ok(), "{published:?}");
}

fn load(marks: &Marks) {
    marks.begin();
    let loaded = VALUE.load();
    marks.end();
    assert!(loaded.is_ok_and(|it| it.value == [BEFORE; 25]));
}

fn wait(marks: &Marks) {
    marks.begin();
    let newer = VALUE.wait_newer(BEFORE, PATIENCE);
    marks.end();
    assert!(newer.is_ok_and(|it| it.is_some()));
}

fn publish_bytes(marks: &Marks) {
    let next = bytes().sequence() + 1;
    let value = vec![next as u8; BYTES_LENGTH];
    // It has its slot in that segment before.
    let _ = bytes().update(|_| vec![next as u8; BYTES_LENGTH]);
    let value = value.iter().map(|byte| byte.wrapping_add(1)).collect::<Vec<_>>();
    marks.board.number.store(next + 1, Relaxed);
    marks.begin();
    let published = bytes().publish(&value);
    marks.end();
    assert!(published.is_ok(), "{published:?}");
}

// The second process.

fn wait_too(board: &Board) {
    board.say(Word::Ready);
    match VALUE.wait_newer(BEFORE, PATIENCE) {
        Ok(Some(newer)) if newer.iter().all(|word| *word == newer.sequence) => board.say(Word::Done),
        other => board.fail(&format!("a waiter got {other:?}")),
    }
}

// The survivor.

/// The survivor has published beside a child that waits.
fn goes_on(death: &Death) -> Result<(), String> {
    newest_is_at_least(death, BEFORE + 1)
}

/// The survivor has published after one that published.
fn both_are_there(death: &Death) -> Result<(), String> {
    newest_is_at_least(death, BEFORE + 1 + u64::from(death.is_finished))
}

fn newest_is_at_least(death: &Death, least: u64) -> Result<(), String> {
    dead_are_not_listed(death.pid)?;
    let newest = whole()?;
    if newest < least {
        return Err(format!("{newest} is the newest; {least} were published"));
    }
    next_is(newest + 1)
}

fn old_or_new(death: &Death) -> Result<(), String> {
    dead_are_not_listed(death.pid)?;
    let newest = whole()?;
    if newest != BEFORE + 1 && (newest != BEFORE || death.is_finished) {
        return Err(format!("{newest} after {BEFORE}, finished: {}", death.is_finished));
    }
    next_is(newest + 1)
}

fn untouched(death: &Death) -> Result<(), String> {
    dead_are_not_listed(death.pid)?;
    let newest = whole()?;
    if newest != BEFORE || VALUE.history().len() != 4 {
        return Err(format!("{newest} after {BEFORE}, of which one was to load only"));
    }
    next_is(newest + 1)
}

/// The number of the newest snapshot, all of whose words say it, as do those of the ones before.
fn whole() -> Result<u64, String> {
    let newest = VALUE.load().map_err(|error| format!("loading: {error}"))?;
    if newest.value != [newest.sequence; 25] {
        return Err(format!("torn: {newest:?}"));
    }
    let history = VALUE.history();
    let is_right = history.iter().all(|entry| entry.value == [entry.sequence; 25]);
    let is_long = history.len() >= 3;
    if is_right && is_long { Ok(newest.sequence) } else { Err(format!("the history: {history:?}")) }
}

fn next_is(number: u64) -> Result<(), String> {
    let published = VALUE.publish_timeout(&[number; 25], PATIENCE).map_err(|error| format!("publishing: {error}"))?;
    let newest = whole()?;
    if published == number && newest == number && VALUE.history().len() == 4 {
        Ok(())
    } else {
        Err(format!("{number} was published as {published}, and {newest} is the newest"))
    }
}

fn bytes_old_or_new(death: &Death) -> Result<(), String> {
    let number = death.board.number.load(Relaxed);
    let newest = bytes().load().map_err(|error| format!("loading: {error}"))?;
    let is_whole = newest.value == vec![newest.sequence as u8; BYTES_LENGTH];
    let is_right = newest.sequence == number || newest.sequence + 1 == number && !death.is_finished;
    if !is_whole || !is_right {
        return Err(format!("{} bytes of {}, {number} expected", newest.value.len(), newest.sequence));
    }
    let next = (newest.sequence + 1) as u8;
    bytes().publish_timeout(&vec![next; BYTES_LENGTH], PATIENCE).map_err(|error| format!("publishing: {error}"))?;
    Ok(())
}
