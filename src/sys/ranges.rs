//! Which addresses of this process lie in a segment, and in which: what a lock asks about its own word.
//!
//! ```text
//! chunk:  [ sequence | start, bytes, at | segment ] x 32  ->  next chunk
//!           even: at rest    odd: being written
//! ```
//!
//! Readers take no lock and change nothing: they copy a slot between two looks at its sequence number, and skip one
//! that is being written, whose addresses nobody has been given yet. A withdrawn slot is used again; chunks are never
//! freed. In a child of a fork, a slot that another thread of its parent was writing stays odd, and is lost.
//!
//! A segment is reached from the address of a word in it, and borrowed for as long as the word: while somebody has a
//! reference into a segment, it is not withdrawn.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence};

#[cfg_attr(cotenant_model, allow(unused_imports))]
pub(crate) use super::crowd::{Turn, take_turn};
// The model checker has a clock of its own.
#[cfg_attr(cotenant_model, allow(unused_imports))]
pub(crate) use super::process::uptime_ms;
use super::{Attached, owner, process};
use crate::segment::events::{Happened, Who, hand_over_place};

const SLOTS: usize = 32;
/// So many milliseconds, begun ones included, is an answer about an owner believed.
const JUST_NOW_MS: u32 = 2;
/// Owners of which a thread remembers that it asked.
const REMEMBERED: usize = 64;

/// A range of addresses that is shared.
struct Slot {
    sequence: AtomicU32,
    start: AtomicUsize,
    /// 0: the slot is free.
    bytes: AtomicUsize,
    /// Where the range begins in the segment.
    at: AtomicU64,
    segment: AtomicPtr<Attached>,
}

struct Chunk {
    slots: [Slot; SLOTS],
    next: AtomicPtr<Chunk>,
}

impl Chunk {
    const fn new() -> Chunk {
        Chunk { slots: [const { Slot::new() }; SLOTS], next: AtomicPtr::new(null_mut()) }
    }
}

static FIRST: Chunk = Chunk::new();
/// Slots that have ever been used, chunk after chunk: no further ones need a look.
static USED: AtomicUsize = AtomicUsize::new(0);

/// A range as a reader found it.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) start: usize,
    pub(crate) bytes: usize,
    at: u64,
    segment: *const Attached,
}

const NOTHING: Range = Range { start: 0, bytes: 0, at: 0, segment: null_mut() };

impl Range {
    /// The segment that the range lies in.
    ///
    /// # Safety
    /// The segment is not withdrawn while the result is used: somebody borrows what lies in the range.
    pub(crate) unsafe fn segment<'a>(self) -> &'a Attached {
        // SAFETY: not dropped before it is withdrawn; that it is not is the caller's promise.
        unsafe { &*self.segment }
    }
}

impl Slot {
    const fn new() -> Slot {
        Slot {
            sequence: AtomicU32::new(0),
            start: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            at: AtomicU64::new(0),
            segment: AtomicPtr::new(null_mut()),
        }
    }

    /// What the slot holds if it holds `address`.
    fn holding(&self, address: usize) -> Option<Range> {
        loop {
            // Acquire pairs with the Release in `write`.
            let before = self.sequence.load(Acquire);
            let range = Range {
                start: self.start.load(Relaxed),
                bytes: self.bytes.load(Relaxed),
                at: self.at.load(Relaxed),
                segment: self.segment.load(Relaxed),
            };
            if before % 2 == 1 {
                return None;
            }
            // Pairs with the Release fence in `write`: who read one of its stores sees the odd number here.
            fence(Acquire);
            if self.sequence.load(Relaxed) == before {
                return (address.wrapping_sub(range.start) < range.bytes).then_some(range);
            }
        }
    }

    /// Replaces what the slot holds if `may` says so of its segment. `false`: it did not, or somebody else writes.
    fn write(&self, may: impl Fn(Range) -> bool, new: Range) -> bool {
        let before = self.sequence.load(Relaxed);
        let old = Range {
            start: self.start.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            at: self.at.load(Relaxed),
            segment: self.segment.load(Relaxed),
        };
        if before % 2 == 1 || !may(old) {
            return false;
        }
        let odd = before.wrapping_add(1);
        // Acquire: after the stores of whoever wrote before.
        if self.sequence.compare_exchange(before, odd, Acquire, Relaxed).is_err() {
            return false;
        }
        fence(Release);
        self.start.store(new.start, Relaxed);
        self.bytes.store(new.bytes, Relaxed);
        self.at.store(new.at, Relaxed);
        self.segment.store(new.segment.cast_mut(), Relaxed);
        // Release pairs with the Acquire in `holding`.
        self.sequence.store(odd.wrapping_add(1), Release);
        true
    }
}

