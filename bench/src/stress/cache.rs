//! The shared cache, with a history of what was written: every value that is read was written for its key, whole, and
//! not before one whose writing this process had seen to be done.
//!
//! ```text
//! value      | key | number | who wrote | filler, by all of them |     numbers of a key are drawn from its word: 1, 2
//! ... told       number of the newest value that somebody knows to be in the cache: raised after `insert` has returned
//! ```
//!
//! Who reads first looks at what is told, then reads: a value with a lower number is from before. Each key belongs to
//! one place at a time while it is written, so that numbers and writes have one order; anybody reads it, computes it,
//! pins it or makes it go.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use cotenant::cache::Cache;

use super::kind::Kind;
use super::options::Role;
use super::words::{BITS, Words};
use super::worker::{Worker, violation};

const NAME: &str = "cotenant.bench.cache";
const CAPACITY_BYTES: u64 = 1 << 20;
const MAX_CAPACITY_BYTES: u64 = 4 << 20;
/// Of each place: it has two counters for each.
const KEYS: u64 = 10;
/// Keys that only make others go.
const CROWD: u64 = 20_000;
const WORD_BYTES: usize = 8;
const HEAD_WORDS: usize = 3;
/// Counters of a place: for each of its keys the last number drawn, and the last one told. Behind them how often it
/// added to each sum.
const COUNT_INCREMENTS: usize = 2 * KEYS as usize;

static CACHE: OnceLock<Cache> = OnceLock::new();

pub(super) struct SharedCache;

impl Kind for SharedCache {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn name_of(&self, _what: u64) -> &'static str {
        "Cache"
    }

    fn processes_max(&self) -> u32 {
        BITS as u32
    }

    fn attach(&self, _role: &Role) -> anyhow::Result<()> {
        let options = Cache::options().capacity_bytes(CAPACITY_BYTES).max_capacity_bytes(MAX_CAPACITY_BYTES);
        let cache = options.mean_entry_bytes(200).max_pins(128).max_participants(256).open_or_create(NAME)?;
        let _ = CACHE.set(cache);
        Ok(())
    }

    fn act(&self, worker: &mut Worker) {
        let choice = worker.random.below(100);
        worker.place.does().store(choice, Relaxed);
        match choice {
            0..25 => write(worker),
            25..65 => read(worker),
            65..70 => pin(worker),
            70..75 => remove(worker),
            75..80 => compute(worker),
            80..85 => increment(worker),
            85..99 => crowd(worker),
            _ => rarely(worker),
        }
    }

    fn look_at_the_end(&self, words: &Words) {
        let complain = |what: String| violation(words, &what);
        let mut entries = 0;
        for entry in cache().iter() {
            entries += 1;
            if let Err(why) = check(&entry.key, &entry.value) {
                complain(format!("at the end: {why}"));
            }
        }
        // The first write to each shard puts it right; then the sums must agree.
        for number in 0..1000_u64 {
            let key = crowd_key(number);
            if let Err(error) = cache().insert(key, value_of(&key, 0, 0), None) {
                complain(format!("insert at the end: {error}"));
            }
        }
        let stats = cache().stats();
        let counted = cache().iter().count() as u64;
        // Entries whose time is over are counted, and not shown.
        if stats.entries < counted || (entries == 0 && stats.activity.inserts > 10_000) {
            complain(format!("{counted} entries at the end, but {stats:?}"));
        }
        if let Err(error) = cache().clear() {
            complain(format!("clear at the end: {error}"));
        }
        for number in 0..CROWD {
            let key = crowd_key(number);
            if let Err(error) = cache().insert(key, value_of(&key, 0, 0), None) {
                return complain(format!("filling at the end: {error}"));
            }
        }
        let stats = cache().stats();
        if stats.bytes * 2 < stats.capacity_bytes {
            complain(format!("the budget is not there any more: {stats:?}"));
        }
    }
}

fn cache() -> &'static Cache {
    CACHE.get().expect("attached")
}

