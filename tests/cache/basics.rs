//! What each call promises, in one process.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use cotenant::cache::{Cache, Swap};
use cotenant::{ErrorKind, Keep, Segment};

use crate::make::{cache, name, small, value};

crate::tests![
    keys_and_values_of_any_length_come_back,
    an_entry_that_is_too_long_is_refused,
    insert_if_absent_and_replace_do_what_they_say,
    compare_and_swap_refuses_what_changed_meanwhile,
    increment_counts_and_refuses_what_is_no_number,
    time_to_live_ends_and_can_be_touched,
    stale_values_are_given_until_their_room_is_taken,
    get_into_uses_the_buffer_again_and_empties_it,
    read_with_gives_short_and_long_values,
    clear_and_iteration_agree,
    a_pin_shows_what_was_there,
    pins_come_to_an_end,
    one_computes_and_the_others_wait,
    computing_that_fails_or_panics_leaves_it_to_the_next,
    computing_the_same_key_inside_is_refused,
    who_compute_what_the_other_asks_for_do_not_wait_for_each_other,
    who_waits_inside_a_computation_without_a_circle_waits,
    a_circle_over_two_caches_is_none,
    stale_is_given_while_one_computes,
    statistics_count_what_happened,
    a_cache_lives_in_a_segment_with_other_things,
    a_kept_cache_is_there_again,
    options_that_cannot_be_are_refused,
    many_threads_write_and_read,
];

fn keys_and_values_of_any_length_come_back() {
    let cache = small();
    let most = cache.max_entry_bytes();
    let lengths = [0, 1, 7, 8, 9, 63, 64, 65, 1000, most - 100];
    for (nth, &key_bytes) in lengths.iter().enumerate() {
        for &value_bytes in lengths.iter().filter(|bytes| **bytes + key_bytes <= most) {
            let (key, value) = (value(nth as u64, 7, key_bytes), value(1, value_bytes as u64, value_bytes));
            cache.insert(&key, &value, None).expect("room");
            assert_eq!(cache.get(&key), Some(value), "{key_bytes} and {value_bytes} bytes");
        }
    }
    assert_eq!(cache.get("another"), None);
    // Keys that differ in trailing zeros alone are different.
    cache.insert(b"k", "one", None).expect("room");
    cache.insert(b"k\0", "two", None).expect("room");
    assert_eq!((cache.get(b"k"), cache.get(b"k\0")), (Some(b"one".to_vec()), Some(b"two".to_vec())));
}

fn an_entry_that_is_too_long_is_refused() {
    let cache = cache(Cache::options().capacity_bytes(4 << 20).max_entry_bytes(50_000));
    assert!(cache.max_entry_bytes() >= 50_000);
    cache.insert("k", value(1, 1, cache.max_entry_bytes() - 8), None).expect("room");
    let error = cache.insert("k", value(1, 1, cache.max_entry_bytes() + 1), None).expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("max_entry_bytes"), "{error}");
    assert_eq!(cache.get("k").map(|value| value.len()), Some(cache.max_entry_bytes() - 8), "as it was");
}

fn insert_if_absent_and_replace_do_what_they_say() {
    let cache = small();
    assert!(!cache.replace("k", "0", None).expect("no error"));
    assert_eq!(cache.get("k"), None);
    assert!(cache.insert_if_absent("k", "1", None).expect("no error"));
    assert!(!cache.insert_if_absent("k", "2", None).expect("no error"));
    assert_eq!(cache.get("k").as_deref(), Some(b"1".as_slice()));
    assert!(cache.replace("k", "3", None).expect("no error"));
    assert_eq!(cache.get("k").as_deref(), Some(b"3".as_slice()));
    assert!(cache.remove("k").expect("no error") && !cache.remove("k").expect("no error"));
    assert!(!cache.contains("k"));
    cache.insert("k", "4", Duration::from_millis(1)).expect("room");
    thread::sleep(Duration::from_millis(5));
    assert!(!cache.replace("k", "5", None).expect("no error"), "its time is over");
    assert!(!cache.remove("k").expect("no error"), "its time is over");
    cache.insert("k", "4", Duration::from_millis(1)).expect("room");
    thread::sleep(Duration::from_millis(5));
    assert!(cache.insert_if_absent("k", "6", None).expect("no error"), "its time is over");
}

