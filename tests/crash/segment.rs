//! Deaths in the operations of a `Segment`, over each backing: made, opened, objects made and removed, let go, cleared
//! away.
//!
//! Each crash point has a segment of its own. A child makes an object with 11, whoever comes after it with 22: what a
//! child was told is made stays 11, and everybody sees the same. In the end everybody lets go; after `prune` nothing is
//! left in the folder, nor of System V memory.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU64};

use cotenant::sync::Mutex;
use cotenant::{Backing, ErrorKind, PruneOptions, Segment, SegmentOptions, SysVKey};

use crate::attach::{folder, let_the_other_go_on};
use crate::board::{Board, Word};
use crate::operation::{Death, Marks, Moment, NOTHING, Operation};
use crate::support::sandbox::files_in;

/// What a child makes an object with, and what others do.
const CHILDS: u64 = 11;
const OTHERS: u64 = 22;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Kind {
    Anonymous,
    Memfd,
    Posix,
    /// Others may read it, so its locks lie in a companion.
    Readable,
    SysV,
    File,
}

use Kind::{Anonymous, File, Memfd, Posix, Readable, SysV};

static KIND: AtomicU8 = AtomicU8::new(Posix as u8);

thread_local! {
    /// The survivor's, and inherited by its children.
    static OURS: RefCell<Option<Segment>> = const { RefCell::new(None) };
}

/// The child makes a segment; nobody has one.
const CREATE: Operation = Operation {
    every: 9_973,
    set_up: || choose(Posix),
    before: clear_away,
    child: create,
    check: can_be_made,
    tear_down: leave_nothing,
    ..NOTHING
};
/// The survivor has the segment open.
const OPEN: Operation = Operation { every: 4_999, before: have_segment, child: open, check: goes_on, ..CREATE };
/// The survivor has the segment open, and the child inherits it.
const MAKE: Operation = Operation { every: 199, child: make_object, check: object_is_there, ..OPEN };
const REMOVE: Operation =
    Operation { every: 97, before: have_object, child: remove_object, check: object_is_there_or_gone, ..MAKE };

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "Segment, Anonymous: create", set_up: || choose(Anonymous), ..CREATE },
    Operation { name: "Segment, Memfd: create", set_up: || choose(Memfd), ..CREATE },
    Operation { name: "Segment, Posix: create", ..CREATE },
    Operation { name: "Segment, Posix with readers: create", set_up: || choose(Readable), ..CREATE },
    Operation { name: "Segment, SysV: create", set_up: || choose(SysV), ..CREATE },
    Operation { name: "Segment, File: create", set_up: || choose(File), ..CREATE },
    Operation {
        name: "Segment, Posix: create, another one behind",
        second: Some(create_behind),
        act: let_the_other_go_on,
        moment: Moment::BeforeDeath,
        ..CREATE
    },
    Operation {
        name: "Segment, SysV: create, another one behind",
        set_up: || choose(SysV),
        second: Some(create_behind),
        act: let_the_other_go_on,
        moment: Moment::BeforeDeath,
        ..CREATE
    },
    Operation { name: "Segment, Posix: create after everybody's death", before: leave_dead, ..CREATE },
    Operation {
        name: "Segment, SysV: create after everybody's death",
        set_up: || choose(SysV),
        before: leave_dead,
        ..CREATE
    },
    Operation { name: "Segment, Posix: open", ..OPEN },
    Operation { name: "Segment, Posix with readers: open", set_up: || choose(Readable), ..OPEN },
    Operation { name: "Segment, SysV: open", set_up: || choose(SysV), ..OPEN },
    Operation { name: "Segment, File: open", set_up: || choose(File), ..OPEN },
    Operation { name: "Segment, Anonymous: get_or_init", set_up: || choose(Anonymous), ..MAKE },
    Operation { name: "Segment, Memfd: get_or_init", set_up: || choose(Memfd), ..MAKE },
    Operation { name: "Segment, Posix: get_or_init", ..MAKE },
    Operation { name: "Segment, SysV: get_or_init", set_up: || choose(SysV), ..MAKE },
    Operation { name: "Segment, File: get_or_init", set_up: || choose(File), ..MAKE },
    Operation {
        name: "Segment, Posix: get_or_init, another one behind",
        second: Some(make_object_behind),
        act: let_the_other_go_on,
        moment: Moment::BeforeDeath,
        check: object_is_the_same,
        ..MAKE
    },
    Operation { name: "Segment, Memfd: grow", set_up: || choose(Memfd), child: grow, check: has_grown, ..MAKE },
    Operation { name: "Segment, Posix: grow", child: grow, check: has_grown, ..MAKE },
    Operation { name: "Segment, File: grow", set_up: || choose(File), child: grow, check: has_grown, ..MAKE },
    Operation { name: "Segment, Posix: remove", ..REMOVE },
    Operation { name: "Segment, SysV: remove", set_up: || choose(SysV), ..REMOVE },
    Operation {
        name: "Segment, Posix: write an event",
        every: 4_999,
        before: have_object,
        child: ask_for_another_type,
        check: events_are_whole_but_one,
        ..MAKE
    },
    Operation { name: "Segment, Posix: detach", child: detach, ..OPEN },
    Operation { name: "Segment, SysV: detach", set_up: || choose(SysV), child: detach, ..OPEN },
    Operation { name: "Segment, File: detach", set_up: || choose(File), child: detach, ..OPEN },
    Operation {
        name: "Segment, Anonymous: detach as the last",
        set_up: || choose(Anonymous),
        child: detach_last,
        ..CREATE
    },
    Operation { name: "Segment, Posix: detach as the last", child: detach_last, ..CREATE },
    Operation { name: "Segment, SysV: detach as the last", set_up: || choose(SysV), child: detach_last, ..CREATE },
    Operation { name: "Segment, Posix: prune", before: leave_dead, child: prune, ..CREATE },
    Operation {
        name: "Segment, Posix with readers: prune",
        set_up: || choose(Readable),
        before: leave_dead,
        child: prune,
        ..CREATE
    },
    Operation { name: "Segment, SysV: prune", set_up: || choose(SysV), before: leave_dead, child: prune, ..CREATE },
    Operation { name: "Segment, Posix: unlink in use", child: unlink, check: goes_on_or_unlinked, ..OPEN },
];