type Key = [u8; 16];

/// The `nth` key of a place.
fn key_of(place: usize, nth: u64) -> Key {
    [(place as u64 + 1).to_le_bytes(), nth.to_le_bytes()].concat().try_into().expect("sixteen bytes")
}

fn crowd_key(number: u64) -> Key {
    [u64::MAX.to_le_bytes(), number.to_le_bytes()].concat().try_into().expect("sixteen bytes")
}

fn count_key(nth: u64) -> Key {
    [(u64::MAX - 1).to_le_bytes(), nth.to_le_bytes()].concat().try_into().expect("sixteen bytes")
}

/// The value of that number; its length depends on it.
fn value_of(key: &Key, number: u64, who: u64) -> Vec<u8> {
    let [low, high] = [0, 8].map(|at| u64::from_le_bytes(key[at..at + 8].try_into().expect("eight bytes")));
    let mut state = low ^ high.rotate_left(20) ^ number.rotate_left(40) ^ who;
    let seed = state;
    let words = (seed ^ number) % 61;
    let mut value: Vec<u8> = [seed, number, who].iter().flat_map(|word| word.to_le_bytes()).collect();
    for _ in 0..words {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        value.extend_from_slice(&state.to_le_bytes());
    }
    value
}

/// Whether these are the whole bytes of a value of that key: its number, if it is numbered.
fn check(key: &[u8], value: &[u8]) -> Result<Option<u64>, String> {
    let key: Key = key.try_into().map_err(|_| format!("a key that nobody wrote: {key:?}"))?;
    if key[..8] == (u64::MAX - 1).to_le_bytes() {
        let is_count = value.len() == WORD_BYTES;
        return if is_count { Ok(None) } else { Err(format!("a count of {} bytes", value.len())) };
    }
    let word =
        |at: usize| value.get(at * 8..at * 8 + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    let (Some(number), Some(who)) = (word(1), word(2)) else {
        return Err(format!("{} bytes for {key:?}: fewer than {HEAD_WORDS} words", value.len()));
    };
    if value != value_of(&key, number, who) {
        return Err(format!("mixed bytes, or another key's, for {key:?}: number {number} of {who}"));
    }
    Ok(Some(number))
}

/// Puts a new value of one of this place's own keys; then tells of it.
fn write(worker: &mut Worker) {
    let nth = worker.random.below(KEYS);
    let key = key_of(worker.seat, nth);
    // Drawn before it is written: one who is killed in between has used it up.
    let drawn = worker.place.counter(2 * nth as usize);
    let number = drawn.load(SeqCst) + 1;
    drawn.store(number, SeqCst);
    let value = value_of(&key, number, worker.me);
    let ttl = match worker.random.below(4) {
        0 => Some(Duration::from_millis(worker.random.below(50))),
        _ => None,
    };
    if let Err(error) = cache().insert(key, value, ttl) {
        return worker.violation(&format!("insert: {error}"));
    }
    worker.place.counter(2 * nth as usize + 1).store(number, SeqCst);
}

/// The number of the newest value of a key that is told to be in the cache.
fn told(worker: &Worker, place: usize, nth: u64) -> u64 {
    worker.words.place(place).counter(2 * nth as usize + 1).load(SeqCst)
}

fn read(worker: &mut Worker) {
    let (place, nth) = (worker.random.below(worker.words.places as u64) as usize, worker.random.below(KEYS));
    let key = key_of(place, nth);
    let told = told(worker, place, nth);
    let found = match worker.random.below(3) {
        0 => cache().get(key),
        1 => cache().read_with(key, <[u8]>::to_vec),
        _ => cache().get_stale(key).map(|stale| stale.value),
    };
    judge(worker, &key, found.as_deref(), told);
}

/// `told` was known to be in the cache before the value was read.
fn judge(worker: &Worker, key: &Key, value: Option<&[u8]>, told: u64) {
    let Some(value) = value else { return };
    match check(key, value) {
        Err(why) => worker.violation(&why),
        Ok(Some(number)) if number < told => {
            worker.violation(&format!("number {number} of {key:?}, when {told} was told already"));
        }
        Ok(_) => {}
    }
}

fn pin(worker: &mut Worker) {
    let (place, nth) = (worker.random.below(worker.words.places as u64) as usize, worker.random.below(KEYS));
    let key = key_of(place, nth);
    let told = told(worker, place, nth);
    match cache().pin(key) {
        Ok(Some(pinned)) => {
            let before = pinned.to_vec();
            worker.linger();
            if *pinned != *before {
                worker.violation(&format!("a pinned value of {key:?} has changed"));
            }
            judge(worker, &key, Some(&before), told);
        }
        Ok(None) => {}
        Err(error) if error.kind() == cotenant::ErrorKind::Full => {}
        Err(error) => worker.violation(&format!("pin: {error}")),
    }
}

fn remove(worker: &mut Worker) {
    let key = key_of(worker.seat, worker.random.below(KEYS));
    if let Err(error) = cache().remove(key) {
        worker.violation(&format!("remove: {error}"));
    }
}

/// A key that all compute; the value says who did.
fn compute(worker: &mut Worker) {
    let key = crowd_key(CROWD + worker.random.below(8));
    let me = worker.me;
    let computed = cache().get_or_insert_with(key, Duration::from_millis(5), || {
        worker.linger();
        value_of(&key, 1, me)
    });
    match computed {
        Ok(value) => judge(worker, &key, Some(&value), 0),
        Err(error) => worker.violation(&format!("get_or_insert_with: {error}")),
    }
}

/// Sums never go back, but to the start, when the entry went.
fn increment(worker: &mut Worker) {
    let nth = worker.random.below(4);
    match cache().increment(count_key(nth), 1, 1, None) {
        Ok(sum) if sum >= 1 => worker.count(COUNT_INCREMENTS + nth as usize),
        Ok(sum) => worker.violation(&format!("a sum of {sum} by increments of one")),
        Err(error) => worker.violation(&format!("increment: {error}")),
    }
    if let Some(value) = cache().get(count_key(nth)) {
        let sum = value.try_into().map(i64::from_ne_bytes).unwrap_or(0);
        // Others may have added and not counted it yet: one each.
        let told = worker.words.sum(COUNT_INCREMENTS + nth as usize) as i64;
        let killed = (worker.words.doom().load(SeqCst) >> 8) as i64;
        if sum < 1 || sum > told + killed + worker.words.places as i64 {
            worker.violation(&format!("a sum of {sum}, {told} told"));
        }
    }
}

/// Something that makes others go.
fn crowd(worker: &mut Worker) {
    for _ in 0..4 {
        let key = crowd_key(worker.random.below(CROWD));
        let told = 0;
        if worker.random.once_in(2) {
            judge(worker, &key, cache().get(key).as_deref(), told);
        } else if let Err(error) = cache().insert(key, value_of(&key, 1, worker.me), None) {
            worker.violation(&format!("insert: {error}"));
        }
    }
}

fn rarely(worker: &mut Worker) {
    let outcome = match worker.random.below(20) {
        0 => cache().clear(),
        1 => cache().grow(cache().capacity_bytes() + (256 << 10)).or_else(|error| match error.kind() {
            cotenant::ErrorKind::NoSpace => Ok(()),
            _ => Err(error),
        }),
        _ => {
            let places = worker.words.places;
            for entry in cache().iter().take(200) {
                let place = u64::from_le_bytes(entry.key[..8].try_into().unwrap_or_default()).wrapping_sub(1);
                if let Err(why) = check(&entry.key, &entry.value) {
                    worker.violation(&format!("by iteration, place {place} of {places}: {why}"));
                }
            }
            Ok(())
        }
    };
    if let Err(error) = outcome {
        worker.violation(&format!("clear or grow: {error}"));
    }
}
