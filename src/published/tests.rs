//! The insides: damaged words, deaths half-way, and loads beside a writer at full speed.

use std::mem::offset_of;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use super::Published;
use super::ring::LAST_SEQUENCE;
use crate::error::ErrorKind;

/// A word inside of a published value.
fn word<T>(published: &T, at: usize) -> &AtomicU64 {
    assert!(at + 8 <= size_of::<T>() && at % 8 == 0);
    let base = std::ptr::from_ref(published).cast::<AtomicU64>();
    #[allow(unsafe_code)]
    // SAFETY: inside of the value, aligned; all words of it are only accessed atomically.
    unsafe {
        &*base.byte_add(at)
    }
}

const HEAD_AT: usize = 0;
const LOCK_AT: usize = 128;
const FIRST_AT: usize = 256;
const PAIR_STRIDE: usize = 128;

type Pair = Published<[u64; 2], 4>;

#[test]
fn buffers_are_whole_lines() {
    assert_eq!(size_of::<Pair>(), FIRST_AT + 4 * PAIR_STRIDE);
    assert_eq!(size_of::<Published<u8, 2>>(), FIRST_AT + 2 * 64);
    assert_eq!(align_of::<Published<u8, 2>>(), 128);
    assert_eq!(offset_of!(crate::published::ring::Writers, bell), 8);
}

#[test]
fn head_that_names_no_whole_snapshot_is_an_error_and_is_mended_by_a_publish() {
    for hostile in [1, 3, 7, 1 << 40, u64::MAX, LAST_SEQUENCE] {
        let pair = Pair::with_buffers([1, 1]);
        word(&pair, HEAD_AT).store(hostile, Relaxed);
        assert_eq!(pair.load().map_err(|error| error.kind()).err(), Some(ErrorKind::Corrupt), "{hostile}");
        assert_eq!(pair.update(|old| old).map_err(|error| error.kind()).err(), Some(ErrorKind::Corrupt));
        assert!(pair.history().len() <= 4);
        match pair.publish(&[2, 2]) {
            Ok(sequence) => {
                assert_eq!(sequence, hostile + 1);
                assert_eq!(*pair.load().expect("mended"), [2, 2]);
            }
            Err(error) => assert!(error.kind() == ErrorKind::Corrupt && hostile >= LAST_SEQUENCE, "{error}"),
        }
        assert_eq!(word(&pair, LOCK_AT).load(Relaxed), 0, "unlocked");
    }
}

#[test]
fn stamp_of_the_newest_that_is_not_whole_is_an_error() {
    for hostile in [1, 2, 8, u64::MAX] {
        let pair = Pair::with_buffers([1, 1]);
        word(&pair, FIRST_AT).store(hostile, Relaxed);
        assert_eq!(pair.load().map_err(|error| error.kind()).err(), Some(ErrorKind::Corrupt), "{hostile}");
        assert_eq!(pair.history(), []);
    }
}

#[test]
fn half_written_buffer_is_seen_by_nobody_and_written_over() {
    let pair = Pair::with_buffers([1, 1]);
    for n in 2..=9 {
        pair.publish(&[n, n]).expect("free");
    }
    // Number 9 is to come: in buffer 1, where number 5 lies.
    let next = FIRST_AT + PAIR_STRIDE;
    word(&pair, next).store(2 * 9 + 1, Relaxed);
    word(&pair, next + 56).store(77, Relaxed);
    assert_eq!(*pair.load().expect("whole"), [9, 9]);
    let values: Vec<_> = pair.history().into_iter().map(|entry| (entry.sequence, entry.value[0])).collect();
    assert_eq!(values, [(8, 9), (7, 8), (6, 7)]);
    // Whole, but not yet named by the head: published to nobody.
    word(&pair, next).store(2 * 9, Relaxed);
    assert_eq!(pair.load().map(|it| it.sequence).ok(), Some(8));
    assert_eq!(pair.history().len(), 3);
    assert_eq!(pair.publish(&[10, 10]).ok(), Some(9));
    assert_eq!(*pair.load().expect("whole"), [10, 10]);
    assert_eq!(pair.history().len(), 4);
}

#[test]
fn damaged_lock_holds_up_nobody() {
    // Given up, inconsistent, and free with a stale high half.
    for hostile in [(1 << 30) - 1, 1 << 32, 5 << 52] {
        let pair = Pair::with_buffers([1, 1]);
        word(&pair, LOCK_AT).store(hostile, Relaxed);
        assert_eq!(pair.publish_timeout(&[2, 2], Duration::from_secs(60)).ok(), Some(1), "{hostile:#x}");
        assert_eq!(pair.publish(&[3, 3]).ok(), Some(2));
        assert_eq!(*pair.load().expect("whole"), [3, 3]);
    }
}

/// Two buffers and a writer that never rests: loads are repeated, and none is torn, lost or older than the one before.
#[test]
fn loads_beside_a_writer_at_full_speed_are_whole_and_never_older() {
    let many = Published::<[u64; 60], 2>::with_buffers([0; 60]);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                threads.spawn(|| {
                    let (mut last, mut repeats, mut loads) = (0, 0_u64, 0_u64);
                    while !is_over.load(Relaxed) {
                        let snapshot = many.load().expect("no thousand repeats");
                        assert!(snapshot.iter().all(|word| *word == snapshot.sequence), "torn: {snapshot:?}");
                        assert!(snapshot.sequence >= last, "{} after {last}", snapshot.sequence);
                        last = snapshot.sequence;
                        repeats += u64::from(snapshot.repeats);
                        loads += 1;
                        for entry in many.history() {
                            assert!(entry.value.iter().all(|word| *word == entry.sequence), "torn: {entry:?}");
                        }
                    }
                    (loads, repeats)
                })
            })
            .collect();
        for n in 1..=300_000_u64 {
            assert_eq!(many.publish(&[n; 60]).expect("free"), n);
        }
        is_over.store(true, Relaxed);
        for reader in readers {
            let (loads, repeats) = reader.join().expect("no violation");
            assert!(loads > 0);
            println!("{loads} loads, {repeats} repeats");
        }
    });
}

#[test]
fn waiters_are_woken_by_each_publish() {
    const ROUNDS: u64 = 2_000;
    let pair = Pair::with_buffers([0, 0]);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                let mut seen = 0;
                while seen < ROUNDS {
                    // No sleep of this build ends by itself within an hour.
                    let newer = pair.wait_newer(seen, Duration::from_secs(7200)).expect("whole").expect("in time");
                    assert!(newer.sequence > seen);
                    seen = newer.sequence;
                }
            });
        }
        for n in 1..=ROUNDS {
            pair.publish(&[n, n]).expect("free");
            if n % 16 == 0 {
                std::thread::yield_now();
            }
        }
    });
}