fn compare_and_swap_refuses_what_changed_meanwhile() {
    let cache = small();
    assert_eq!(cache.compare_and_swap("k", 1, "x", None).expect("no error"), Swap::Absent);
    cache.insert("k", "1", None).expect("room");
    let first = cache.get_versioned("k").expect("there");
    let Swap::Done(second) = cache.compare_and_swap("k", first.version, "2", None).expect("no error") else {
        panic!("nobody was first")
    };
    assert_eq!(cache.compare_and_swap("k", first.version, "3", None).expect("no error"), Swap::Changed(second));
    // The same bytes again are another version.
    cache.insert("k", "2", None).expect("room");
    assert!(matches!(cache.compare_and_swap("k", second, "3", None).expect("no error"), Swap::Changed(_)));
    // So is an entry that was removed and came again.
    let version = cache.get_versioned("k").expect("there").version;
    cache.remove("k").expect("no error");
    cache.insert("k", "2", None).expect("room");
    assert!(matches!(cache.compare_and_swap("k", version, "3", None).expect("no error"), Swap::Changed(_)));
    assert_eq!(cache.get("k").as_deref(), Some(b"2".as_slice()));
}

fn increment_counts_and_refuses_what_is_no_number() {
    let cache = small();
    assert_eq!(cache.increment("n", 5, 100, None).expect("no error"), 100);
    assert_eq!(cache.increment("n", 5, 100, None).expect("no error"), 105);
    assert_eq!(cache.increment("n", -6, 100, None).expect("no error"), 99);
    let bytes: [u8; 8] = cache.get("n").expect("there").try_into().expect("eight bytes");
    assert_eq!(i64::from_ne_bytes(bytes), 99);
    assert_eq!(cache.increment("n", i64::MAX, 0, None).map_err(|error| error.kind()), Err(ErrorKind::InvalidInput));
    assert_eq!(cache.increment("n", 0, 0, None).expect("no error"), 99, "as it was");
    for text in ["7", "1234567", "123456789"] {
        cache.insert("text", text, None).expect("room");
        assert_eq!(cache.increment("text", 1, 0, None).map_err(|error| error.kind()), Err(ErrorKind::InvalidInput));
    }
    // The time to live is the first one's, also after further increments.
    let ttl = Duration::from_millis(100);
    within(ttl, || {
        cache.remove("short").expect("no error");
        cache.increment("short", 1, 1, ttl).expect("no error");
        cache.increment("short", 1, 1, None).expect("no error");
    });
    thread::sleep(Duration::from_millis(150));
    assert_eq!(cache.get("short"), None);
    assert_eq!(cache.increment("short", 1, 1, None).expect("no error"), 1, "a new one");
}

/// Does something again until it took less than `limit`: a busy machine may hold a thread up for longer.
fn within<R>(limit: Duration, act: impl Fn() -> R) -> R {
    loop {
        let start = Instant::now();
        let result = act();
        if start.elapsed() < limit {
            return result;
        }
    }
}

fn time_to_live_ends_and_can_be_touched() {
    let cache = small();
    let ttl = Duration::from_millis(40);
    let touched = within(ttl, || {
        cache.insert("short", "1", ttl).expect("room");
        cache.insert("touched", "2", ttl).expect("room");
        cache.insert("for ever", "3", ttl).expect("room");
        ["touched", "for ever"].map(|key| {
            let ttl = (key == "touched").then_some(Duration::from_secs(600));
            cache.touch(key, ttl).expect("no error")
        })
    });
    assert_eq!(touched, [true, true]);
    assert!(!cache.touch("nobody", None).expect("no error"));
    thread::sleep(Duration::from_millis(60));
    assert_eq!(cache.get("short"), None);
    assert!(!cache.contains("short") && cache.contains("touched") && cache.contains("for ever"));
    assert!(!cache.touch("short", None).expect("no error"), "its time is over");
    assert!(cache.touch("touched", Duration::ZERO).expect("no error"));
    assert_eq!(cache.get("touched"), None);
    cache.insert("long", "4", Duration::MAX).expect("room");
    assert!(cache.contains("long"));
}

