//! The ring in one process: what was written is read, the oldest is written over, and what is torn is passed by.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::segment::segment::Segment;
use crate::sys::Attached;

fn with_ring(call: impl Fn(&'static Attached)) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("unit.events.{}.{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
    let segment = Segment::options().max_bytes(1 << 20).create(&name);
    let segment = segment.expect("a segment").leak();
    let place = segment.get_or_init("place", || AtomicU64::new(0)).expect("there is room");
    let (attached, _) = crate::sys::ranges::place_of(place).expect("it lies in the segment");
    call(attached);
}

/// The whole ones, by their numbers.
fn read(live: Live) -> Vec<Event> {
    let (ring, _) = live.events().expect("there is one");
    let bytes = |place: &Place| {
        let mut bytes = [0; EVENT_BYTES as usize];
        for (to, word) in bytes.chunks_exact_mut(8).zip(&place.words) {
            to.copy_from_slice(&word.load(Relaxed).to_le_bytes());
        }
        bytes
    };
    let mut events: Vec<_> = ring.iter().filter_map(|place| Event::decode(&bytes(place))).collect();
    events.sort_by_key(|event| event.number);
    events
}

#[test]
fn coming_and_growth_are_written_with_who_and_when() {
    with_ring(|attached| {
        let events = read(attached.live());
        let kinds: Vec<_> = events.iter().map(|event| event.what).collect();
        assert!(kinds.starts_with(&[Happened::Attached as u16]), "{events:?}");
        let first = &events[0];
        assert_eq!((first.number, first.pid, first.about_pid), (0, std::process::id(), std::process::id()));
        assert_eq!((u32::from(first.slot), first.about_half >> 20), (attached.slot(), attached.slot()));
        assert!(first.unix_ns > 1_700_000_000_000_000_000 && first.program[0] != 0, "{first:?}");
    });
}

#[test]
fn oldest_is_written_over_and_numbers_go_on() {
    with_ring(|attached| {
        let live = attached.live();
        let before = read(live).len() as u64;
        for place in 0..1000 {
            live.record(attached.slot(), Happened::Grown, place, None);
        }
        let events = read(live);
        assert_eq!(events.len(), EVENTS as usize);
        assert!(events.windows(2).all(|pair| pair[1].number == pair[0].number + 1), "none is missing");
        let last = events.last().expect("there are some");
        assert_eq!((last.number, last.place), (before + 999, 999));
    });
}

#[test]
fn half_written_and_mixed_events_are_passed_by() {
    with_ring(|attached| {
        let live = attached.live();
        live.record(attached.slot(), Happened::Grown, 7, None);
        live.record(attached.slot(), Happened::Grown, 8, None);
        let whole = read(live);
        let (ring, _) = live.events().expect("there is one");
        // A writer that was stopped for a whole round puts one of its words over another's event.
        let place = &ring[whole[0].number as usize % ring.len()];
        for word in &place.words {
            let was = word.swap(4711, Relaxed);
            assert_eq!(read(live).len(), whole.len() - 1, "word {word:?}");
            word.store(was, Relaxed);
        }
        // Killed before it wrote the number.
        place.words[0].store(0, Relaxed);
        assert_eq!(read(live), whole[1..]);
    });
}

#[test]
fn many_writers_at_once_leave_whole_events() {
    with_ring(|attached| {
        std::thread::scope(|threads| {
            for thread in 0..4_u64 {
                threads.spawn(move || {
                    for round in 0..2000 {
                        attached.live().record(attached.slot(), Happened::Leads, thread << 32 | round, None);
                    }
                });
            }
        });
        let events = read(attached.live());
        let of_threads = events.iter().filter(|event| event.what == Happened::Leads as u16);
        assert!(of_threads.clone().all(|event| event.place & 0xffff_ffff < 2000 && event.place >> 32 < 4));
        assert!(of_threads.count() > EVENTS as usize / 2, "{} events", events.len());
    });
}

#[test]
fn hand_overs_take_a_quarter_of_the_ring_and_drive_no_death_out() {
    with_ring(|attached| {
        let live = attached.live();
        live.record(attached.slot(), Happened::OwnerDied, 7, None);
        let others = read(live);
        for nth in 0..1000 {
            live.record(attached.slot(), Happened::HandedOver, hand_over_place(nth, 350), None);
        }
        let events = read(live);
        let is_one = |event: &&Event| event.what == Happened::HandedOver as u16;
        let places: Vec<_> = events.iter().filter(is_one).map(|event| hand_over_parts(event.place)).collect();
        let newest: Vec<_> = (1000 - u64::from(EVENTS) / 4..1000).map(|nth| (nth, 350)).collect();
        assert_eq!(places, newest);
        assert!(others.iter().all(|event| events.contains(event)), "{events:?}");
        // What else happens is written as ever.
        live.record(attached.slot(), Happened::Grown, 8, None);
        assert_eq!(read(live).last().map(|event| (event.what, event.place)), Some((Happened::Grown as u16, 8)));
    });
}

#[test]
fn longest_wait_that_is_told_is_a_bound() {
    assert_eq!(hand_over_parts(hand_over_place(4096, u32::MAX)), (4096, 655_350));
}

#[test]
fn death_is_told_once() {
    with_ring(|attached| {
        let live = attached.live();
        let slot = attached.slot();
        let entry = live.participant(slot).expect("an entry");
        let half = slot << 20 | entry.generation.load(Relaxed) << 1;
        let deaths = || read(live).iter().filter(|event| event.what == Happened::Died as u16).count();
        live.record_death(slot, half);
        live.record_death(slot, half);
        assert_eq!(deaths(), 1);
        // Of an earlier tenant of the slot nothing is known any more.
        live.record_death(slot, half - 2);
        assert_eq!(deaths(), 1);
    });
}