fn kind() -> Kind {
    let number = KIND.load(Relaxed);
    *[Anonymous, Memfd, Posix, Readable, SysV, File].iter().find(|kind| **kind as u8 == number).expect("a kind")
}

fn choose(kind: Kind) {
    KIND.store(kind as u8, Relaxed);
    if kind == File {
        std::fs::create_dir_all(files()).expect("a folder for segments in files");
    }
}

/// Beside the arena's own folder.
fn files() -> PathBuf {
    folder().with_extension("files")
}

fn key() -> i32 {
    // Arenas run side by side.
    0x4300_0000 | arena() as i32 & 0xff_ffff
}

/// The arena's process id, in its children, too.
fn arena() -> u32 {
    static ARENA: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *ARENA.get_or_init(std::process::id)
}

fn options() -> (SegmentOptions, String) {
    let options = Segment::options().max_bytes(1 << 20).max_objects(64).max_participants(64);
    let name = "crash.segment".to_owned();
    match kind() {
        Anonymous => (options.backing(Backing::Anonymous), name),
        Memfd => (options.backing(Backing::Memfd), name),
        Posix => (options.backing(Backing::Posix), name),
        Readable => (options.backing(Backing::Posix).mode(0o644), name),
        SysV => (options.backing(Backing::SysV(SysVKey::Number(key()))), name),
        File => (options.backing(Backing::File), files().join(name).to_str().expect("UTF-8").to_owned()),
    }
}

fn has_name() -> bool {
    !matches!(kind(), Anonymous | Memfd)
}

fn open_or_create() -> cotenant::Result<Segment> {
    let (options, name) = options();
    if has_name() { options.open_or_create(&name) } else { options.create(&name) }
}

fn with_ours<R>(use_it: impl FnOnce(&Segment) -> R) -> R {
    OURS.with_borrow(|ours| use_it(ours.as_ref().expect("the survivor's segment")))
}