fn stale_values_are_given_until_their_room_is_taken() {
    let cache = small();
    cache.insert("k", "old", Duration::from_millis(1)).expect("room");
    thread::sleep(Duration::from_millis(10));
    assert_eq!(cache.get("k"), None);
    let stale = cache.get_stale("k").expect("still there");
    assert_eq!(stale.value, b"old");
    assert!(stale.expired_for.expect("over") >= Duration::from_millis(5));
    cache.insert("k", "new", None).expect("room");
    let fresh = cache.get_stale("k").expect("there");
    assert_eq!((fresh.value.as_slice(), fresh.expired_for), (b"new".as_slice(), None));
    assert!(cache.get_stale("nobody").is_none());
}

fn get_into_uses_the_buffer_again_and_empties_it() {
    let cache = small();
    cache.insert("k", [7; 100], None).expect("room");
    let mut buffer = Vec::with_capacity(200);
    let place = buffer.as_ptr();
    assert!(cache.get_into("k", &mut buffer));
    assert_eq!((buffer.as_slice(), buffer.as_ptr()), ([7; 100].as_slice(), place));
    assert!(!cache.get_into("nobody", &mut buffer));
    assert!(buffer.is_empty() && buffer.capacity() == 200);
}

fn read_with_gives_short_and_long_values() {
    let cache = small();
    for bytes in [0, 1, 8, 1000, 1023, 1024, 1025, 5000] {
        let value = value(3, 3, bytes);
        cache.insert("k", &value, None).expect("room");
        assert_eq!(cache.read_with("k", |it| it == value), Some(true), "{bytes} bytes");
    }
    assert_eq!(cache.read_with("nobody", |_| ()), None);
}

fn clear_and_iteration_agree() {
    let cache = cache(Cache::options().capacity_bytes(4 << 20));
    assert_eq!(cache.iter().count(), 0);
    for number in 0..1000_u64 {
        let ttl = (number % 2 == 0).then(|| Duration::from_secs(600));
        cache.insert(number.to_ne_bytes(), value(number, 1, 50), ttl).expect("room");
    }
    cache.insert("over", "over", Duration::ZERO).expect("room");
    let mut seen: Vec<u64> = cache
        .iter()
        .map(|entry| {
            let number = u64::from_ne_bytes(entry.key.try_into().expect("a number's bytes"));
            assert_eq!(entry.value, value(number, 1, 50));
            assert_eq!(entry.expires_in.is_some(), (number % 2 == 0));
            number
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..1000).collect::<Vec<_>>());
    cache.clear().expect("no error");
    assert_eq!((cache.iter().count(), cache.stats().entries, cache.stats().bytes), (0, 0, 0));
    assert_eq!(cache.get(5_u64.to_ne_bytes()), None);
    cache.insert("again", "1", None).expect("room");
    assert_eq!(cache.stats().entries, 1);
}

fn a_pin_shows_what_was_there() {
    let cache = cache(Cache::options().capacity_bytes(256 << 10));
    let pinned_value = value(1, 1, 500);
    cache.insert("k", &pinned_value, None).expect("room");
    let pin = cache.pin("k").expect("a pin").expect("there");
    assert_eq!(pin.version(), cache.get_versioned("k").expect("there").version);
    cache.insert("k", value(1, 2, 500), None).expect("room");
    cache.remove("k").expect("no error");
    // Ten times the capacity: all other memory is used again.
    for number in 0..5000_u64 {
        cache.insert(number.to_ne_bytes(), value(number, 1, 500), None).expect("room");
    }
    assert_eq!(*pin, pinned_value);
    assert!(cache.pin("k").expect("a pin").is_none());
    cache.clear().expect("no error");
    for number in 0..5000_u64 {
        cache.insert(number.to_ne_bytes(), value(number, 1, 500), None).expect("room");
    }
    assert_eq!(*pin, pinned_value);
    drop(pin);
    let before = cache.stats().evicted_for_space;
    cache.insert("after", value(1, 1, 500), None).expect("room");
    assert!(cache.stats().evicted_for_space >= before);
}

