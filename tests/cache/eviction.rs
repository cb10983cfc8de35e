//! Who goes when there is no room, and that there is always room for one more.

use std::thread;
use std::time::Duration;

use cotenant::cache::Cache;

use crate::make::{cache, value};

crate::tests![
    the_budget_is_never_exceeded_and_never_too_small,
    lengths_that_change_leave_no_unusable_rest,
    what_is_used_stays_when_a_scan_comes,
    expired_entries_give_their_space_back,
    removed_entries_give_their_space_back,
    entries_shorter_than_was_said_evict_by_index_and_go_on,
    an_entry_costs_at_most_64_bytes_on_top,
];

/// Bytes of keys and values of what can be read.
fn readable(cache: &Cache) -> u64 {
    cache.iter().map(|entry| (entry.key.len() + entry.value.len()) as u64).sum()
}

fn the_budget_is_never_exceeded_and_never_too_small() {
    let cache = cache(Cache::options().capacity_bytes(1 << 20).mean_entry_bytes(200));
    for number in 0..50_000_u64 {
        cache.insert(number.to_ne_bytes(), value(number, 1, 192), None).expect("room");
        assert_eq!(cache.get(number.to_ne_bytes()).map(|it| it.len()), Some(192), "the newest is there");
    }
    let stats = cache.stats();
    assert_eq!(stats.bytes, readable(&cache));
    assert!(stats.bytes > (1 << 20) * 6 / 10, "{} bytes are used", stats.bytes);
    assert_eq!(stats.evicted_for_space + stats.evicted_by_index, 50_000 - stats.entries);
    assert!(stats.evicted_by_index * 100 < stats.evicted_for_space, "{stats:?}");
}

/// Small ones, then large ones, then both: what APCu and others answer with "no memory".
fn lengths_that_change_leave_no_unusable_rest() {
    let cache = cache(Cache::options().capacity_bytes(1 << 20).max_entry_bytes(30_000));
    let most = cache.max_entry_bytes() - 8;
    let mut number = 0_u64;
    for round in 0..6 {
        for step in 0..3000_u64 {
            number += 1;
            let bytes = match round {
                0 | 3 => 20,
                1 | 4 => most,
                _ => [8, 100, 1000, most / 2, most][step as usize % 5],
            };
            cache.insert(number.to_ne_bytes(), value(number, 1, bytes), None).expect("room");
            assert!(cache.contains(number.to_ne_bytes()));
        }
        assert_eq!(cache.stats().bytes, readable(&cache));
    }
    assert!(cache.stats().bytes > 500_000, "{:?}", cache.stats());
}

fn what_is_used_stays_when_a_scan_comes() {
    let cache = cache(Cache::options().capacity_bytes(1 << 20).mean_entry_bytes(200));
    let hot = 1000_u64;
    for number in 0..hot {
        cache.insert(number.to_ne_bytes(), value(number, 1, 200), None).expect("room");
    }
    let mut next = hot;
    for _ in 0..30 {
        for number in 0..hot {
            cache.get(number.to_ne_bytes());
        }
        for _ in 0..1000 {
            cache.insert(next.to_ne_bytes(), value(next, 1, 200), None).expect("room");
            next += 1;
        }
    }
    let left = (0..hot).filter(|number| cache.contains(number.to_ne_bytes())).count();
    assert!(left >= 950, "{left} of {hot} are left");
}

fn expired_entries_give_their_space_back() {
    let cache = cache(Cache::options().capacity_bytes(1 << 20).mean_entry_bytes(200));
    // Two thirds for ever, then short ones until there is no room for more.
    let lasting = 2200_u64;
    for number in 0..lasting {
        cache.insert(number.to_ne_bytes(), value(number, 1, 192), None).expect("room");
    }
    for number in 10_000..11_000_u64 {
        cache.insert(number.to_ne_bytes(), value(number, 1, 192), Duration::from_millis(50)).expect("room");
    }
    assert_eq!(cache.stats().evicted_for_space, 0, "there was room for all");
    thread::sleep(Duration::from_millis(80));
    for number in 20_000..21_500_u64 {
        cache.insert(number.to_ne_bytes(), value(number, 1, 192), None).expect("room");
    }
    let stats = cache.stats();
    assert!(stats.evicted_expired >= 700, "{stats:?}");
    let left = (0..lasting).filter(|number| cache.contains(number.to_ne_bytes())).count();
    assert!(left as u64 >= lasting * 9 / 10, "{left} of {lasting} that last are left: {stats:?}");
}

fn removed_entries_give_their_space_back() {
    let cache = cache(Cache::options().capacity_bytes(1 << 20).mean_entry_bytes(200));
    let all = 3000_u64;
    for number in 0..all {
        cache.insert(number.to_ne_bytes(), value(number, 1, 192), None).expect("room");
    }
    assert_eq!(cache.stats().evicted_for_space, 0, "there was room for all");
    for number in 0..all {
        if number % 3 != 0 {
            cache.remove(number.to_ne_bytes()).expect("no error");
        }
    }
    // Of another length, so that no hole fits.
    for number in 10_000..11_500_u64 {
        cache.insert(number.to_ne_bytes(), value(number, 1, 232), None).expect("room");
    }
    let stats = cache.stats();
    assert_eq!(stats.evicted_for_space, 0, "{stats:?}");
    let left = (0..all).step_by(3).filter(|number| cache.get(number.to_ne_bytes()) == Some(value(*number, 1, 192)));
    assert!(left.count() as u64 + stats.evicted_by_index >= all / 3, "{stats:?}");
    assert!(stats.evicted_by_index < 10, "{stats:?}");
}

fn entries_shorter_than_was_said_evict_by_index_and_go_on() {
    let cache = cache(Cache::options().capacity_bytes(256 << 10).mean_entry_bytes(4000));
    for number in 0..20_000_u64 {
        cache.insert(number.to_ne_bytes(), "x", None).expect("room");
        assert!(cache.contains(number.to_ne_bytes()));
    }
    let stats = cache.stats();
    assert!(stats.evicted_by_index > 10_000, "{stats:?}");
    assert_eq!(cache.iter().count() as u64, stats.entries);
}

fn an_entry_costs_at_most_64_bytes_on_top() {
    let cache = cache(Cache::options().capacity_bytes(16 << 20).mean_entry_bytes(116));
    let mut number = 0_u64;
    while cache.stats().evicted_for_space == 0 {
        for _ in 0..1000 {
            cache.insert(format!("key:{number:012}"), value(number, 1, 100), None).expect("room");
            number += 1;
        }
    }
    for number in number..2 * number {
        cache.insert(format!("key:{number:012}"), value(number, 1, 100), None).expect("room");
    }
    let stats = cache.stats();
    let overhead = (stats.capacity_bytes - stats.bytes) as f64 / stats.entries as f64;
    println!("{overhead:.1} bytes of overhead for each of {} entries", stats.entries);
    assert!(overhead <= 64.0, "{overhead:.1} bytes: {stats:?}");
}
