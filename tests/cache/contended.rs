//! What is found while others write: beside entries that change all the time, and in a cache that grows.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use cotenant::cache::{Cache, CacheOptions};

use crate::make::{cache, name, value};

crate::tests![
    a_long_value_is_found_beside_entries_that_change_all_the_time,
    a_reader_finds_a_long_value_beside_entries_that_change_all_the_time,
    a_long_value_that_changes_all_the_time_is_found_whole,
    an_iteration_gives_what_is_there_while_the_cache_grows,
    threads_of_any_number_count_what_they_do,
    a_cache_with_many_pins_grows_to_what_was_said,
];

const LONG_BYTES: usize = 60_000;

/// Two buckets for each shard, so that all keys are neighbours.
fn crowded() -> CacheOptions {
    Cache::options().capacity_bytes(4 << 20).max_entry_bytes(LONG_BYTES as u64 + 100).mean_entry_bytes(1 << 20)
}

/// Runs `read` while two threads write without a rest.
fn beside_writers(write: impl Fn(u64) + Sync, read: impl FnOnce()) {
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in 0..2_u64 {
            let (ends, write) = (&ends, &write);
            scope.spawn(move || {
                let mut round = writer << 32;
                while !ends.load(Relaxed) {
                    write(round);
                    round += 1;
                }
            });
        }
        // Also if it panics.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Relaxed);
            }
        }
        let _end = End(&ends);
        read();
    });
}

fn count_up(cache: &Cache, round: u64) {
    cache.increment([b'n', (round % 6) as u8], 1, 0, None).expect("room");
}

fn a_long_value_is_found_beside_entries_that_change_all_the_time() {
    let cache = cache(crowded());
    let long = value(1, 1, LONG_BYTES);
    cache.insert("long", &long, None).expect("room");
    beside_writers(
        |round| count_up(&cache, round),
        || {
            for nth in 0..60 {
                assert!(cache.read_with("long", |it| it == long) == Some(true), "time {nth}");
            }
        },
    );
}

fn a_reader_finds_a_long_value_beside_entries_that_change_all_the_time() {
    if cfg!(windows) {
        return; // It has no readers.
    }
    let (name, options) = (name(), crowded().mode(0o644));
    let cache = options.create(&name).expect("a cache");
    let reader = options.open_reader(&name).expect("a reader");
    let long = value(1, 1, LONG_BYTES);
    cache.insert("long", &long, None).expect("room");
    beside_writers(
        |round| count_up(&cache, round),
        || {
            let mut buffer = Vec::new();
            for nth in 0..60 {
                assert!(reader.get_into("long", &mut buffer) && buffer == long, "time {nth}");
            }
            let mut slice = vec![0; LONG_BYTES];
            assert_eq!(reader.get_into_slice("long", &mut slice), Some(LONG_BYTES));
            assert!(slice == long && reader.contains("long") && !reader.contains("another"));
        },
    );
}

fn a_long_value_that_changes_all_the_time_is_found_whole() {
    let cache = cache(crowded());
    let values: Vec<_> = (0..4).map(|round| value(1, round, LONG_BYTES - round as usize * 8)).collect();
    cache.insert("long", &values[0], None).expect("room");
    beside_writers(
        |round| cache.insert("long", &values[round as usize % 4], None).expect("room"),
        || {
            let mut buffer = Vec::new();
            for nth in 0..60 {
                assert!(cache.get_into("long", &mut buffer), "time {nth}");
                assert!(values.contains(&buffer), "time {nth}: mixed bytes");
                let pin = cache.pin("long").expect("a pin").expect("there");
                let before = pin.to_vec();
                assert!(values.contains(&before) && *pin == *before, "time {nth}: mixed bytes in place");
            }
        },
    );
}

fn an_iteration_gives_what_is_there_while_the_cache_grows() {
    // Shorter than was said, so that buckets are full and entries lie in their second ones.
    let options = Cache::options().capacity_bytes(256 << 10).max_capacity_bytes(4 << 20).mean_entry_bytes(256);
    let keys = 900_u64;
    for taken in [1, 100, 300, 500, 700, 850] {
        let cache = cache(options.clone());
        for number in 0..keys {
            cache.insert(number.to_ne_bytes(), value(number, 1, 40), None).expect("room");
        }
        let there: HashSet<_> = cache.iter().map(|entry| entry.key).collect();
        assert!(there.len() > 800, "{:?}", cache.stats());
        let mut entries = cache.iter();
        let mut seen: HashSet<_> = entries.by_ref().take(taken).map(|entry| entry.key).collect();
        cache.grow(4 << 20).expect("room");
        // Each shard takes the larger index with its next change.
        for number in keys..keys + 100 {
            cache.insert(number.to_ne_bytes(), "new", None).expect("room");
        }
        seen.extend(entries.map(|entry| entry.key));
        let missed = there.difference(&seen).count();
        assert_eq!(missed, 0, "of {} after {taken}", there.len());
    }
}

fn threads_of_any_number_count_what_they_do() {
    let cache = cache(Cache::options().capacity_bytes(1 << 20));
    cache.insert("k", "value", None).expect("room");
    // One after the other, and more at a time than have lines of their own.
    for _ in 0..100 {
        thread::scope(|scope| drop(scope.spawn(|| (0..7).for_each(|_| drop(cache.get("k"))))));
    }
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                (0..100).for_each(|_| drop(cache.get("k")));
                thread::sleep(Duration::from_millis(20));
                (0..100).for_each(|_| drop(cache.get("k")));
            });
        }
    });
    assert_eq!(cache.process_stats().hits, 100 * 7 + 50 * 200);
    assert_eq!(cache.stats().activity.hits, 100 * 7 + 50 * 200);
}

fn a_cache_with_many_pins_grows_to_what_was_said() {
    let options = Cache::options().capacity_bytes(1 << 20).max_capacity_bytes(8 << 20);
    let cache = cache(options.max_pins(1 << 16).max_participants(4095));
    cache.grow(8 << 20).expect("room");
    let capacity = cache.capacity_bytes();
    assert!(capacity > (8 << 20) * 98 / 100, "{capacity} bytes");
}