fn pins_come_to_an_end() {
    let cache = cache(Cache::options().capacity_bytes(256 << 10).max_pins(3));
    cache.insert("k", "1", None).expect("room");
    let pins: Vec<_> = (0..3).map(|_| cache.pin("k").expect("a pin").expect("there")).collect();
    assert_eq!(cache.pin("k").map(|_| ()).map_err(|error| error.kind()), Err(ErrorKind::Full));
    drop(pins);
    assert!(cache.pin("k").expect("a pin").is_some());
    // What is nowhere free says so, and no more.
    let cache = crate::make::cache(Cache::options().capacity_bytes(64 << 10).max_pins(200));
    let mut pins = Vec::new();
    let error = (0..10_000_u64).find_map(|number| {
        let key = number.to_ne_bytes();
        let outcome = cache.insert(key, value(number, 1, 300), None).err();
        if outcome.is_none() {
            pins.extend(cache.pin(key).expect("a pin"));
        }
        outcome
    });
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::NoSpace));
    drop(pins);
    cache.insert("k", value(1, 1, 300), None).expect("room again");
}

fn one_computes_and_the_others_wait() {
    let cache = small();
    let calls = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let value = cache.get_or_insert_with("k", None, || {
                    calls.fetch_add(1, Relaxed);
                    thread::sleep(Duration::from_millis(50));
                    b"computed".to_vec()
                });
                assert_eq!(value.expect("no error"), b"computed");
            });
        }
    });
    assert_eq!(calls.into_inner(), 1);
    let stats = cache.stats().activity;
    assert_eq!(stats.computed, 1);
    assert!(stats.awaited >= 1, "{stats:?}");
    // Other keys do not wait for each other, also inside.
    let outer = cache.get_or_insert_with("outer", None, || {
        let inner = cache.get_or_insert_with("inner", None, || b"inner".to_vec()).expect("no error");
        [b"outer of ".as_slice(), &inner].concat()
    });
    assert_eq!(outer.expect("no error"), b"outer of inner");
}

fn computing_that_fails_or_panics_leaves_it_to_the_next() {
    let cache = small();
    #[derive(Debug)]
    struct Failed(Option<cotenant::Error>);
    impl From<cotenant::Error> for Failed {
        fn from(error: cotenant::Error) -> Failed {
            Failed(Some(error))
        }
    }
    let failed = cache.try_get_or_insert_with("k", None, || Err(Failed(None)));
    assert!(matches!(failed, Err(Failed(None))));
    let panicked = std::panic::catch_unwind(|| cache.get_or_insert_with("k", None, || panic!("on purpose")));
    assert!(panicked.is_err());
    assert_eq!(cache.get_or_insert_with("k", None, || b"1".to_vec()).expect("no error"), b"1");
    // What the cache cannot take is given all the same.
    let long = vec![1; cache.max_entry_bytes() + 1];
    assert_eq!(cache.get_or_insert_with("long", None, || long.clone()).expect("no error"), long);
    assert!(!cache.contains("long"));
}

fn computing_the_same_key_inside_is_refused() {
    let cache = small();
    let value = cache.get_or_insert_with("k", None, || {
        let inner = cache.get_or_insert_with("k", None, || b"inner".to_vec());
        assert_eq!(inner.map_err(|error| error.kind()), Err(ErrorKind::WouldDeadlock));
        b"outer".to_vec()
    });
    assert_eq!(value.expect("no error"), b"outer");
}

/// As many threads as `of` names computations, each of which asks for what it says when all have begun.
fn in_a_circle(of: &[(&Cache, &str, &Cache, &str)]) {
    let begun = Barrier::new(of.len());
    thread::scope(|scope| {
        for &(cache, key, other, asks_for) in of {
            let begun = &begun;
            scope.spawn(move || {
                let value = cache.get_or_insert_with(key, None, || {
                    begun.wait();
                    let inner = other.get_or_insert_with(asks_for, None, || asks_for.as_bytes().to_vec());
                    [key.as_bytes(), &inner.expect("no error")].concat()
                });
                let value = value.expect("no error");
                assert!(value.starts_with(key.as_bytes()), "{value:?} of {key}");
            });
        }
    });
}

fn who_compute_what_the_other_asks_for_do_not_wait_for_each_other() {
    let cache = small();
    for round in 0..20 {
        in_a_circle(&[(&cache, "a", &cache, "b"), (&cache, "b", &cache, "a")]);
        cache.clear().expect("no error");
        in_a_circle(&[(&cache, "a", &cache, "b"), (&cache, "b", &cache, "c"), (&cache, "c", &cache, "a")]);
        assert!(cache.contains("a") && cache.contains("b"), "round {round}");
        cache.clear().expect("no error");
    }
}