// What comes before, in the survivor.

/// Nobody has the segment, and it is not there.
fn clear_away() {
    arena();
    drop(OURS.take());
    prune_all().expect("pruning");
    if kind() == File {
        let (_, path) = options();
        if let Err(error) = std::fs::remove_file(path) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "removing a segment's file");
        }
    }
}

/// When everything was tried.
fn leave_nothing() {
    clear_away();
    if kind() == File {
        std::fs::remove_dir(files()).expect("removing the folder of files");
    }
}

fn have_segment() {
    clear_away();
    let segment = open_or_create().expect("a segment");
    segment.get_or_init("warm", || Mutex::new(0_u64)).expect("an object for taking slots");
    OURS.set(Some(segment));
}

fn have_object() {
    have_segment();
    with_ours(|segment| segment.get_or_init("made", || AtomicU64::new(CHILDS)).map(drop)).expect("an object");
}

/// A segment whose only participant was killed.
fn leave_dead() {
    clear_away();
    let pid = crate::arena::fork(|| {
        let segment = open_or_create().expect("a segment of one who dies");
        segment.get_or_init("made", || AtomicU64::new(1)).expect("its object");
        // SAFETY: no pointer.
        unsafe { libc::kill(std::process::id() as i32, libc::SIGKILL) };
    });
    crate::tracer::reap(pid, "one who dies").expect("its end");
}

fn prune_all() -> Result<(), String> {
    Segment::prune(&PruneOptions::default().folder(folder())).map(drop).map_err(|error| error.to_string())
}

// The children.

fn create(marks: &Marks) {
    marks.begin();
    let segment = open_or_create();
    marks.end();
    std::mem::forget(segment.expect("a segment where nothing is in the way"));
}

fn open(marks: &Marks) {
    let (options, name) = options();
    marks.begin();
    let segment = options.open(&name);
    marks.end();
    std::mem::forget(segment.expect("opening what is there"));
}

/// The inherited segment, with a slot of this process's own.
fn with_slot<R>(use_it: impl FnOnce(&Segment) -> R) -> R {
    with_ours(|segment| {
        let warm = segment.get::<Mutex<u64>>("warm").expect("looking").expect("what the survivor made");
        *warm.lock_or_repair(|_| {}) += 1;
        use_it(segment)
    })
}

fn make_object(marks: &Marks) {
    with_slot(|segment| {
        marks.begin();
        let made = segment.get_or_init("made", || AtomicU64::new(CHILDS));
        marks.end();
        made.map(drop).expect("making an object");
    });
}

fn grow(marks: &Marks) {
    with_slot(|segment| {
        marks.begin();
        let made = segment.get_or_init("large", || [const { AtomicU64::new(CHILDS) }; 600]);
        marks.end();
        made.map(drop).expect("making a large object");
    });
}

fn remove_object(marks: &Marks) {
    with_slot(|segment| {
        marks.begin();
        let removed = segment.remove("made");
        marks.end();
        assert!(removed.expect("removing an object"));
    });
}

/// Refused, which is written into the ring of events.
fn ask_for_another_type(marks: &Marks) {
    with_slot(|segment| {
        marks.begin();
        let refused = segment.get::<u32>("made").map(drop);
        marks.end();
        assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::Mismatch));
    });
}

fn detach(marks: &Marks) {
    let (options, name) = options();
    let segment = options.open(&name).expect("opening what is there");
    marks.begin();
    drop(segment);
    marks.end();
}

fn detach_last(marks: &Marks) {
    let segment = open_or_create().expect("a segment");
    segment.get_or_init("made", || AtomicU64::new(CHILDS)).expect("an object");
    marks.begin();
    drop(segment);
    marks.end();
}

fn prune(marks: &Marks) {
    let options = PruneOptions::default().folder(folder());
    marks.begin();
    let pruned = Segment::prune(&options);
    marks.end();
    assert!(!pruned.expect("pruning").is_empty());
}

