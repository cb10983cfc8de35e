//! The ring of events: what happened in a segment, for people who ask what happened before it broke.
//!
//! ```text
//! header.event_next: 260      ring: | 257 | 258 | 259 | 260 | 5 | 6 | ... | 256 |     the oldest is written over
//!
//! one event, 64 bytes:   number + 1 | when | what, by whom | where | about whom ........ | check
//! ```
//!
//! Who writes takes a number, then the place of that number, whatever is there. It waits for nobody and nobody for it:
//! killed half-way it leaves an event whose check is wrong, and so does who was stopped for as long as all the others
//! took to come round. Readers pass such an event by. An event is written where something rare has happened: never when
//! a lock is taken that was free. A lock that goes from hand to hand after long waits is told, too, and may do so all
//! day: of such events the ring keeps a quarter, the newest, so that they drive no death out of it.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};
use std::time::{SystemTime, UNIX_EPOCH};

use super::live::Live;
use crate::schema;

/// One event, as it lies in memory.
#[repr(C)]
pub(crate) struct Place {
    /// Number + 1; 0 while it is written, and where nothing ever was. Time: nanoseconds since 1970. Bits 0-15 what,
    /// 16-31 the writer's slot, 32-63 its process id. Where. Bits 0-31 about whom, 32-63 its process id. 16 bytes of
    /// its program's name. FNV-1a of the 56 bytes before.
    words: [AtomicU64; WORDS],
}

const WORDS: usize = 8;
pub(crate) const EVENT_BYTES: u32 = 64;
/// Events of a new segment: four pages of it.
pub(crate) const EVENTS: u32 = 256;
/// As many as a header may claim.
pub(crate) const EVENTS_MAX: u32 = 65_536;
/// Hand-overs that the ring has room for, as a part of it.
const HAND_OVERS: usize = 4;
/// In the place of a hand-over: the lock's, and above it the wait in hundredths of a second.
const HAND_OVER_PLACE_BITS: u32 = 48;
/// In the entry of a participant that has ended, in the place of what it waits for: its death is among the events, or
/// it ended in good order.
pub(crate) const DEATH_IS_TOLD: u64 = u64::MAX;

const _: () = assert!(size_of::<Place>() == EVENT_BYTES as usize);

/// What happened. The numbers are part of the format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub(crate) enum Happened {
    /// A participant came.
    Attached = 1,
    /// A participant left in good order.
    Detached = 2,
    /// A participant was found dead.
    Died = 3,
    /// A lock's owner was found dead, and the lock taken over.
    OwnerDied = 4,
    /// What a dead owner left was repaired, or called whole.
    Repaired = 5,
    /// A thread panicked under a lock.
    LeftHalfChanged = 6,
    /// A repairer gave up: nobody gets the lock any more.
    GivenUp = 7,
    /// What a dead reader, permit holder, arrival or leader had was given back.
    GivenBack = 8,
    /// More memory was reserved. Where: the end of it.
    Grown = 9,
    /// A program was refused because its types differ. Where: the object's place, or 0 for a block.
    Refused = 10,
    /// A process became the leader.
    Leads = 11,
    /// An object's name was taken from it. Where: its number.
    Removed = 12,
    /// A lock went from one who lived to one who had waited long. Where: the lock's place, and in bits 48-63 how long
    /// it was waited for, in hundredths of a second; about whom: who had it before.
    HandedOver = 13,
}

/// The word of a hand-over that says where, and after how long a wait.
pub(crate) fn hand_over_place(at: u64, waited_ms: u32) -> u64 {
    let waited = u64::from(waited_ms / 10).min(u64::from(u16::MAX));
    at & ((1 << HAND_OVER_PLACE_BITS) - 1) | waited << HAND_OVER_PLACE_BITS
}

/// The two parts of such a word: where, and how many milliseconds.
#[cfg(any(test, feature = "inspect"))]
pub(crate) fn hand_over_parts(place: u64) -> (u64, u64) {
    (place & ((1 << HAND_OVER_PLACE_BITS) - 1), (place >> HAND_OVER_PLACE_BITS) * 10)
}

/// Whom an event is about.
#[derive(Clone, Copy, Default)]
pub(crate) struct Who {
    /// Slot and generation, as the high half of a lock word has them; 0: of no slot.
    pub(crate) half: u32,
    pub(crate) pid: u32,
    pub(crate) program: [u64; 2],
}

impl Who {
    /// The tenant that a lock word's high half names; of one whose slot has another tenant only that.
    pub(crate) fn of(live: Live, half: u32) -> Who {
        let unknown = Who { half, ..Who::default() };
        let Some(entry) = live.participant(half >> 20) else { return unknown };
        let program = [entry.program[0].load(Relaxed), entry.program[1].load(Relaxed)];
        let known = Who { half, pid: entry.pid.load(Relaxed), program };
        // Acquire: read after what is checked by it.
        fence(Acquire);
        if entry.generation.load(Relaxed) == half >> 1 & 0x7_ffff { known } else { unknown }
    }

    /// The tenant of a slot.
    fn of_slot(live: Live, slot: u32) -> Who {
        let generation = live.participant(slot).map_or(0, |entry| entry.generation.load(Relaxed));
        Who::of(live, slot << 20 | generation << 1)
    }
}