fn a_circle_over_two_caches_is_none() {
    let (one, other) = (small(), small());
    in_a_circle(&[(&one, "a", &other, "b"), (&other, "b", &one, "a")]);
    assert!(one.contains("a") && other.contains("b"));
}

fn who_waits_inside_a_computation_without_a_circle_waits() {
    let cache = small();
    let calls = AtomicU32::new(0);
    let begun = Barrier::new(4);
    thread::scope(|scope| {
        scope.spawn(|| {
            let shared = cache.get_or_insert_with("shared", None, || {
                begun.wait();
                thread::sleep(Duration::from_millis(300));
                calls.fetch_add(1, Relaxed);
                b"shared".to_vec()
            });
            assert_eq!(shared.expect("no error"), b"shared");
        });
        for page in ["one", "two", "three"] {
            let (cache, calls, begun) = (&cache, &calls, &begun);
            scope.spawn(move || {
                let value = cache.get_or_insert_with(page, None, || {
                    begun.wait();
                    let shared = cache.get_or_insert_with("shared", None, || {
                        calls.fetch_add(1, Relaxed);
                        b"computed twice".to_vec()
                    });
                    shared.expect("no error")
                });
                assert_eq!(value.expect("no error"), b"shared");
            });
        }
    });
    assert_eq!(calls.into_inner(), 1);
}

fn stale_is_given_while_one_computes() {
    let cache = small();
    cache.insert("k", "old", Duration::from_millis(1)).expect("room");
    thread::sleep(Duration::from_millis(10));
    let (ttl, long) = (Duration::from_secs(60), Duration::from_secs(60));
    let refreshed = cache.get_or_refresh_with("k", ttl, long, || {
        // Meanwhile, another one.
        let other = || cache.get_or_refresh_with("k", ttl, long, || b"computed twice".to_vec());
        let stale = thread::scope(|scope| scope.spawn(other).join().expect("no panic").expect("no error"));
        assert_eq!(stale, b"old");
        b"new".to_vec()
    });
    assert_eq!(refreshed.expect("no error"), b"new");
    assert_eq!(cache.get("k").as_deref(), Some(b"new".as_slice()));
    assert!(cache.stats().activity.stale_hits >= 1);
    // What has been stale for too long is not given: both wait for one.
    cache.insert("k", "old", Duration::from_millis(1)).expect("room");
    thread::sleep(Duration::from_millis(30));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let value = cache.get_or_refresh_with("k", ttl, Duration::from_millis(1), || {
                    thread::sleep(Duration::from_millis(50));
                    b"newer".to_vec()
                });
                assert_eq!(value.expect("no error"), b"newer");
            });
        }
    });
}

fn statistics_count_what_happened() {
    let cache = small();
    cache.insert("a", "12345", None).expect("room");
    cache.insert("b", "1", None).expect("room");
    cache.insert("a", "123", None).expect("room");
    cache.get("a");
    cache.get("b");
    cache.get("nobody");
    cache.remove("b").expect("no error");
    let stats = cache.stats();
    let activity = stats.activity;
    assert_eq!((activity.hits, activity.misses, activity.inserts), (2, 1, 3));
    assert_eq!((stats.entries, stats.bytes, stats.removed), (1, 4, 1));
    assert_eq!(activity, cache.process_stats());
    assert!(stats.capacity_bytes <= 1 << 20 && stats.capacity_bytes > 900_000);
    assert_eq!((stats.evicted_for_space, stats.evicted_expired, stats.evicted_by_index, stats.repairs), (0, 0, 0, 0));
}

