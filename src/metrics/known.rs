//! `Known`: what this process has looked up, found without a lock.
//!
//! ```text
//! buckets   | - | p | - | p | ...      p -> newest -> ... -> oldest
//! ```
//!
//! Looked up once, a metric stays, so this only grows: a node is put in front of its bucket by one exchange, and never
//! changed or taken out. So it is whole at every instant, and a child that is forked while other threads add to it has
//! it as it was then, with nothing locked in it for ever.

#![allow(unsafe_code)]

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use metrics::Key;

/// The most buckets: with more series than that, some are looked through.
const MOST_BUCKETS: usize = 1 << 16;

/// Metrics of one kind, by their keys.
pub(super) struct Known<T> {
    buckets: Box<[AtomicPtr<Node<T>>]>,
}

struct Node<T> {
    key: Key,
    found: Arc<T>,
    /// The one that was there before; null for the first.
    next: *const Node<T>,
}

// SAFETY: nodes are shared, never changed, and only read through `&self`.
unsafe impl<T: Send + Sync> Send for Known<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Known<T> {}

impl<T> Known<T> {
    /// For about so many.
    pub(super) fn new(series: u32) -> Known<T> {
        let buckets = (series as usize).next_power_of_two().clamp(16, MOST_BUCKETS);
        Known { buckets: (0..buckets).map(|_| AtomicPtr::new(ptr::null_mut())).collect() }
    }

    fn bucket(&self, key: &Key) -> &AtomicPtr<Node<T>> {
        &self.buckets[key.get_hash() as usize & (self.buckets.len() - 1)]
    }

    /// Looks from `node` up to the one before `end`.
    fn look(&self, mut node: *const Node<T>, end: *const Node<T>, key: &Key) -> Option<&Arc<T>> {
        while node != end {
            // SAFETY: not null, because each chain ends with null or comes to `end`; nodes live as long as the table.
            let here = unsafe { &*node };
            if here.key == *key {
                return Some(&here.found);
            }
            node = here.next;
        }
        None
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<T>> {
        // Acquire pairs with the Release of the exchange in `insert`: who sees a node sees what is in it.
        self.look(self.bucket(key).load(Acquire), ptr::null(), key)
    }

    /// Remembers what was found; if another thread was first, gives what that one found.
    pub(super) fn insert(&self, key: &Key, found: T) -> Arc<T> {
        let bucket = self.bucket(key);
        let mut node = Box::new(Node { key: key.clone(), found: Arc::new(found), next: ptr::null() });
        let mut seen = ptr::null();
        loop {
            // Acquire as in `get`.
            let first = bucket.load(Acquire);
            if let Some(theirs) = self.look(first, seen, key) {
                return Arc::clone(theirs);
            }
            node.next = first;
            let ours = Box::into_raw(node);
            // Killed here, or forked: the node is nobody's, and the bucket is as it was.
            match bucket.compare_exchange(first, ours, AcqRel, Relaxed) {
                // SAFETY: it is in the table, and stays.
                Ok(_) => return Arc::clone(&unsafe { &*ours }.found),
                // SAFETY: `ours` came from the box above, and nobody else has seen it.
                Err(_) => node = unsafe { Box::from_raw(ours) },
            }
            seen = first;
        }
    }
}

impl<T> Drop for Known<T> {
    fn drop(&mut self) {
        for bucket in &mut self.buckets {
            let mut node = *bucket.get_mut();
            while !node.is_null() {
                // SAFETY: made by a box in `insert`, and this is the only one who still has the table.
                let here = unsafe { Box::from_raw(node) };
                node = here.next.cast_mut();
            }
        }
    }
}

/// Keys that were refused for good, so that they are not looked for over and over: the last ones, by their hashes.
pub(super) struct Refused {
    hashes: [AtomicU64; Refused::PLACES],
}

impl Refused {
    const PLACES: usize = 1024;

    pub(super) fn new() -> Refused {
        Refused { hashes: [const { AtomicU64::new(0) }; Refused::PLACES] }
    }

    /// `kind` tells keys of one name apart that were asked for as another kind of metric.
    fn place(&self, key: &Key, kind: u64) -> (&AtomicU64, u64) {
        let hash = key.get_hash().wrapping_add(kind).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (&self.hashes[(hash >> 54) as usize % Refused::PLACES], hash)
    }

    pub(super) fn has(&self, key: &Key, kind: u64) -> bool {
        let (place, hash) = self.place(key, kind);
        place.load(Relaxed) == hash
    }

    pub(super) fn add(&self, key: &Key, kind: u64) {
        let (place, hash) = self.place(key, kind);
        place.store(hash, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_add_one_key_get_one_metric() {
        let known = Known::<AtomicU64>::new(1);
        let added: Vec<Vec<Arc<AtomicU64>>> = std::thread::scope(|scope| {
            let add = || {
                let keys = (0..500).map(|number| Key::from_name(format!("key.{number}")));
                keys.map(|key| known.insert(&key, AtomicU64::new(0))).collect()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(add)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for number in 0..500 {
            let found = known.get(&Key::from_name(format!("key.{number}"))).expect("it is known");
            assert!(added.iter().all(|all| Arc::ptr_eq(&all[number], found)), "{number}");
        }
        assert!(known.get(&Key::from_name("key.500")).is_none());
    }

    #[test]
    fn refused_keys_are_known_by_key_and_kind_and_are_bounded() {
        let refused = Refused::new();
        let key = |number: usize| Key::from_name(format!("key.{number}"));
        refused.add(&key(0), 1);
        assert!(refused.has(&key(0), 1) && !refused.has(&key(0), 2) && !refused.has(&key(1), 1));
        (0..10_000).for_each(|number| refused.add(&key(number), 1));
        assert!((0..10_000).filter(|number| refused.has(&key(*number), 1)).count() <= Refused::PLACES);
    }
}
