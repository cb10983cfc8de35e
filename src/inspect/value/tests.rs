//! Locks as people read them, from the bytes of real ones and of hostile ones.

#![allow(unsafe_code)]

use super::to_text;
use crate::inspect::memory::Value;
use crate::inspect::report::ByteOrder;
use crate::limit::{KeyedRateLimiter, Rate, RateLimiter};
use crate::metrics::{Across, Buckets, Counter, Gauge, Histogram};
use crate::process_sync::ProcessSync;
use crate::schema::decode::{Node, decode};
use crate::schema::{Part, encode, encoded_bytes};
use crate::sync::{Barrier, Condvar, Event, Leader, Mutex, Once, OnceCell, RwLock, Semaphore};

const ORDER: ByteOrder = if cfg!(target_endian = "little") { ByteOrder::Little } else { ByteOrder::Big };

fn node<T: ProcessSync>() -> Node {
    let part = Part { name: "X", at: 0, doc: "", schema: Some(T::SCHEMA) };
    let mut bytes = vec![0; encoded_bytes(&part)];
    encode(&mut bytes, 0, &part);
    decode(&bytes).expect("our own schema").0
}

fn bytes_of<T>(value: &T) -> Vec<u8> {
    let start = std::ptr::from_ref(value).cast::<u8>();
    // SAFETY: volatile reads, byte by byte, of a value that no other thread knows; padding may be anything.
    (0..size_of::<T>()).map(|at| unsafe { start.wrapping_add(at).read_volatile() }).collect()
}

fn shown<T: ProcessSync>(value: &T) -> String {
    to_text(&node::<T>(), Value::new(&bytes_of(value), ORDER), 200)
}

#[test]
fn locks_show_what_they_guard() {
    assert_eq!(shown(&Mutex::new(5_u8)), "Mutex(5)");
    assert_eq!(shown(&RwLock::<_>::new([1_u16, 2])), "RwLock([1, 2])");
    assert_eq!(shown(&Condvar::new()), "Condvar");
}

#[test]
fn onces_show_whether_they_are_done() {
    let (once, cell) = (Once::new(), OnceCell::new());
    assert_eq!(shown(&once) + " " + &shown(&cell), "Once(not done) OnceCell(not set)");
    once.call_once(|| ()).expect("free");
    cell.set(7_u32).expect("free");
    assert_eq!(shown(&once) + " " + &shown(&cell), "Once(done) OnceCell(7)");
}

#[test]
fn semaphore_shows_its_free_permits() {
    let semaphore = Semaphore::<4>::new(3);
    assert_eq!(shown(&semaphore), "Semaphore(3 of 3 free)");
    let _permits = (semaphore.acquire().expect("free"), semaphore.acquire().expect("free"));
    assert_eq!(shown(&semaphore), "Semaphore(1 of 3 free)");
}

#[test]
fn barrier_shows_who_has_come_in_this_generation() {
    let barrier = Barrier::<3>::new();
    assert_eq!(shown(&barrier), "Barrier(0 of 3 arrived)");
    let mut bytes = bytes_of(&barrier);
    bytes[16..24].fill(1);
    let text = |bytes: &[u8]| to_text(&node::<Barrier<3>>(), Value::new(bytes, ORDER), 200);
    assert_eq!(text(&bytes), "Barrier(1 of 3 arrived)");
    bytes[8] = 9;
    assert_eq!(text(&bytes), "Barrier(0 of 3 arrived)", "another generation, whose cells were not cleared yet");
}

#[test]
fn event_and_leader_show_their_state() {
    let (event, leader) = (Event::new(false), Leader::new());
    assert_eq!(shown(&event) + " " + &shown(&leader), "Event(not set) Leader(term 0)");
    event.set();
    drop(leader.lead());
    assert_eq!(shown(&event) + " " + &shown(&leader), "Event(set) Leader(term 1)");
}

#[test]
fn metrics_and_limits_show_what_they_count() {
    let counter = Counter::<2>::new();
    counter.add(5);
    let own = counter.claim();
    own.add(2);
    assert_eq!(shown(&counter), "Counter(7)");
    assert_eq!(shown(&Gauge::<64>::new(Across::Max)), "Gauge(maximum)");
    assert_eq!(shown(&Histogram::<16, 1>::new(Buckets::between(1.0, 4.0))), "Histogram");
    let limiter = RateLimiter::new(Rate::per_minute(1));
    let _denied = (limiter.try_acquire(), limiter.try_acquire());
    assert_eq!(shown(&limiter), "RateLimiter(1 denied)");
    assert_eq!(shown(&KeyedRateLimiter::<8>::new(Rate::per_minute(1))), "KeyedRateLimiter(0 denied)");
}

/// Whatever the bytes and the schema say, a text comes out, and soon.
#[test]
fn hostile_locks_are_shown_too() {
    fn torture<T: ProcessSync>() {
        let whole = node::<T>();
        for fill in [0, 0xff, 0x80] {
            for len in [size_of::<T>(), 0, 3, 17] {
                let bytes = vec![fill; len];
                assert!(!to_text(&whole, Value::new(&bytes, ORDER), 60).is_empty());
            }
        }
        for lacking in 0..whole.children.len() {
            let mut node = whole.clone();
            node.children.remove(lacking);
            assert!(!to_text(&node, Value::new(&vec![0xff; size_of::<T>()], ORDER), 60).is_empty());
            let mut node = whole.clone();
            node.children[lacking].count = u32::MAX;
            node.children[lacking].size_bytes = u64::MAX;
            assert!(!to_text(&node, Value::new(&vec![0xff; size_of::<T>()], ORDER), 60).is_empty());
        }
    }
    torture::<RwLock<u8, 2>>();
    torture::<Condvar>();
    torture::<Once>();
    torture::<OnceCell<char>>();
    torture::<Semaphore<2>>();
    torture::<Barrier<2>>();
    torture::<Event>();
    torture::<Leader>();
    torture::<Counter<2>>();
    torture::<Gauge<64>>();
    torture::<Histogram<8, 1>>();
    torture::<RateLimiter>();
    torture::<KeyedRateLimiter<8>>();
}