fn a_cache_lives_in_a_segment_with_other_things() {
    let segment = std::sync::Arc::new(Segment::options().max_bytes(4 << 20).create(&name()).expect("a segment"));
    segment.get_or_init("number", || 5_u64).expect("room");
    let options = Cache::options().capacity_bytes(1 << 20);
    let one = options.in_segment(segment.clone(), "one").expect("room");
    let two = options.in_segment(segment.clone(), "two").expect("room");
    let again = options.in_segment(segment.clone(), "one").expect("there");
    one.insert("k", "1", None).expect("room");
    two.insert("k", "2", None).expect("room");
    assert_eq!((again.get("k"), two.get("k")), (Some(b"1".to_vec()), Some(b"2".to_vec())));
    assert!(one.is_created() && two.is_created() && !again.is_created());
    let full = Cache::options().capacity_bytes(8 << 20).in_segment(segment.clone(), "three");
    assert_eq!(full.map(|_| ()).map_err(|error| error.kind()), Err(ErrorKind::NoSpace));
    let other = options.in_segment(segment, "number").map(|_| ());
    assert_eq!(other.map_err(|error| error.kind()), Err(ErrorKind::Mismatch));
}

fn a_kept_cache_is_there_again() {
    if cfg!(windows) {
        return; // No backing of Windows keeps.
    }
    let name = name();
    let options = Cache::options().capacity_bytes(1 << 20).keep(Keep::UntilRemoved);
    let cache = options.create(&name).expect("a cache");
    for number in 0..500_u64 {
        cache.insert(number.to_ne_bytes(), value(number, 1, 100), None).expect("room");
    }
    drop(cache);
    let cache = Cache::options().open(&name).expect("kept");
    assert!(!cache.is_created());
    for number in 0..500_u64 {
        assert_eq!(cache.get(number.to_ne_bytes()), Some(value(number, 1, 100)));
    }
    cache.insert("more", "1", None).expect("room");
    drop(cache);
    options.unlink(&name).expect("no error");
    assert_eq!(Cache::options().open(&name).map(|_| ()).map_err(|error| error.kind()), Err(ErrorKind::NotFound));
}

fn options_that_cannot_be_are_refused() {
    let refused = |options: cotenant::cache::CacheOptions| {
        let error = options.create(&name()).map(|_| ()).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    };
    refused(Cache::options().capacity_bytes(0));
    refused(Cache::options().capacity_bytes(10_000));
    refused(Cache::options().capacity_bytes(u64::MAX));
    refused(Cache::options().capacity_bytes(1 << 20).max_entry_bytes(1 << 20));
    refused(Cache::options().capacity_bytes(1 << 20).max_entry_bytes(u64::MAX));
    refused(Cache::options().capacity_bytes(1 << 20).mean_entry_bytes(0));
    for capacity in [16 << 10, 20_000, 100_000, 1 << 20, 3_333_333, 64 << 20] {
        for mean in [1, 16, 256, 4096] {
            let cache = Cache::options().capacity_bytes(capacity).mean_entry_bytes(mean).create(&name());
            let cache = cache.unwrap_or_else(|error| panic!("{capacity} bytes of {mean}: {error}"));
            assert!(cache.capacity_bytes() <= capacity, "{} of {capacity}", cache.capacity_bytes());
            cache.insert("k", "1", None).expect("room");
            assert_eq!(cache.get("k").as_deref(), Some(b"1".as_slice()));
        }
    }
}

fn many_threads_write_and_read() {
    let cache = cache(Cache::options().capacity_bytes(300 << 10));
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..20_000_u64 {
                    let key = (round * 7 + thread * 13) % 3000;
                    let bytes = 10 + (key * 31 + round) as usize % 300;
                    if round % 3 == 0 {
                        let mut it = value(key, round, bytes);
                        it.extend_from_slice(&round.to_ne_bytes());
                        cache.insert(key.to_ne_bytes(), &it, None).expect("room");
                    } else if round % 101 == 0 {
                        cache.remove(key.to_ne_bytes()).expect("no error");
                    } else if let Some(found) = cache.get(key.to_ne_bytes()) {
                        let (body, round) = found.split_at(found.len() - 8);
                        let round = u64::from_ne_bytes(round.try_into().expect("eight bytes"));
                        assert_eq!(body, value(key, round, body.len()), "key {key}, round {round}");
                    }
                }
            });
        }
    });
    let stats = cache.stats();
    assert_eq!(stats.repairs, 0);
    assert_eq!(cache.iter().count() as u64, stats.entries);
    let bytes: usize = cache.iter().map(|entry| entry.key.len() + entry.value.len()).sum();
    assert_eq!(bytes as u64, stats.bytes);
}
