//! Deaths while attaching: to nothing, to a living segment, to a dead one, to one that must grow.
//!
//! A child attaches three blocks by one call: an unnamed one, one that others may read (its locks lie in a companion
//! file), and one that is longer than what the survivor shares under its name. The survivor itself stays without the
//! first two, so that everybody who has them can die; whether they are whole is seen by a fresh process.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI32, AtomicU64};

use cotenant::BlockState;

use crate::arena::{ask_another, fork};
use crate::board::{Board, Word};
use crate::operation::{Death, Marks, Moment, NOTHING, Operation};
use crate::support::sandbox::files_in;
use crate::tracer;

/// Attached by every process of this program, before `main`.
mod short {
    cotenant::shared! {
        #![shared(name = "cotenant.test.crash.grows")]
        pub(super) static FIRST: super::AtomicU64 = super::AtomicU64::new(1);
    }
}

/// The later form of the same block.
mod long {
    cotenant::shared! {
        #![shared(name = "cotenant.test.crash.grows", attach = by_call)]
        pub(super) static FIRST: super::AtomicU64 = super::AtomicU64::new(1);
        pub(super) static SECOND: super::AtomicU64 = super::AtomicU64::new(2);
    }
}

cotenant::shared! {
    #![shared(attach = by_call)]
    static COUNT: AtomicU64 = AtomicU64::new(7);
    static TABLE: [AtomicU64; 10] = [const { AtomicU64::new(3) }; 10];
}

mod readable {
    cotenant::shared! {
        #![shared(name = "cotenant.test.crash.readable", mode = 0o644, attach = by_call)]
        pub(super) static READABLE: super::AtomicU64 = super::AtomicU64::new(9);
    }
}

const ATTACH: Operation =
    Operation { every: 9_973, set_up: have_grown, child: attach, check: whole_and_fresh, ..NOTHING };

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "attach: create", before: remove_segments, ..ATTACH },
    Operation {
        name: "attach: create, another one behind",
        before: remove_segments,
        second: Some(attach_behind),
        act: let_the_other_go_on,
        moment: Moment::BeforeDeath,
        ..ATTACH
    },
    Operation { name: "attach: join", set_up: start_holder, check: whole_and_counted, tear_down: end_holder, ..ATTACH },
    Operation { name: "attach: join after everybody's death", ..ATTACH },
    Operation {
        name: "attach: join after death, another one behind",
        second: Some(attach_behind),
        act: let_the_other_go_on,
        moment: Moment::BeforeDeath,
        ..ATTACH
    },
    Operation { name: "attach: grow a named block", before: shrink, ..ATTACH },
    Operation {
        name: "attach: grow a named block, another one behind",
        before: shrink,
        second: Some(attach_behind),
        act: let_the_other_go_on,
        moment: Moment::BeforeDeath,
        ..ATTACH
    },
];

fn attach(marks: &Marks) {
    marks.begin();
    let attached = cotenant::attach();
    if attached.is_ok() {
        COUNT.fetch_add(1, Relaxed);
    }
    marks.end();
    attached.expect("attaching where nothing is in the way");
}

/// The second process: attaches when it is told to, and shares with whoever comes later.
fn attach_behind(board: &Board) {
    board.say(Word::Ready);
    if board.hear(Word::Go).is_err() {
        return;
    }
    if let Err(why) = attach_and_look() {
        return board.fail(&format!("the process behind: {why}"));
    }
    board.say(Word::Done);
}

/// The child stands still; the other one attaches, or waits for the child.
pub(crate) fn let_the_other_go_on(board: &Board) {
    board.say(Word::Go);
    let start = std::time::Instant::now();
    while !board.is_said(Word::Done) && start.elapsed().as_millis() < 20 {
        std::thread::sleep(std::time::Duration::from_micros(50));
    }
}

pub(crate) fn folder() -> PathBuf {
    std::env::var_os("COTENANT_DIR").expect("the arena's folder").into()
}

/// Has the named block grown once, so that it is not what the operation is about.
fn have_grown() {
    let pid = fork(|| cotenant::attach().expect("attaching for the first time"));
    assert_eq!(tracer::reap(pid, "the first to attach"), Ok(0));
}

/// As if nobody had ever attached the blocks by call.
fn remove_segments() {
    for name in files_in(&folder()) {
        if name.contains("-by-call") || name.contains("readable") || name.starts_with(".locks-") {
            std::fs::remove_file(folder().join(name)).expect("removing a dead segment");
        }
    }
}

