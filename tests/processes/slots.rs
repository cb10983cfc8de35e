//! Slots: what happens when a segment has no more of them, and to those that have had all their tenants.
//!
//! Four thousand processes are too many for a test, and half a million tenants: it writes into the header of a living
//! segment how many slots there are, and into the entry of a slot how many tenants it has had (docs/format.md).

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::support::Named;
use crate::support::peer::run;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("process_that_finds_no_slot_is_told_with_status_78", process_that_finds_no_slot_is_told_with_status_78),
    ("slot_of_a_killed_process_is_given_again", slot_of_a_killed_process_is_given_again),
    ("child_that_finds_no_slot_shares_but_cannot_lock", child_that_finds_no_slot_shares_but_cannot_lock),
    ("slot_whose_lock_is_held_is_passed_by", slot_whose_lock_is_held_is_passed_by),
    ("retired_slot_is_never_given_again", retired_slot_is_never_given_again),
    ("segment_whose_slots_are_all_retired_is_full", segment_whose_slots_are_all_retired_is_full),
];

/// The segment of which `slot` is asked.
const NAMED: &str = "processes.named";
/// In the header: how many slots there are, and which are probably taken.
const PARTICIPANTS_MAX_AT: u64 = 88;
const BITMAP_AT: u64 = 512;
/// The last generation that a slot can have.
const LAST_GENERATION: u32 = 524_287;

/// Where the generation of `slot` stands: at the start of its entry.
fn generation_at(slot: u64) -> u64 {
    4096 + (slot - 1) * 64
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).open(path).expect("a segment")
}

fn word(segment: &File, at: u64) -> u32 {
    let mut bytes = [0; 4];
    segment.read_exact_at(&mut bytes, at).expect("reading a segment");
    u32::from_le_bytes(bytes)
}

fn set_word(segment: &File, at: u64, word: u32) {
    segment.write_all_at(&word.to_le_bytes(), at).expect("writing a segment");
}

/// Whoever attaches from now on finds so many slots.
#[track_caller]
fn set_slots(sandbox: &Sandbox, segment: &str, slots: u32) {
    let file = open(&sandbox.path().join(segment));
    assert_eq!(word(&file, PARTICIPANTS_MAX_AT), 4095, "where the number of slots stands");
    set_word(&file, PARTICIPANTS_MAX_AT, slots);
}

/// What a process says that finds no slot.
#[track_caller]
fn refusal(sandbox: &Sandbox) -> String {
    let ended = run(&mut sandbox.command("actor"));
    let line = ended.refusal();
    let path = sandbox.path().join(NAMED);
    for part in ["`processes.named`", path.to_str().expect("UTF-8"), "are taken", "fewer processes"] {
        assert!(line.contains(part), "no {part:?} in {line:?}");
    }
    line.to_owned()
}

fn process_that_finds_no_slot_is_told_with_status_78() {
    let sandbox = Sandbox::new();
    let mut first = sandbox.start("actor");
    set_slots(&sandbox, NAMED, 2);
    let mut second = sandbox.start("actor");
    assert_eq!((first.ask("slot"), second.ask("slot")), ("1".into(), "2".into()));
    assert!(refusal(&sandbox).contains("all 2 slots"));
    assert_eq!((first.ask("named 1"), second.ask("named 1")), ("501".into(), "502".into()), "nobody was disturbed");
    assert!(first.finish().success());
    assert_eq!(sandbox.start("actor").ask("slot"), "1");
}

fn slot_of_a_killed_process_is_given_again() {
    let sandbox = Sandbox::new();
    let mut first = sandbox.start("actor");
    set_slots(&sandbox, NAMED, 2);
    let _second = sandbox.start("actor");
    refusal(&sandbox);
    first.kill();
    let mut third = sandbox.start("actor");
    assert_eq!(third.ask("slot"), "1");
    refusal(&sandbox);
}

fn child_that_finds_no_slot_shares_but_cannot_lock() {
    let sandbox = Sandbox::new();
    let mut first = sandbox.start("actor");
    sandbox.files().iter().for_each(|segment| set_slots(&sandbox, segment, 2));
    let mut parent = sandbox.start("actor");
    let mut child = sandbox.child_of(&mut parent, "fork fork");
    assert_eq!((child.ask("add 1"), parent.ask("add 1")), ("6".into(), "7".into()));
    for lock in ["lock", "try"] {
        let answer = child.ask(lock);
        assert!(answer.starts_with("no participant: all 2 slots of the segment /"), "{answer}");
    }
    assert_eq!(parent.ask("lock"), "clean 100", "the child took nothing");
    parent.ask("drop");
    first.kill();
    assert_eq!(child.ask("lock"), "clean 100", "now there is a slot");
    assert_eq!(parent.ask("try"), "would block");
}

fn slot_whose_lock_is_held_is_passed_by() {
    let sandbox = Sandbox::new();
    let mut first = sandbox.start("actor");
    let segment = open(&sandbox.path().join(NAMED));
    hold_slot(&segment, 2);
    // The bitmap says that it is free: the lock decides.
    assert_eq!(word(&segment, BITMAP_AT), 0b10);
    let mut second = sandbox.start("actor");
    assert_eq!((first.ask("slot"), second.ask("slot")), ("1".into(), "3".into()));
    set_slots(&sandbox, NAMED, 3);
    refusal(&sandbox);
    drop(segment);
    assert_eq!(sandbox.start("actor").ask("slot"), "2");
}

/// The lock of a slot's tenant, for as long as the file is open.
fn hold_slot(segment: &File, slot: i64) {
    // SAFETY: a C structure of integers, for which zero is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as i16;
    lock.l_start = (1 << 40) + 4096 + slot;
    lock.l_len = 1;
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::fcntl(segment.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) }, 0);
}

fn retired_slot_is_never_given_again() {
    let sandbox = Sandbox::new();
    let _first = sandbox.start("actor");
    let segment = open(&sandbox.path().join(NAMED));
    let second = sandbox.start("actor");
    assert_eq!(word(&segment, generation_at(2)), 1, "where the generation stands");
    assert!(second.finish().success());
    set_word(&segment, generation_at(2), LAST_GENERATION - 1);
    let mut last_tenant = sandbox.start("actor");
    assert_eq!(last_tenant.ask("slot"), "2");
    assert_eq!(word(&segment, generation_at(2)), LAST_GENERATION);
    // Not killed: it takes its bit out of the bitmap, and only the generation is left to tell.
    assert!(last_tenant.finish().success());
    assert_eq!(word(&segment, BITMAP_AT), 0b10);
    let mut peers: Vec<_> = (0..3).map(|_| sandbox.start("actor")).collect();
    let slots: Vec<_> = peers.iter_mut().map(|peer| peer.ask("slot")).collect();
    assert_eq!(slots, ["3", "4", "5"]);
    assert_eq!(word(&segment, generation_at(2)), LAST_GENERATION);
}

fn segment_whose_slots_are_all_retired_is_full() {
    let sandbox = Sandbox::new();
    let mut first = sandbox.start("actor");
    set_slots(&sandbox, NAMED, 3);
    let segment = open(&sandbox.path().join(NAMED));
    set_word(&segment, generation_at(2), LAST_GENERATION);
    set_word(&segment, generation_at(3), LAST_GENERATION);
    for _ in 0..2 {
        assert!(refusal(&sandbox).contains("all 3 slots"));
    }
    first.kill();
    assert_eq!(sandbox.start("actor").ask("slot"), "1", "afresh: with the last one the segment has gone");
}
