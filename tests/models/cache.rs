//! The cache's index and eviction against readers, pins and deaths: a shard of a few words.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use cotenant::__private::ModelCache;

use crate::world::{Tasks, deaths, explore, share, step};

/// Of that key and round: two words, of which none belongs to another.
fn value(key: u64, round: u64) -> Vec<u8> {
    [key << 32 | round, !(key << 32 | round)].iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// The round of a whole value of that key.
fn round_of(key: u64, value: &[u8]) -> u64 {
    let word = |at: usize| u64::from_ne_bytes(value[at..at + 8].try_into().expect("eight bytes"));
    assert_eq!(value.len(), 16, "two words");
    assert_eq!(word(0), !word(8), "mixed bytes");
    assert_eq!(word(0) >> 32, key, "another key's value");
    word(0) & 0xffff_ffff
}

/// After everything: each key can be written and read, and the sum is that of what can be read.
fn is_whole(cache: &ModelCache, keys: u64) {
    for key in 0..keys {
        assert!(cache.insert(&key.to_ne_bytes(), &value(key, 99)));
        assert_eq!(cache.get(&key.to_ne_bytes()), Some(value(key, 99)), "what was just written");
    }
    let readable = (0..keys).filter(|key| cache.get(&key.to_ne_bytes()).is_some()).count();
    assert_eq!(cache.counted_entries(), readable as u64);
}

/// Holes are used again and again under a reader's eyes. What it reads is whole, of its key, and not from before what
/// it knew to be written.
#[test]
fn values_are_whole_and_in_order_while_holes_are_used_again() {
    explore(1, || {
        let (cache, told) = (share(ModelCache::new(4)), share(AtomicU64::new(0)));
        let mut tasks = Tasks::default();
        tasks.spawn(|| {
            for round in 1..=3 {
                cache.insert(&0_u64.to_ne_bytes(), &value(0, round));
                told.store(round, SeqCst);
                cache.insert(&1_u64.to_ne_bytes(), &value(1, round));
            }
        });
        tasks.spawn(|| {
            cache.insert(&2_u64.to_ne_bytes(), &value(2, 1));
            cache.remove(&2_u64.to_ne_bytes());
        });
        for _ in 0..2 {
            let before = told.load(SeqCst);
            match cache.get(&0_u64.to_ne_bytes()) {
                Some(found) => assert!(round_of(0, &found) >= before, "older than what was told"),
                None => assert_eq!(before, 0, "there is room for all"),
            }
        }
        tasks.join();
        is_whole(cache, 3);
    });
}

/// Slabs are emptied, and their memory is written again, under a reader's eyes.
#[test]
fn values_are_whole_while_others_are_evicted() {
    explore(1, || {
        let cache = share(ModelCache::new(3));
        cache.insert(&0_u64.to_ne_bytes(), &value(0, 1));
        let mut tasks = Tasks::default();
        tasks.spawn(|| (1..5).for_each(|key: u64| assert!(cache.insert(&key.to_ne_bytes(), &value(key, 1)))));
        tasks.spawn(|| {
            for key in [0, 3, 0_u64] {
                if let Some(found) = cache.get(&key.to_ne_bytes()) {
                    assert_eq!(round_of(key, &found), 1);
                }
            }
        });
        tasks.join();
        let keys = (0..5_u64).filter(|key| cache.get(&key.to_ne_bytes()).is_some_and(|it| round_of(*key, &it) == 1));
        assert!(keys.count() <= 4);
        assert!(cache.insert(&7_u64.to_ne_bytes(), &value(7, 1)), "there is something to evict");
        assert_eq!(cache.get(&7_u64.to_ne_bytes()), Some(value(7, 1)));
    });
}

/// The same, when an entry is looked at alone: slots that lead to the same place again, and slabs that are opened again.
#[test]
fn values_that_are_read_alone_are_whole_and_in_order() {
    explore(1, || {
        let (cache, told) = (share(ModelCache::new(3)), share(AtomicU64::new(0)));
        let mut tasks = Tasks::default();
        tasks.spawn(|| {
            for round in 1..=4 {
                cache.insert(&0_u64.to_ne_bytes(), &value(0, round));
                told.store(round, SeqCst);
                if round == 2 {
                    (1..4).for_each(|key: u64| assert!(cache.insert(&key.to_ne_bytes(), &value(key, 1))));
                }
            }
        });
        for _ in 0..3 {
            let before = told.load(SeqCst);
            if let Some(found) = cache.get_alone(&0_u64.to_ne_bytes()) {
                assert!(round_of(0, &found) >= before, "older than what was told");
            }
        }
        tasks.join();
        // All keys that were written: those that are left count in the sum.
        is_whole(cache, 4);
    });
}

/// Each computes what the other one asks for meanwhile: both come to their end.
#[test]
fn a_circle_of_computations_comes_to_its_end() {
    explore(1, || {
        let cache = share(ModelCache::new(4));
        let compute = |one: u64, other: u64| {
            let found = cache.compute(&one.to_ne_bytes(), || {
                let inner = cache.compute(&other.to_ne_bytes(), || value(other, 1));
                assert_eq!(round_of(other, &inner), 1);
                value(one, 1)
            });
            assert_eq!(round_of(one, &found), 1);
        };
        let mut tasks = Tasks::default();
        tasks.spawn(move || compute(0, 1));
        compute(1, 0);
        tasks.join();
    });
}

/// What is pinned stays as it was, whatever becomes of the entry.
#[test]
fn pinned_values_stay() {
    explore(1, || {
        let cache = share(ModelCache::new(4));
        cache.insert(&0_u64.to_ne_bytes(), &value(0, 1));
        let mut tasks = Tasks::default();
        tasks.spawn(|| {
            cache.insert(&0_u64.to_ne_bytes(), &value(0, 2));
            cache.insert(&1_u64.to_ne_bytes(), &value(1, 2));
            for key in 2..6_u64 {
                cache.insert(&key.to_ne_bytes(), &value(key, 1));
            }
        });
        tasks.spawn(|| {
            if let Some(pin) = cache.pin(&0_u64.to_ne_bytes()) {
                let before = pin.value();
                round_of(0, &before);
                step();
                assert_eq!(pin.value(), before, "a pinned value has changed");
            }
        });
        tasks.join();
        assert!(cache.insert(&7_u64.to_ne_bytes(), &value(7, 1)), "no pin is left");
    });
}

/// One computes at a time, and only once, unless it dies.
#[test]
fn computed_once() {
    explore(1, || {
        let (cache, inside, begun) = (share(ModelCache::new(4)), share(AtomicU32::new(0)), share(AtomicU32::new(0)));
        let compute = || {
            let found = cache.compute(&0_u64.to_ne_bytes(), || {
                assert!(inside.fetch_add(1, SeqCst) <= deaths(), "two compute");
                begun.fetch_add(1, SeqCst);
                step();
                inside.fetch_sub(1, SeqCst);
                value(0, 1)
            });
            assert_eq!(round_of(0, &found), 1);
        };
        let mut tasks = Tasks::default();
        for _ in 0..2 {
            tasks.spawn(compute);
        }
        compute();
        tasks.join();
        assert!((1..=1 + deaths()).contains(&begun.load(SeqCst)));
    });
}