/// The block under its name as the survivor alone declares it: `object_count` is the commit word of growth, so storing
/// the old count takes the rest away. (Nobody has it mapped but the survivor.) Of what was there nothing is of use.
fn shrink() {
    const OBJECTS_AT: u64 = 96;
    const DATA_AT: u64 = 144;
    const DATA_BYTES: u64 = 152;
    const OBJECT_COUNT: u64 = 160;
    const OBJECT_BYTES: u64 = 64;
    let path = folder().join("cotenant.test.crash.grows");
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).expect("the segment that grows");
    let read = |at| {
        let mut word = [0; 8];
        file.read_exact_at(&mut word, at).expect("reading the header");
        u64::from_le_bytes(word)
    };
    let write = |bytes: &[u8], at| file.write_all_at(bytes, at).expect("taking away what has grown");
    write(&1_u32.to_le_bytes(), OBJECT_COUNT);
    write(&4096_u64.to_le_bytes(), DATA_BYTES);
    write(&[0xee; OBJECT_BYTES as usize], read(OBJECTS_AT) + OBJECT_BYTES);
    write(&[0xee; 8], read(DATA_AT) + size_of::<AtomicU64>() as u64);
}

static HOLDER: AtomicI32 = AtomicI32::new(0);
static HOLDERS_COUNT: AtomicU64 = AtomicU64::new(0);

/// A process that has the blocks for as long as the operation is tried.
fn start_holder() {
    let board = Board::new();
    let pid = fork(|| {
        cotenant::attach().expect("attaching the holder");
        board.say(Word::Ready);
        loop {
            std::thread::park();
        }
    });
    HOLDER.store(pid, Relaxed);
    board.hear(Word::Ready).expect("the holder");
    HOLDERS_COUNT.store(7, Relaxed);
}

fn end_holder() {
    tracer::kill_and_reap(HOLDER.load(Relaxed));
}

/// Attaches, and finds every value as the first one begins with; `COUNT` may have been counted up by who came before.
fn attach_and_look() -> Result<u64, String> {
    cotenant::attach().map_err(|error| error.to_string())?;
    let count = COUNT.load(Relaxed);
    let table = TABLE.iter().filter(|place| place.load(Relaxed) != 3).count();
    let others = [readable::READABLE.load(Relaxed), short::FIRST.load(Relaxed), long::FIRST.load(Relaxed)];
    if table != 0 || others != [9, 1, 1] || long::SECOND.load(Relaxed) != 2 {
        let second = long::SECOND.load(Relaxed);
        return Err(format!("values: {table} wrong ones in the table, {others:?}, {second}"));
    }
    if !cotenant::attachment().is_shared() {
        return Err(format!("not shared: {:?}", cotenant::attachment()));
    }
    Ok(count)
}

fn look_afresh(death: &Death, may_be: &[u64]) -> Result<(), String> {
    ask_another(death.board, || {
        let count = attach_and_look()?;
        if !may_be.contains(&count) {
            return Err(format!("counted {count}, may be {may_be:?}"));
        }
        dead_are_not_listed(death.pid)
    })?;
    nothing_is_left()
}

/// Everybody who had the blocks is dead: the next one finds the initial values.
fn whole_and_fresh(death: &Death) -> Result<(), String> {
    look_afresh(death, &[7])
}

/// The holder lives: what was counted stays counted.
fn whole_and_counted(death: &Death) -> Result<(), String> {
    let before = HOLDERS_COUNT.load(Relaxed);
    let may_be: &[u64] = if death.is_finished { &[before + 1] } else { &[before, before + 1] };
    let counted = ask_another(death.board, || {
        let count = attach_and_look()?;
        death.board.number.store(count, Relaxed);
        Ok(())
    });
    counted?;
    let count = death.board.number.load(Relaxed);
    HOLDERS_COUNT.store(count, Relaxed);
    look_afresh(death, &[count])?;
    if may_be.contains(&count) { Ok(()) } else { Err(format!("counted {count}, may be {may_be:?}")) }
}

/// No temporary file, and companions only of segments.
fn nothing_is_left() -> Result<(), String> {
    let files = files_in(&folder());
    let companions = files.iter().filter(|name| name.starts_with(".locks-")).count();
    if files.iter().any(|name| name.starts_with(".new-")) || companions > 1 {
        return Err(format!("left in the folder: {files:?}"));
    }
    Ok(())
}

/// Nobody is told that the dead one is a participant.
pub(crate) fn dead_are_not_listed(pid: i32) -> Result<(), String> {
    for block in cotenant::attachment().blocks {
        let BlockState::Shared { participants, segment, .. } = block.state else { continue };
        if participants.iter().any(|participant| participant.pid == pid as u32) {
            return Err(format!("the dead process {pid} is listed as a participant of {segment}"));
        }
    }
    Ok(())
}

/// The last process of an arena's folder: finds the initial values, and takes the leftovers away.
pub(crate) fn come_last() {
    let count = attach_and_look().expect("attaching when all are gone");
    assert_eq!(count, 7, "what everybody's death leaves");
    nothing_is_left().expect("nothing left");
}
