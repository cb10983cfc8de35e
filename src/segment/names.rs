//! Names that this process has looked up: from a name to its object in some ten nanoseconds, without a lock.
//!
//! ```text
//! buckets   | 0 | 1 | 2 | ...                      a chain for each, which only ever grows at its end
//!                 |
//!                 +--> "jobs" entry 3 --> "done" entry 7 --> nothing
//! ```
//!
//! An entry of the directory is never used for another object, so what is remembered stays true, but that the object's
//! name may have been taken from it: whoever finds one here looks at the entry's state. A chain keeps those, too; there
//! are at most as many as the directory has entries.

use std::sync::OnceLock;

/// Buckets for a directory of many objects; 64 KiB.
const MAX_BUCKETS: usize = 4096;

/// A table from names to objects, read and added to by any number of threads.
pub(crate) struct Names {
    /// A power of two of them.
    buckets: Box<[Link]>,
}

type Link = OnceLock<Box<Known>>;

/// An object that was found ready.
pub(crate) struct Known {
    name: Box<str>,
    next: Link,
    pub(crate) object: KnownObject,
}

/// What is remembered of an object.
#[derive(Clone, Copy)]
pub(crate) struct KnownObject {
    pub(crate) index: u32,
    pub(crate) fingerprint: u64,
    /// Of the value in this process, which stays where it is.
    pub(crate) address: usize,
}

impl KnownObject {
    pub(crate) fn place(self) -> Option<std::ptr::NonNull<u8>> {
        std::ptr::NonNull::new(std::ptr::with_exposed_provenance_mut(self.address))
    }
}

impl Names {
    pub(crate) fn new(objects_max: u32) -> Names {
        let buckets = (objects_max as usize).clamp(16, MAX_BUCKETS).next_power_of_two();
        Names { buckets: (0..buckets).map(|_| Link::new()).collect() }
    }

    /// The remembered objects of that name for which `is_current` holds: at most one at a time is.
    #[inline]
    pub(crate) fn get(&self, name: &str, is_current: impl Fn(&KnownObject) -> bool) -> Option<KnownObject> {
        // `get` is an Acquire that pairs with the Release in `add`.
        let mut link = self.bucket(name);
        while let Some(known) = link.get() {
            if *known.name == *name && is_current(&known.object) {
                return Some(known.object);
            }
            link = &known.next;
        }
        None
    }

    /// Remembers an object.
    pub(crate) fn add(&self, name: &str, object: KnownObject) {
        let mut link = self.bucket(name);
        let mut known = Box::new(Known { name: name.into(), next: Link::new(), object });
        loop {
            let Err(ours) = link.set(known) else { return };
            known = ours;
            let Some(taken) = link.get() else { return };
            if taken.object.index == object.index {
                return; // Another thread looked it up at the same moment.
            }
            link = &taken.next;
        }
    }

    #[inline]
    fn bucket(&self, name: &str) -> &Link {
        &self.buckets[hash(name.as_bytes()) as usize & (self.buckets.len() - 1)]
    }
}

impl Drop for Names {
    /// Link by link: dropping a chain from its head would recurse as deep as it is long.
    fn drop(&mut self) {
        for bucket in &mut self.buckets {
            let mut next = bucket.take();
            while let Some(mut known) = next {
                next = known.next.take();
            }
        }
    }
}

/// Eight bytes at a time; only this process sees it. (The directory's own FNV-1a takes a multiplication for a byte.)
#[inline]
fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let mut hash = bytes.len() as u64;
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk::<8>() {
        hash = mix(hash, u64::from_le_bytes(*word));
        rest = behind;
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    hash = mix(hash, u64::from_le_bytes(last));
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(index: u32) -> KnownObject {
        KnownObject { index, fingerprint: u64::from(index), address: 0 }
    }

    #[test]
    fn a_later_object_of_the_same_name_is_found_when_the_first_is_gone() {
        let names = Names::new(4);
        names.add("a", object(0));
        names.add("a", object(1));
        names.add("a", object(1));
        assert_eq!(names.get("a", |_| true).map(|known| known.index), Some(0));
        assert_eq!(names.get("a", |known| known.index != 0).map(|known| known.index), Some(1));
        assert!(names.get("a", |known| known.index > 1).is_none());
        assert!(names.get("b", |_| true).is_none());
    }

    #[test]
    fn threads_that_add_the_same_names_lose_none() {
        let names = Names::new(16);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for index in 0..2_000 {
                        names.add(&format!("object {index}"), object(index));
                    }
                });
            }
        });
        for index in 0..2_000 {
            let found = names.get(&format!("object {index}"), |_| true);
            assert_eq!(found.map(|known| known.index), Some(index));
        }
        let links = names.buckets.iter().map(chain_len).sum::<usize>();
        assert_eq!(links, 2_000, "an object is remembered once");
    }

    fn chain_len(mut link: &Link) -> usize {
        let mut len = 0;
        while let Some(known) = link.get() {
            len += 1;
            link = &known.next;
        }
        len
    }

    #[test]
    fn a_long_chain_is_dropped_without_recursion() {
        let mut chain = Link::new();
        for index in 0..1_000_000 {
            chain = Link::from(Box::new(Known { name: "a".into(), next: chain, object: object(index) }));
        }
        let mut names = Names::new(1);
        names.buckets[0] = chain;
        assert_eq!(chain_len(&names.buckets[0]), 1_000_000);
        drop(names);
    }
}
