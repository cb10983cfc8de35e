//! The limit: a bare table in shared memory. Open addressing, a sequence number for each place, no eviction, no deaths,
//! keys and values of one length: less than a cache could do.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

use super::workload::{KEY_BYTES, Key, Store, VALUE_BYTES, Value, Workload};
use crate::sys;

const PLACES: usize = 1 << 18;
const KEY_WORDS: usize = KEY_BYTES / 8;
const VALUE_WORDS: usize = VALUE_BYTES.div_ceil(8);
/// Two lines.
const PLACE_WORDS: usize = 16;

pub(crate) struct Table {
    words: &'static [AtomicU64],
}

impl Table {
    pub(crate) fn new(workload: &Workload) -> anyhow::Result<Table> {
        let table = Table { words: sys::shared_words(PLACES * PLACE_WORDS)? };
        workload.fill(&table);
        Ok(table)
    }

    /// Where a key is looked for first, and on.
    fn places(&self, key: [u64; KEY_WORDS]) -> impl Iterator<Item = &'static [AtomicU64]> {
        let product = u128::from(key[0] ^ 0x9e37_79b9_7f4a_7c15) * u128::from(key[1] ^ 0xd1b5_4a32_d192_ed03);
        let start = (product as u64 ^ (product >> 64) as u64) as usize;
        let words = self.words;
        (0..PLACES).map(move |step| &words[(start + step) % PLACES * PLACE_WORDS..][..PLACE_WORDS])
    }
}

fn words_of(key: &Key) -> [u64; KEY_WORDS] {
    [0, 8].map(|at| u64::from_ne_bytes(key[at..at + 8].try_into().expect("eight bytes")))
}

fn holds(place: &[AtomicU64], key: [u64; KEY_WORDS]) -> bool {
    place[1].load(Relaxed) == key[0] && place[2].load(Relaxed) == key[1]
}

impl Store for Table {
    fn get(&self, key: &Key, value: &mut Vec<u8>) -> bool {
        let key = words_of(key);
        for place in self.places(key) {
            let mut copy = [0_u64; VALUE_WORDS];
            let is_it = loop {
                let before = place[0].load(Acquire);
                if before == 0 {
                    return false;
                }
                let is_it = holds(place, key);
                if is_it {
                    copy.iter_mut().zip(&place[1 + KEY_WORDS..]).for_each(|(to, from)| *to = from.load(Relaxed));
                }
                fence(Acquire);
                if before % 2 == 0 && place[0].load(Relaxed) == before {
                    break is_it;
                }
            };
            if is_it {
                value.clear();
                copy.iter().for_each(|word| value.extend_from_slice(&word.to_ne_bytes()));
                value.truncate(VALUE_BYTES);
                return true;
            }
        }
        false
    }

    fn set(&self, key: &Key, value: &Value) {
        let key = words_of(key);
        for place in self.places(key) {
            loop {
                let before = place[0].load(Relaxed);
                if before != 0 && !holds(place, key) && before % 2 == 0 {
                    break; // Another key's.
                }
                if before % 2 == 1 || place[0].compare_exchange(before, before + 1, Acquire, Relaxed).is_err() {
                    continue;
                }
                fence(Release);
                place[1].store(key[0], Relaxed);
                place[2].store(key[1], Relaxed);
                for (word, chunk) in place[1 + KEY_WORDS..].iter().zip(value.chunks(8)) {
                    let mut bytes = [0; 8];
                    bytes[..chunk.len()].copy_from_slice(chunk);
                    word.store(u64::from_ne_bytes(bytes), Relaxed);
                }
                place[0].store(before + 2, Release);
                return;
            }
        }
    }
}