fn unlink(marks: &Marks) {
    let mut listed = Segment::list().expect("listing");
    listed.retain(|segment| segment.name == "crash.segment");
    marks.begin();
    let unlinked = listed[0].unlink();
    marks.end();
    unlinked.expect("unlinking");
}

// The second processes.

fn create_behind(board: &Board) {
    board.say(Word::Ready);
    if board.hear(Word::Go).is_err() {
        return;
    }
    if let Err(why) = open_or_create().map_err(|error| error.to_string()).and_then(|segment| is_usable(&segment)) {
        return board.fail(&format!("the process behind: {why}"));
    }
    board.say(Word::Done);
}

fn make_object_behind(board: &Board) {
    let made = with_slot(|segment| {
        board.say(Word::Ready);
        board.hear(Word::Go).map(|()| value_of(segment))
    });
    match made {
        Ok(Ok(value)) => board.number.store(value, Relaxed),
        Ok(Err(why)) => return board.fail(&format!("the process behind: {why}")),
        Err(_) => return,
    }
    board.say(Word::Done);
}

// What must hold.

/// The value of the object, which this process makes if nobody has.
fn value_of(segment: &Segment) -> Result<u64, String> {
    let made = segment.get_or_init("made", || AtomicU64::new(OTHERS)).map_err(|error| error.to_string())?;
    Ok(made.load(Relaxed))
}

/// New objects can be made, found and removed, and everything that is there can be read.
fn is_usable(segment: &Segment) -> Result<(), String> {
    let failed = |error: cotenant::Error| error.to_string();
    let probe = segment.get_or_init("probe", || Mutex::new([1_u64; 5])).map_err(failed)?;
    match probe.lock() {
        Ok(probe) if *probe == [1; 5] => {}
        Ok(probe) => return Err(format!("a fresh object holds {:?}", *probe)),
        Err(error) => return Err(format!("a fresh lock: {error}")),
    }
    if !segment.remove("probe").map_err(failed)? || segment.get::<Mutex<[u64; 5]>>("probe").map_err(failed)?.is_some() {
        return Err("a fresh object is not removed".to_owned());
    }
    let names: Vec<_> = segment.objects().map(|object| object.name).collect();
    let known = ["made", "large", "warm"];
    if names.iter().any(|name| !known.contains(&name.as_str())) {
        return Err(format!("objects: {names:?}"));
    }
    Ok(())
}

fn does_not_list(segment: &Segment, death: &Death) -> Result<(), String> {
    let participants = segment.participants();
    if participants.iter().any(|participant| participant.pid == death.pid as u32) {
        return Err(format!("the dead process {} is listed as a participant: {participants:?}", death.pid));
    }
    Ok(())
}

/// After everybody has let go, and `prune`: no file, no System V memory.
fn nothing_is_left() -> Result<(), String> {
    drop(OURS.take());
    prune_all()?;
    let here = files_in(&folder());
    let is_left = |name: &&String| name.starts_with("crash.segment") || name.starts_with('.');
    let left: Vec<_> = here.iter().filter(is_left).collect();
    if !left.is_empty() {
        return Err(format!("left after prune: {left:?}"));
    }
    if kind() == File {
        let left = files_in(&files());
        if left.iter().any(|name| name != "crash.segment") {
            return Err(format!("left beside the file: {left:?}"));
        }
    }
    let memory = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let is_ours = |line: &&str| line.split_whitespace().next() == Some(&key().to_string());
    match memory.lines().find(is_ours) {
        Some(line) => Err(format!("System V memory is left after prune: {line}")),
        None => Ok(()),
    }
}

/// Nobody had it but the dead: who comes next makes it afresh (a file: finds it, or makes it).
fn can_be_made(death: &Death) -> Result<(), String> {
    let segment = open_or_create().map_err(|error| error.to_string())?;
    if kind() != File && !segment.is_created() {
        return Err("the segment of the dead was joined".to_owned());
    }
    if kind() != File && segment.objects().count() != 0 {
        return Err(format!("a fresh segment has objects: {:?}", segment.objects().collect::<Vec<_>>()));
    }
    is_usable(&segment)?;
    does_not_list(&segment, death)?;
    drop(segment);
    nothing_is_left()
}