/// All chunks, one after the other.
fn chunks() -> impl Iterator<Item = &'static Chunk> {
    std::iter::successors(Some(&FIRST), |chunk| {
        // SAFETY: null, or a leaked chunk. Acquire pairs with the Release in `next_or_new`.
        unsafe { chunk.next.load(Acquire).as_ref() }
    })
}

/// The range that holds `address`, if one does.
pub(crate) fn find(address: usize) -> Option<Range> {
    let used = USED.load(Acquire);
    chunks().flat_map(|chunk| &chunk.slots).take(used).find_map(|slot| slot.holding(address))
}

/// The segment that holds `place`, and where in it.
pub(crate) fn place_of<T>(place: &T) -> Option<(&Attached, u64)> {
    let address = std::ptr::from_ref(place) as usize;
    let range = find(address)?;
    // SAFETY: `place`, which lies in the range, is borrowed; so says `publish`.
    let segment = unsafe { range.segment() };
    Some((segment, range.at.wrapping_add((address - range.start) as u64)))
}

/// The segment that holds `place`, if one does.
pub(crate) fn segment_at<T>(place: &T) -> Option<&Attached> {
    place_of(place).map(|(segment, _)| segment)
}

/// Makes a range of a segment known to the locks in it, and every thread look again. `at` is where the range begins in
/// the segment. Call it before anybody gets an address in the range; `segment` stays where it is until it is withdrawn,
/// after the last reference into the range.
pub(crate) fn publish(start: usize, bytes: usize, segment: &Attached, at: u64) {
    let new = Range { start, bytes, at, segment };
    // An image was unloaded from these addresses. Its range outlives it, so that a lock that comes late is refused;
    // from here on it would answer for the new one.
    let is_stale = |old: Range| old.start < start + bytes && start < old.start + old.bytes;
    for slot in chunks().flat_map(|chunk| &chunk.slots).take(USED.load(Acquire)) {
        slot.write(is_stale, NOTHING);
    }
    let mut chunk = &FIRST;
    let mut number = 0;
    loop {
        for slot in &chunk.slots {
            number += 1;
            if slot.write(|old| old.bytes == 0, new) {
                // Release pairs with the Acquire in `find`: whoever is given an address looks as far as its slot.
                USED.fetch_max(number, Release);
                return owner::begin_epoch();
            }
        }
        chunk = next_or_new(chunk);
    }
}

