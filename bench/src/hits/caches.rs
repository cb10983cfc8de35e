//! The caches that a trace is replayed through. A request looks for a key, and inserts it if it is not there.

use std::collections::{BTreeMap, HashMap, VecDeque};

use cotenant::Backing;

use super::trace::Request;

pub(crate) trait Replayed {
    /// Whether it was a hit.
    fn request(&mut self, request: Request) -> bool;
}

/// What an entry of cotenant's needs beside key and value, on average: head, rests of words, index. Where one begins to
/// look for the capacity that holds as many bytes as the others.
const OVERHEAD_BYTES: u64 = 56;
const CAPACITY_LEAST_BYTES: u64 = 16 << 10;
/// So often is looked; and so near to the budget, in parts of a thousand, is near enough.
const LOOKS: usize = 12;
const NEAR: u64 = 5;

pub(super) fn all(bytes: u64, mean: u64, longest: u64) -> anyhow::Result<Vec<(&'static str, Box<dyn Replayed>)>> {
    Ok(vec![
        (super::OURS, Box::new(Ours::new(bytes, mean, longest)?)),
        ("quick_cache 0.6", Box::new(QuickCache::new(bytes, mean))),
        ("moka 0.12 (W-TinyLFU)", Box::new(Moka::new(bytes))),
        ("LRU", Box::new(Lru::new(bytes))),
        (super::FIFO, Box::new(Fifo::new(bytes))),
    ])
}

struct Ours {
    cache: cotenant::cache::Cache,
    value: Vec<u8>,
}

impl Ours {
    /// Of the capacity that holds as many bytes of keys and values as the others, and not more: the most of those that
    /// were tried.
    fn new(bytes: u64, mean: u64, longest: u64) -> anyhow::Result<Ours> {
        let mut capacity = (bytes + bytes / mean.max(1) * OVERHEAD_BYTES).max(CAPACITY_LEAST_BYTES);
        let mut best = (0, CAPACITY_LEAST_BYTES);
        for _ in 0..LOOKS {
            let held = Ours::make(capacity, mean, longest)?.held_bytes(bytes, mean)?;
            if held <= bytes && held > best.0 {
                best = (held, capacity);
            }
            if held <= bytes && (bytes - held) * 1000 <= bytes * NEAR {
                break;
            }
            // A little less than what would be right in proportion: it goes up in steps.
            capacity = (capacity * bytes / held.max(1) * (1000 - NEAR / 2) / 1000).max(CAPACITY_LEAST_BYTES);
        }
        Ours::make(best.1, mean, longest)
    }

    fn make(capacity: u64, mean: u64, longest: u64) -> anyhow::Result<Ours> {
        let options = cotenant::cache::Cache::options().capacity_bytes(capacity).mean_entry_bytes(mean);
        let options = options.backing(Backing::Anonymous).max_participants(1);
        let options = if longest > capacity / 100 { options } else { options.max_entry_bytes(longest) };
        Ok(Ours { cache: options.create("hits")?, value: Vec::new() })
    }

    /// Bytes of keys and values of mean length that it holds, in the middle of many insertions.
    fn held_bytes(self, budget: u64, mean: u64) -> anyhow::Result<u64> {
        let entries = budget / mean.max(1) + 1;
        let value = vec![7; mean.saturating_sub(8) as usize];
        let (mut sum, mut looks) = (0, 0);
        for number in 0..4 * entries {
            self.cache.insert(number.to_le_bytes(), &value, None)?;
            if number >= 2 * entries && number % (entries / 100 + 1) == 0 {
                sum += self.cache.stats().bytes;
                looks += 1;
            }
        }
        Ok(sum / looks.max(1))
    }
}

impl Replayed for Ours {
    fn request(&mut self, request: Request) -> bool {
        let key = request.key.to_le_bytes();
        if self.cache.get_into(key, &mut self.value) {
            return true;
        }
        self.value.resize(request.bytes as usize - key.len(), 7);
        // An entry that is too long for it is a miss again next time.
        let _ = self.cache.insert(key, &self.value, None);
        false
    }
}

#[derive(Clone)]
struct Weight;

impl quick_cache::Weighter<u64, u32> for Weight {
    fn weight(&self, _key: &u64, bytes: &u32) -> u64 {
        u64::from(*bytes)
    }
}

struct QuickCache(quick_cache::unsync::Cache<u64, u32, Weight>);

impl QuickCache {
    fn new(bytes: u64, mean: u64) -> QuickCache {
        QuickCache(quick_cache::unsync::Cache::with_weighter((bytes / mean.max(1)) as usize, bytes, Weight))
    }
}

impl Replayed for QuickCache {
    fn request(&mut self, request: Request) -> bool {
        let is_hit = self.0.get(&request.key).is_some();
        if !is_hit {
            self.0.insert(request.key, request.bytes);
        }
        is_hit
    }
}

struct Moka {
    cache: moka::sync::Cache<u64, u32>,
    requests: u64,
}

impl Moka {
    fn new(bytes: u64) -> Moka {
        let builder = moka::sync::Cache::builder().max_capacity(bytes);
        Moka { cache: builder.weigher(|_, bytes: &u32| *bytes).build(), requests: 0 }
    }
}

impl Replayed for Moka {
    fn request(&mut self, request: Request) -> bool {
        // What it does beside requests is done in between: there are no other threads here.
        self.requests += 1;
        if self.requests % 16 == 0 {
            self.cache.run_pending_tasks();
        }
        let is_hit = self.cache.get(&request.key).is_some();
        if !is_hit {
            self.cache.insert(request.key, request.bytes);
        }
        is_hit
    }
}

/// Who was used longest ago goes.
struct Lru {
    room: u64,
    clock: u64,
    entries: HashMap<u64, (u64, u32)>,
    by_use: BTreeMap<u64, u64>,
}

impl Lru {
    fn new(bytes: u64) -> Lru {
        Lru { room: bytes, clock: 0, entries: HashMap::new(), by_use: BTreeMap::new() }
    }
}

impl Replayed for Lru {
    fn request(&mut self, request: Request) -> bool {
        self.clock += 1;
        let before = self.entries.insert(request.key, (self.clock, request.bytes));
        self.by_use.insert(self.clock, request.key);
        if let Some((used, bytes)) = before {
            self.by_use.remove(&used);
            self.room += u64::from(bytes);
        }
        while self.room < u64::from(request.bytes) {
            let Some((_, key)) = self.by_use.pop_first() else { break };
            let Some((_, bytes)) = self.entries.remove(&key) else { break };
            if key == request.key {
                return before.is_some(); // Longer than the whole cache.
            }
            self.room += u64::from(bytes);
        }
        self.room -= u64::from(request.bytes);
        before.is_some()
    }
}

/// Who came first goes.
struct Fifo {
    room: u64,
    entries: HashMap<u64, u32>,
    queue: VecDeque<u64>,
}

impl Fifo {
    fn new(bytes: u64) -> Fifo {
        Fifo { room: bytes, entries: HashMap::new(), queue: VecDeque::new() }
    }
}

impl Replayed for Fifo {
    fn request(&mut self, request: Request) -> bool {
        if self.entries.contains_key(&request.key) {
            return true;
        }
        while self.room < u64::from(request.bytes) {
            let Some(key) = self.queue.pop_front() else { return false };
            self.room += self.entries.remove(&key).map_or(0, u64::from);
        }
        self.room -= u64::from(request.bytes);
        self.entries.insert(request.key, request.bytes);
        self.queue.push_back(request.key);
        false
    }
}