/// The survivor's segment is as before.
fn goes_on(death: &Death) -> Result<(), String> {
    with_ours(|segment| {
        is_usable(segment)?;
        does_not_list(segment, death)?;
        if segment.is_unlinked() { Err("it has lost its name".to_owned()) } else { Ok(()) }
    })?;
    nothing_is_left()
}

fn goes_on_or_unlinked(death: &Death) -> Result<(), String> {
    let is_unlinked = with_ours(|segment| {
        is_usable(segment)?;
        does_not_list(segment, death)?;
        Ok::<_, String>(segment.is_unlinked())
    })?;
    if death.is_finished && !is_unlinked {
        return Err("unlinked, and its name is there".to_owned());
    }
    // Whoever comes finds what has the name, or makes it.
    let (options, name) = options();
    let another = options.open(&name);
    match (is_unlinked, another) {
        (true, Err(error)) if error.kind() == ErrorKind::NotFound => {}
        (false, Ok(another)) => is_usable(&another)?,
        (_, another) => return Err(format!("unlinked: {is_unlinked}; opening it: {another:?}")),
    }
    nothing_is_left()
}

fn object_is_there(death: &Death) -> Result<(), String> {
    let value = with_ours(value_of)?;
    let allowed: &[u64] = if death.is_finished { &[CHILDS] } else { &[CHILDS, OTHERS] };
    if !allowed.contains(&value) {
        return Err(format!("the object is {value}, may be {allowed:?}"));
    }
    goes_on(death)
}

fn object_is_the_same(death: &Death) -> Result<(), String> {
    let theirs = death.board.number.load(Relaxed);
    let value = with_ours(value_of)?;
    if value != theirs {
        return Err(format!("the object is {value} here and {theirs} for the one behind"));
    }
    object_is_there(death)
}

/// docs/format.md: whoever was killed in it left one event whose check is wrong, or whose number is not there, or none.
fn events_are_whole_but_one(death: &Death) -> Result<(), String> {
    with_ours(|segment| {
        let bytes = std::fs::read(segment.path()).map_err(|error| error.to_string())?;
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let (at, next) = (word(128) as usize, word(168) as usize);
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let is_whole = |event: &usize| {
            let event = &bytes[at + event * 64..at + event * 64 + 64];
            let check = event[..56].iter().fold(0xcbf2_9ce4_8422_2325, fnv).to_le_bytes();
            event[..8] != [0; 8] && event[56..] == check
        };
        let torn = (0..next.min(256)).filter(|event| !is_whole(event)).count();
        if next == 0 || torn > 1 { Err(format!("{torn} of {next} events are torn")) } else { Ok(()) }
    })?;
    object_is_there(death)
}

fn has_grown(death: &Death) -> Result<(), String> {
    with_ours(|segment| {
        let large = segment.get_or_init("large", || [const { AtomicU64::new(OTHERS) }; 600]);
        let large = large.map_err(|error| error.to_string())?;
        let values: Vec<_> = large.iter().map(|value| value.load(Relaxed)).collect();
        let allowed: &[u64] = if death.is_finished { &[CHILDS] } else { &[CHILDS, OTHERS] };
        if !allowed.contains(&values[0]) || values.iter().any(|value| *value != values[0]) {
            return Err(format!("the large object begins with {}, and is not whole", values[0]));
        }
        Ok(())
    })?;
    object_is_there(&Death { is_finished: false, ..*death })
}

fn object_is_there_or_gone(death: &Death) -> Result<(), String> {
    let there = with_ours(|segment| {
        let there = segment.get::<AtomicU64>("made").map_err(|error| error.to_string())?;
        Ok::<_, String>(there.map(|value| value.load(Relaxed)))
    })?;
    match there {
        None => {}
        Some(CHILDS) if !death.is_finished => {}
        other => return Err(format!("finished: {}, found {other:?}", death.is_finished)),
    }
    let value = with_ours(value_of)?;
    if value != there.unwrap_or(OTHERS) {
        return Err(format!("found {there:?}, then made {value}"));
    }
    goes_on(death)
}