fn next_or_new(chunk: &'static Chunk) -> &'static Chunk {
    let mut next = chunk.next.load(Acquire);
    if next.is_null() {
        let fresh = Box::into_raw(Box::new(Chunk::new()));
        // Release pairs with the Acquire in `chunks`.
        next = match chunk.next.compare_exchange(null_mut(), fresh, AcqRel, Acquire) {
            Ok(_) => fresh,
            Err(theirs) => {
                // SAFETY: made above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(fresh) });
                theirs
            }
        };
    }
    // SAFETY: leaked by whoever linked it.
    unsafe { &*next }
}

/// Forgets every range of a segment that is about to be unmapped, and makes every thread look again.
#[allow(dead_code)]
pub(crate) fn withdraw(segment: &Attached) {
    let used = USED.load(Acquire);
    for slot in chunks().flat_map(|chunk| &chunk.slots).take(used) {
        slot.write(|old| std::ptr::eq(old.segment, segment), NOTHING);
    }
    owner::begin_epoch();
}

/// Every published segment once for each of its ranges, for `call`.
///
/// # Safety
/// No segment is withdrawn meanwhile.
#[allow(dead_code)] // Windows detaches all when a library is unloaded.
pub(crate) unsafe fn for_each_segment(call: impl Fn(&Attached)) {
    let used = USED.load(Acquire);
    for slot in chunks().flat_map(|chunk| &chunk.slots).take(used) {
        // SAFETY: null, or a segment that is not withdrawn while this runs.
        if let Some(segment) = unsafe { slot.segment.load(Acquire).as_ref() } {
            call(segment);
        }
    }
}

/// Whether the owner that what lies at `place` names (a lock word in its high half) is dead. `kernel_says_so`: the word
/// has OWNER_DIED. In private memory nobody dies alone.
pub(crate) fn is_dead<T>(place: &T, owner_half: u32, kernel_says_so: bool) -> bool {
    segment_at(place).is_some_and(|segment| {
        (kernel_says_so && segment.kernel_is_right(owner_half)) || segment.owner_is_dead(owner_half)
    })
}

/// As [`is_dead`], but an owner that lived when this thread last asked, less than two milliseconds ago, counts as
/// alive: it is asked about again after the first sleep. For locks that go to and fro between processes, and for
/// tries.
pub(crate) fn is_dead_unless_just_asked(word: &AtomicU64, owner_half: u32) -> bool {
    thread_local! {
        /// A few owners, each where its hash says: a part of the hash, and the millisecond of the question.
        static FOUND_ALIVE: [Cell<u64>; REMEMBERED] = const { [const { Cell::new(0) }; REMEMBERED] };
    }
    let Some(segment) = segment_at(word) else { return false };
    // Two owners of one hash: one is believed to live for as long as that.
    let owner = std::ptr::from_ref(segment) as u64 ^ u64::from(owner_half).rotate_left(44);
    let hash = owner.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (tag, place) = (hash >> 32 | 1, (hash >> 24) as usize % REMEMBERED);
    let now_ms = process::uptime_ms();
    let remembered = FOUND_ALIVE.with(|owners| owners[place].get());
    if remembered >> 32 == tag && now_ms.wrapping_sub(remembered as u32) < JUST_NOW_MS {
        return false;
    }
    let is_dead = segment.owner_is_dead(owner_half);
    if !is_dead {
        FOUND_ALIVE.with(|owners| owners[place].set(tag << 32 | u64::from(now_ms)));
    }
    is_dead
}

/// Whether the owner that the word names is a slot of this very process.
pub(crate) fn is_this_process(word: &AtomicU64, owner_half: u32) -> bool {
    segment_at(word).is_some_and(|segment| segment.is_this_process(owner_half))
}

/// What happened to a lock that is worth telling. Owners as the high halves of lock words name them.
#[derive(Clone, Copy)]
#[cfg_attr(cotenant_model, allow(dead_code))]
pub(crate) enum LockEvent {
    /// Its owner was found dead, and the lock taken over.
    OwnerDied(u32),
    /// What a dead owner had was given back: a cell guards no value.
    GivenBack(u32),
    /// Its value counts as whole again.
    Repaired,
    /// A thread panicked under it.
    LeftHalfChanged,
    /// Nobody gets it any more.
    GivenUp,
    /// This process leads.
    Leads,
    /// This process has it, which waited for so many milliseconds for an owner who lived.
    HandedOver { before: u32, waited_ms: u32 },
}

/// Counts owners that were found dead, and writes down what happened, if the lock lies in a segment.
#[cold]
pub(crate) fn note(word: &AtomicU64, event: LockEvent) {
    let Some((segment, at)) = place_of(word) else { return };
    let (live, slot) = (segment.live(), segment.slot());
    if let LockEvent::HandedOver { before, waited_ms } = event {
        let place = hand_over_place(at, waited_ms);
        return live.record(slot, Happened::HandedOver, place, Some(Who::of(live, before)));
    }
    let (happened, about) = match event {
        LockEvent::OwnerDied(half) => (Happened::OwnerDied, Some(half)),
        LockEvent::GivenBack(half) => (Happened::GivenBack, Some(half)),
        LockEvent::Repaired => (Happened::Repaired, None),
        LockEvent::LeftHalfChanged => (Happened::LeftHalfChanged, None),
        LockEvent::GivenUp => (Happened::GivenUp, None),
        LockEvent::Leads => (Happened::Leads, None),
        LockEvent::HandedOver { before, .. } => (Happened::HandedOver, Some(before)),
    };
    if let Some(half) = about {
        live.deaths().fetch_add(1, Relaxed);
        live.record_death(slot, half);
    }
    live.record(slot, happened, at, about.map(|half| Who::of(live, half)));
    tell(segment, at, event);
}

#[cfg(feature = "tracing")]
fn tell(segment: &Attached, at: u64, event: LockEvent) {
    let (what, about) = match event {
        LockEvent::OwnerDied(half) => ("the owner of a lock had died; it was taken over", half),
        LockEvent::GivenBack(half) => ("the owner of a cell had died; it was given back", half),
        LockEvent::Repaired => ("what a lock guards was repaired", 0),
        LockEvent::LeftHalfChanged => ("a thread panicked under a lock", 0),
        LockEvent::GivenUp => ("what a lock guards was given up", 0),
        LockEvent::Leads | LockEvent::HandedOver { .. } => return,
    };
    let (pid, program) = segment.describe_owner(about).unwrap_or_default();
    let slot = about >> 20;
    tracing::warn!(target: "cotenant", segment = segment.path, at, slot, pid, program, "{what}");
}

#[cfg(not(feature = "tracing"))]
fn tell(_segment: &Attached, _at: u64, _event: LockEvent) {}

/// Process id and program of an owner, if its slot has no later tenant.
pub(crate) fn describe<T>(place: &T, owner_half: u32) -> Option<(u32, String)> {
    segment_at(place)?.describe_owner(owner_half)
}

/// Says in this process's entry that one of its threads sleeps at `place`, and since when: at first now. `false`: the
/// process has no entry, or another thread's note is there. Killed asleep, the note stays until the slot's next tenant.
pub(crate) fn note_wait<T>(place: &T, since_ms: &mut Option<u32>) -> bool {
    let Some((segment, at)) = place_of(place) else { return false };
    let live = segment.live();
    let Some(entry) = live.participant(segment.slot()) else { return false };
    let since_ms = *since_ms.get_or_insert_with(process::uptime_ms);
    if entry.waits_for_at.load(Relaxed) != 0 {
        return false;
    }
    entry.waits_since_ms.store(since_ms, Relaxed);
    // Release pairs with the Acquire of whoever looks: with the place it sees the time.
    entry.waits_for_at.compare_exchange(0, at, Release, Relaxed).is_ok()
}

/// The thread that slept at `place` sleeps no longer.
pub(crate) fn note_end_of_wait<T>(place: &T) {
    let Some((segment, at)) = place_of(place) else { return };
    if let Some(entry) = segment.live().participant(segment.slot()) {
        // Not the note of another thread for another lock. One that sleeps for the same lock writes its own anew.
        let _ = entry.waits_for_at.compare_exchange(at, 0, Relaxed, Relaxed);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::segment::backing::Backing;
    use crate::segment::segment::Segment;

    /// Slots never lead to a segment here: nobody asks about addresses in them.
    fn range(start: usize, at: u64) -> Range {
        Range { start, bytes: 4096, at, segment: null_mut() }
    }

    #[test]
    fn readers_see_a_slot_whole_while_it_is_written_again_and_again() {
        let slot = Arc::new(Slot::new());
        let stop = Arc::new(AtomicBool::new(false));
        let reader = {
            let (slot, stop) = (Arc::clone(&slot), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut seen = 0_u64;
                while !stop.load(Relaxed) || seen == 0 {
                    for start in [1 << 20, 2 << 20] {
                        if let Some(found) = slot.holding(start + 100) {
                            assert_eq!((found.start, found.at), (start, start as u64 * 3), "of one write");
                            seen += 1;
                        }
                    }
                }
            })
        };
        for round in 0..20_000_usize {
            let start = (round % 2 + 1) << 20;
            assert!(slot.write(|_| true, range(start, start as u64 * 3)));
        }
        stop.store(true, Relaxed);
        reader.join().expect("the reader");
    }

    #[test]
    fn slot_that_is_being_written_is_passed_by() {
        let slot = Slot::new();
        assert!(slot.write(|old| old.bytes == 0, range(1 << 20, 0)));
        assert!(!slot.write(|old| old.bytes == 0, range(2 << 20, 0)), "it is taken");
        slot.sequence.fetch_add(1, Relaxed);
        assert!(slot.holding(1 << 20).is_none());
        assert!(!slot.write(|_| true, range(2 << 20, 0)), "somebody else writes");
    }

    #[test]
    fn thread_that_stops_waiting_leaves_the_note_of_another_one() {
        let options = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20);
        let segment = options.create("unit.notes").expect("a segment");
        let place = |name| segment.get_or_init(name, || AtomicU64::new(0)).expect("there is room");
        let (one, other) = (place("one"), place("other"));
        owner::mine(one).map_err(drop).expect("a slot");
        assert!(note_wait(one, &mut None), "the first");
        assert!(!note_wait(other, &mut None), "there is room for one");
        note_end_of_wait(other);
        assert!(!note_wait(other, &mut None), "the first one's is still there");
        note_end_of_wait(one);
        let mut since_ms = Some(17);
        assert!(note_wait(other, &mut since_ms) && since_ms == Some(17));
        let (attached, at) = place_of(other).expect("in the segment");
        let live = attached.live();
        let entry = live.participant(attached.slot()).expect("an entry");
        assert_eq!((entry.waits_for_at.load(Relaxed), entry.waits_since_ms.load(Relaxed)), (at, 17));
        note_end_of_wait(other);
        assert!(!note_wait(&0_u64, &mut None), "private memory has no entry");
    }

    #[test]
    fn segments_that_come_and_go_use_the_same_slots_and_words() {
        let (slots_before, words_before) = (USED.load(Relaxed), owner::words_in_use());
        for _ in 0..300 {
            let options = Segment::options();
            let segment = options.backing(Backing::Anonymous).max_bytes(1 << 20);
            drop(segment.create("unit.comes-and-goes").expect("a segment"));
        }
        // Other tests run beside this one.
        assert!(USED.load(Relaxed) < slots_before + 64, "{} slots", USED.load(Relaxed));
        assert!(owner::words_in_use() < words_before + 64, "{} words", owner::words_in_use());
    }
}
