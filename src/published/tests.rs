//! The insides: damaged words, deaths half-way, and loads beside a writer at full speed.

use std::mem::offset_of;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use super::Published;
use super::ring::LAST_SEQUENCE;
use crate::error::{Error, ErrorKind};
use crate::segment::segment::Segment;

/// A word inside of a published value.
fn word<T>(published: &T, at: usize) -> &AtomicU64 {
    assert!(at + 8 <= size_of::<T>());
    word_at(std::ptr::from_ref(published).cast(), at)
}

/// A word behind `base`, in memory that outlives the test's use of it.
#[allow(unsafe_code)]
fn word_at<'a>(base: *const u8, at: usize) -> &'a AtomicU64 {
    assert_eq!(at % 8, 0);
    // SAFETY: inside of the value that the test made, aligned; all words of it are only accessed atomically.
    unsafe { &*base.wrapping_add(at).cast() }
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
        assert!(pair.history().is_empty());
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

fn segment() -> Segment {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("test.published.{}.{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
    Segment::options().max_bytes(1 << 20).create(&name).expect("a segment")
}

#[test]
fn bytes_of_every_length_are_published_whole() {
    let segment = segment();
    let bytes = segment.published_bytes("config", 1000).expect("room");
    assert_eq!(bytes.max_bytes(), 1024, "whole lines");
    assert_eq!((bytes.load().expect("whole").value, bytes.sequence()), (Vec::new(), 0));
    for length in (0..=1024).rev() {
        let published: Vec<_> = (0..length).map(|i| (i + length) as u8).collect();
        bytes.publish(&published).expect("free");
        assert_eq!(bytes.load().expect("whole").value, published);
    }
    bytes.publish(b"abcdefghij").expect("free");
    let mut ten = [0; 10];
    assert_eq!(bytes.load_into_slice(&mut ten).ok(), Some((10, 1026)));
    assert_eq!(&ten, b"abcdefghij");
    assert_eq!(bytes.load_into_slice(&mut ten[..9]).map_err(|error| error.kind()), Err(ErrorKind::NoSpace));
    let error = bytes.publish(&[0; 1025]).expect_err("too long");
    assert_eq!((error.kind(), bytes.sequence()), (ErrorKind::NoSpace, 1026));
    assert_eq!(bytes.history().iter().map(|entry| entry.value.len()).collect::<Vec<_>>(), [10, 0, 1, 2, 3, 4, 5, 6]);
    // Who comes later finds the maker's size.
    let again = segment.published_bytes("config", 5).expect("there");
    assert_eq!((again.max_bytes(), again.sequence()), (1024, 1026));
    again.update(|old| [old, b"x"].concat()).expect("free");
    assert_eq!(bytes.load_if_newer(1026).expect("whole").expect("newer").value, b"abcdefghijx");
    assert!(segment.get_published_bytes("none").expect("no error").is_none());
}

#[test]
fn geometry_and_lengths_that_cannot_be_are_errors_or_cut() {
    let segment = segment();
    let bytes = segment.published_bytes("config", 64).expect("room");
    bytes.publish(b"abc").expect("free");
    // The area's head lies 384 bytes in front of its first buffer; of each buffer the length at 56.
    let head = bytes.head_for_tests();
    let length = |buffer: usize| word_at(head, 384 + buffer * 128 + 56);
    assert_eq!(length(1).load(Relaxed), 3);
    for hostile in [65, 1 << 40, u64::MAX] {
        length(1).store(hostile, Relaxed);
        assert!(bytes.load().expect("the stamp is whole").value.len() <= 64);
        assert!(bytes.history()[0].value.len() <= 64);
    }
    let buffers = word_at(head, 256);
    for hostile in [0, 1, 3, 1 << 15, 1 << 40, u64::MAX] {
        buffers.store(hostile, Relaxed);
        let opened = segment.published_bytes("config", 64);
        assert_eq!(opened.map(|_| ()).map_err(|error| error.kind()), Err(ErrorKind::Corrupt), "{hostile}");
    }
    for possible in [2, 4, 16] {
        buffers.store(possible, Relaxed);
        let opened = segment.published_bytes("config", 64).expect("it fits");
        assert!(opened.max_bytes() < 2048 / possible as usize);
        let _ = opened.load();
        let _ = opened.history();
    }
}

#[test]
fn refused_update_publishes_nothing_and_unlocks() {
    let segment = segment();
    let bytes = segment.published_bytes("config", 64).expect("room");
    let refused = bytes.try_update(|_| Err(Error::new(ErrorKind::InvalidInput, "no")));
    assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::InvalidInput));
    assert_eq!(bytes.update(|_| vec![0; 65]).map_err(|error| error.kind()), Err(ErrorKind::NoSpace));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bytes.update(|_| panic!("no"))));
    assert!(panicked.is_err());
    assert_eq!(bytes.update(|_| bytes.publish(b"x").map_or_else(|_| b"nested".to_vec(), |_| Vec::new())).ok(), Some(1));
    assert_eq!(bytes.load().expect("whole").value, b"nested", "publishing within an update is refused");
}