impl Live {
    /// Writes down that something happened; `slot` is this process's, or 0. Allocates nothing, and takes no lock.
    #[cold]
    pub(crate) fn record(self, slot: u32, what: Happened, place: u64, about: Option<Who>) {
        let Some((ring, next)) = self.events() else { return };
        let about = about.unwrap_or_else(|| Who::of_slot(self, slot));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let number = next.fetch_add(1, Relaxed);
        let [first, second] = about.program;
        let words = [
            number.wrapping_add(1),
            now,
            what as u64 | u64::from(slot & 0xffff) << 16 | u64::from(std::process::id()) << 32,
            place,
            u64::from(about.half) | u64::from(about.pid) << 32,
            first,
            second,
        ];
        let to = match what {
            Happened::HandedOver => place_of_hand_over(ring, number),
            _ => &ring[(number % ring.len() as u64) as usize].words,
        };
        // Killed from here on: the check is wrong, and the event is passed by.
        to[0].store(0, Relaxed);
        fence(Release);
        for (to, word) in to.iter().zip(words).skip(1) {
            to.store(word, Relaxed);
        }
        to[WORDS - 1].store(check(&words), Relaxed);
        // Release: who reads the number through memory sees the rest. (Tools read the file, and go by the check.)
        to[0].store(words[0], Release);
    }

    /// Writes down the death of slot `number`'s tenant, which was found dead, unless that was done.
    #[cold]
    pub(crate) fn record_death(self, slot: u32, half: u32) {
        let Some(entry) = self.participant(half >> 20).filter(|_| self.events().is_some()) else { return };
        let who = Who::of(self, half);
        let waits_for = entry.waits_for_at.load(Relaxed);
        if who.pid == 0 || waits_for == DEATH_IS_TOLD {
            return;
        }
        // Of several who find it at once, one tells. Killed behind it: the death is not told, and not counted.
        if entry.waits_for_at.compare_exchange(waits_for, DEATH_IS_TOLD, Relaxed, Relaxed).is_ok() {
            if Who::of(self, half).pid == 0 {
                // The slot's next tenant came meanwhile: what was marked is its entry.
                let _ = entry.waits_for_at.compare_exchange(DEATH_IS_TOLD, 0, Relaxed, Relaxed);
            }
            self.participant_deaths().fetch_add(1, Relaxed);
            self.record(slot, Happened::Died, 0, Some(who));
        }
    }

    /// Has the end of a slot's tenant, which comes in good order, not be taken for a death.
    #[allow(dead_code)] // Where liveness is asked of processes.
    pub(crate) fn record_end(self, slot: u32) {
        if let Some(entry) = self.participant(slot) {
            entry.waits_for_at.store(DEATH_IS_TOLD, Relaxed);
        }
        self.record(slot, Happened::Detached, 0, None);
    }
}

/// Where a hand-over goes: to the place of its number, or, once they have a quarter of the ring, over the oldest of
/// them. Of two at once one may be lost.
fn place_of_hand_over(ring: &[Place], number: u64) -> &[AtomicU64; WORDS] {
    let is_one = |place: &&Place| place.words[2].load(Relaxed) as u16 == Happened::HandedOver as u16;
    let count = ring.iter().filter(is_one).count();
    let oldest = ring.iter().filter(is_one).min_by_key(|place| place.words[0].load(Relaxed));
    match oldest {
        Some(oldest) if count >= ring.len() / HAND_OVERS => &oldest.words,
        _ => &ring[(number % ring.len() as u64) as usize].words,
    }
}

fn check(words: &[u64; WORDS - 1]) -> u64 {
    words.iter().fold(0xcbf2_9ce4_8422_2325, |hash, word| schema::hash(hash, &word.to_le_bytes()))
}

/// An event, as it was read.
#[cfg(any(test, feature = "inspect"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) number: u64,
    pub(crate) unix_ns: u64,
    /// [`Happened`], or a number that a later version gives a meaning.
    pub(crate) what: u16,
    pub(crate) slot: u16,
    pub(crate) pid: u32,
    pub(crate) place: u64,
    pub(crate) about_half: u32,
    pub(crate) about_pid: u32,
    pub(crate) program: [u8; 16],
}

#[cfg(any(test, feature = "inspect"))]
impl Event {
    /// Reads one; `None` for a place that nothing was written to, or not all of it.
    pub(crate) fn decode(bytes: &[u8; EVENT_BYTES as usize]) -> Option<Event> {
        let mut words = [0; WORDS - 1];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().ok()?);
        }
        let [number, unix_ns, what, place, about, first, second] = words;
        if number == 0 || bytes[(WORDS - 1) * 8..] != check(&words).to_le_bytes() {
            return None;
        }
        let mut program = [0; 16];
        program[..8].copy_from_slice(&first.to_le_bytes());
        program[8..].copy_from_slice(&second.to_le_bytes());
        Some(Event {
            number: number - 1,
            unix_ns,
            what: what as u16,
            slot: (what >> 16) as u16,
            pid: (what >> 32) as u32,
            place,
            about_half: about as u32,
            about_pid: (about >> 32) as u32,
            program,
        })
    }
}

#[cfg(test)]
mod tests;
