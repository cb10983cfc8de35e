//! Deaths in the operations of a `Cache`: of one shard, so small that writing evicts all the time.
//!
//! The survivor makes it once and fills it anew before each crash point; a child inherits it. After the death every value
//! that can be read is one that was written for its key, what the child was told is done is there, the sums agree with
//! what is there, and the whole budget can be filled again.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use cotenant::Backing;
use cotenant::cache::{Cache, Swap};

use crate::arena::fork;
use crate::board::Board;
use crate::operation::{Death, Marks, NOTHING, Operation};
use crate::tracer::{Stop, Traced};

const CAPACITY_BYTES: u64 = 24 << 10;
/// Entries before the operation, of 60 bytes each: some room is left.
const FEW: u64 = 40;
/// So many that there is none.
const MANY: u64 = 400;
/// So many that some of them find no room.
const SEVERAL: u64 = 40;
const KEY: &str = "the key";
const OLD: &[u8] = b"the old value, of some length: 0123456789";
const NEW: &[u8] = b"the new value, of another length than the old one: 0123456789";
/// As long as the old one, so that holes fit.
const AS_LONG: &[u8] = b"another value, of the same length: 012345";
const LONG_AGO: Duration = Duration::ZERO;

thread_local! {
    /// The survivor's, and inherited by its children.
    static CACHE: RefCell<Option<Cache>> = const { RefCell::new(None) };
    /// How often a shard was put right, before the operation.
    static REPAIRS: RefCell<u64> = const { RefCell::new(0) };
    /// So many entries fit, about; 0: not known yet.
    static FITS: Cell<u64> = const { Cell::new(0) };
    /// What is to go on in the operation, as it was before.
    static BEFORE: RefCell<Seen> = const { RefCell::new(Seen { evicted: 0, expired: 0, places: Vec::new() }) };
}

/// The key has its old value.
const WRITE: Operation = Operation {
    every: 61,
    set_up: have_cache,
    before: have_few,
    child: insert,
    check: old_or_new,
    tear_down: || {
        drop(CACHE.take());
    },
    ..NOTHING
};
/// Which of several inserts has to make room is chance: each cache hashes in its own way.
const FULL: Operation = Operation { every: 9_973, child: insert_several, ..WRITE };

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "Cache: insert", before: have_few_others, check: new_or_none, ..WRITE },
    Operation { name: "Cache: insert, another value is there", ..WRITE },
    Operation { name: "Cache: insert, into a hole", before: have_hole, child: insert_as_long, ..WRITE },
    Operation { name: "Cache: insert, evicting", before: have_many, check: some_were_evicted, ..FULL },
    Operation { name: "Cache: insert, what has expired goes", before: have_expired, check: some_have_expired, ..FULL },
    Operation { name: "Cache: insert, slabs half of holes go", before: have_holes, check: some_were_moved, ..FULL },
    Operation { name: "Cache: insert after a death", every: 397, before: have_dead_writer, check: repaired, ..WRITE },
    Operation { name: "Cache: compare_and_swap", child: swap, ..WRITE },
    Operation { name: "Cache: remove", child: remove, check: old_or_none, ..WRITE },
    Operation { name: "Cache: increment", before: have_number, child: increment, check: one_or_two, ..WRITE },
    Operation { name: "Cache: touch", child: touch, check: old_or_none, ..WRITE },
    Operation { name: "Cache: get", child: get, check: still_old, ..WRITE },
    Operation { name: "Cache: pin and let go", child: pin, check: still_old, ..WRITE },
    Operation { name: "Cache: get_or_insert_with", before: have_few_others, child: compute, check: computed, ..WRITE },
    Operation { name: "Cache: clear", every: 499, child: clear, check: old_or_none, ..WRITE },
    Operation { name: "Cache: grow", every: 97, before: have_new_cache, child: grow, check: grown_or_not, ..WRITE },
    Operation { name: "Cache: insert, taking over what was added", every: 4_999, before: have_grown_cache, ..WRITE },
];

/// What shows that room was made.
struct Seen {
    evicted: u64,
    expired: u64,
    /// Of entries that nobody writes, where their values lie, as far as they are there.
    places: Vec<Option<usize>>,
}

impl Seen {
    fn now() -> Seen {
        with(|cache| {
            let stats = cache.stats();
            let place_of = |number: u64| Some(cache.pin(number.to_ne_bytes()).expect("a pin")?.as_ptr().addr());
            let places = (0..MANY).map(place_of).collect();
            Seen { evicted: stats.evicted_for_space, expired: stats.evicted_expired, places }
        })
    }
}

fn with<R>(use_it: impl FnOnce(&Cache) -> R) -> R {
    CACHE.with_borrow(|cache| use_it(cache.as_ref().expect("the survivor's cache")))
}

fn value_of(key: &[u8]) -> Vec<u8> {
    [b"the value of ", key, b", and no other's"].concat()
}

// What comes before, in the survivor.

fn have_cache() {
    let options = Cache::options().capacity_bytes(CAPACITY_BYTES).max_capacity_bytes(8 * CAPACITY_BYTES);
    let options = options.mean_entry_bytes(60).max_pins(4).max_participants(64).backing(Backing::Anonymous);
    CACHE.set(Some(options.create("crash").expect("a cache")));
}

fn have_new_cache() {
    drop(CACHE.take());
    have_cache();
    have_few();
}

fn have_grown_cache() {
    have_new_cache();
    with(|cache| cache.grow(8 * CAPACITY_BYTES)).expect("growing");
}

fn fill(entries: u64, has_key: bool) {
    with(|cache| {
        cache.clear().expect("clearing");
        if has_key {
            cache.insert(KEY, OLD, None).expect("room");
        }
        for number in 0..entries {
            let key = number.to_ne_bytes();
            cache.insert(key, value_of(&key), None).expect("room");
        }
        if has_key && !cache.contains(KEY) {
            cache.insert(KEY, OLD, None).expect("room");
        }
        REPAIRS.set(cache.stats().repairs);
    });
}

fn have_few() {
    fill(FEW, true);
}

fn have_few_others() {
    fill(FEW, false);
}

/// Somebody has to go for the next entries.
fn have_many() {
    drop(CACHE.take());
    have_cache();
    fill(MANY, true);
    BEFORE.set(Seen::now());
}

fn have_hole() {
    have_few();
    with(|cache| {
        cache.insert("gone", OLD, None).expect("room");
        // The key is as long as that of the operation.
        cache.insert("the hol", AS_LONG, None).expect("room");
        cache.remove("the hol").expect("removing");
    });
}

/// Of three entries two have expired, and there is room for hardly another one.
fn have_expired() {
    let fill_until = |is_enough: &dyn Fn(u64, &Cache) -> bool| {
        drop(CACHE.take());
        have_cache();
        with(|cache| {
            let insert = |number: &u64| {
                let key = number.to_ne_bytes();
                let ttl = (number % 3 != 0).then_some(LONG_AGO);
                cache.insert(key, value_of(&key), ttl).expect("room");
                is_enough(*number, cache)
            };
            (0..MANY).find(insert).expect("an entry that is the last one")
        })
    };
    if FITS.get() == 0 {
        FITS.set(fill_until(&|_, cache| cache.stats().evicted_expired > 0));
    }
    let almost = FITS.get() - SEVERAL / 4;
    fill_until(&|number, _| number == almost);
    with(|cache| cache.insert(KEY, OLD, None)).expect("room");
    BEFORE.set(Seen::now());
}

/// Of five entries four are removed. What is inserted is longer, and so fits into no hole.
fn have_holes() {
    drop(CACHE.take());
    have_cache();
    fill(MANY, true);
    with(|cache| {
        for number in (0..MANY).filter(|number| number % 5 != 0) {
            cache.remove(number.to_ne_bytes()).expect("removing");
        }
    });
    BEFORE.set(Seen::now());
}

fn have_number() {
    have_few();
    with(|cache| {
        cache.remove(KEY).expect("removing");
        cache.increment(KEY, 0, 1, None).expect("room");
    });
}

/// Somebody was killed in the middle of a write.
fn have_dead_writer() {
    have_few();
    let board: &'static Board = Board::new();
    let insert_other = || {
        fork(|| {
            with_slot(|cache| {
                let marks = Marks { board };
                marks.begin();
                let inserted = cache.insert("another key", NEW, None);
                marks.end();
                inserted.expect("room");
            });
        })
    };
    // How far it is to the end; then half of that. The first one's way is longer than that of those after it.
    let mut steps = 0;
    for _ in 0..2 {
        let whole = Traced::at_begin(insert_other()).expect("a child");
        steps = (0..).take_while(|_| matches!(whole.step(), Stop::Trap)).count();
        whole.kill();
        with(|cache| cache.remove("another key")).expect("removing");
    }
    let half = Traced::at_begin(insert_other()).expect("a child");
    let done = (0..steps / 2).take_while(|_| matches!(half.step(), Stop::Trap)).count();
    assert_eq!(done, steps / 2, "the second one came to its end before the first one's half");
    half.kill();
}

// The children.

/// With a slot of this process's own.
fn with_slot<R>(use_it: impl FnOnce(&Cache) -> R) -> R {
    with(|cache| {
        // Of a key that is not there, so it changes nothing.
        cache.touch("nobody", None).expect("a slot");
        use_it(cache)
    })
}

macro_rules! children {
    ($($name:ident gives $is_done:pat => |$cache:ident| $operation:expr;)*) => {$(
        fn $name(marks: &Marks) {
            with_slot(|$cache| {
                marks.begin();
                let outcome = $operation;
                marks.end();
                let $is_done = outcome else { panic!("{outcome:?}") };
            });
        }
    )*};
}

children! {
    insert gives Ok(()) => |cache| cache.insert(KEY, NEW, None);
    insert_several gives Ok(()) => |cache| (0..SEVERAL).try_for_each(|number| {
        let key = [b"one of several ".as_slice(), &number.to_ne_bytes()].concat();
        cache.insert(&key, value_of(&key), None)
    }).and_then(|()| cache.insert(KEY, NEW, None));
    insert_as_long gives Ok(()) => |cache| cache.insert(KEY, AS_LONG, None);
    remove gives Ok(true) => |cache| cache.remove(KEY);
    increment gives Ok(2) => |cache| cache.increment(KEY, 1, 100, None);
    touch gives Ok(true) => |cache| cache.touch(KEY, LONG_AGO);
    get gives Some(_) => |cache| cache.get(KEY);
    pin gives Ok(Some(_)) => |cache| cache.pin(KEY).map(|pin| pin.map(|pin| pin.len()));
    compute gives Ok(_) => |cache| cache.get_or_insert_with(KEY, None, || NEW.to_vec());
    clear gives Ok(()) => |cache| cache.clear();
    grow gives Ok(()) => |cache| cache.grow(8 * CAPACITY_BYTES);
}

fn swap(marks: &Marks) {
    with_slot(|cache| {
        let version = cache.get_versioned(KEY).expect("there").version;
        marks.begin();
        let swapped = cache.compare_and_swap(KEY, version, NEW, None);
        marks.end();
        assert!(matches!(swapped, Ok(Swap::Done(_))), "{swapped:?}");
    });
}

// What must hold.

/// Of the key: what is read of it.
fn look() -> Option<Vec<u8>> {
    with(|cache| cache.get(KEY))
}

fn expect(allowed: &[Option<&[u8]>], when_finished: &[Option<&[u8]>], death: &Death) -> Result<(), String> {
    let found = look();
    let choices = if death.is_finished { when_finished } else { allowed };
    if !choices.contains(&found.as_deref()) {
        let found = found.map(|value| String::from_utf8_lossy(&value).into_owned());
        return Err(format!("the key has {found:?}; the operation has come to its end: {}", death.is_finished));
    }
    is_whole()
}

fn old_or_new(death: &Death) -> Result<(), String> {
    let new = with(|cache| cache.get(KEY)).filter(|value| value == AS_LONG).map_or(NEW, |_| AS_LONG);
    expect(&[Some(OLD), Some(new)], &[Some(new)], death)
}

/// Who came to the end had met what the first one left.
fn repaired(death: &Death) -> Result<(), String> {
    let repairs = with(|cache| cache.stats().repairs) - REPAIRS.with_borrow(|before| *before);
    if death.is_finished && repairs == 0 {
        return Err("the first one was not killed in the middle".to_owned());
    }
    old_or_new(death)
}

fn new_or_none(death: &Death) -> Result<(), String> {
    expect(&[None, Some(NEW)], &[Some(NEW)], death)
}

fn new_or_evicted(death: &Death, has_happened: impl Fn(&Seen, &Seen) -> bool) -> Result<(), String> {
    let has_happened = BEFORE.with_borrow(|before| has_happened(before, &Seen::now()));
    if death.is_finished && !has_happened {
        return Err("there was room without it: this shows nothing".to_owned());
    }
    expect(&[None, Some(OLD), Some(NEW)], &[Some(NEW)], death)
}

fn some_were_evicted(death: &Death) -> Result<(), String> {
    new_or_evicted(death, |before, now| now.evicted > before.evicted)
}

fn some_have_expired(death: &Death) -> Result<(), String> {
    new_or_evicted(death, |before, now| now.expired > before.expired)
}

/// Copied to another slab, from one that is half of holes.
fn some_were_moved(death: &Death) -> Result<(), String> {
    new_or_evicted(death, |before, now| {
        before.places.iter().zip(&now.places).any(|(before, now)| now.is_some() && before != now)
    })
}

fn old_or_none(death: &Death) -> Result<(), String> {
    expect(&[Some(OLD), None], &[None], death)
}

fn still_old(death: &Death) -> Result<(), String> {
    expect(&[Some(OLD)], &[Some(OLD)], death)
}

fn one_or_two(death: &Death) -> Result<(), String> {
    let (one, two) = (1_i64.to_ne_bytes(), 2_i64.to_ne_bytes());
    expect(&[Some(&one), Some(&two)], &[Some(&two)], death)
}

fn grown_or_not(death: &Death) -> Result<(), String> {
    let before = with(Cache::capacity_bytes);
    with(|cache| cache.grow(8 * CAPACITY_BYTES)).map_err(|error| format!("growing again: {error}"))?;
    let after = with(Cache::capacity_bytes);
    if after < 7 * CAPACITY_BYTES || (death.is_finished && before != after) {
        return Err(format!("{before} bytes, then {after}"));
    }
    expect(&[Some(OLD)], &[Some(OLD)], death)
}

/// Whoever comes next computes it, or finds it.
fn computed(death: &Death) -> Result<(), String> {
    let next = with(|cache| cache.get_or_insert_with(KEY, None, || OLD.to_vec()));
    let next = next.map_err(|error| format!("computing after the death: {error}"))?;
    if death.is_finished && next != NEW {
        return Err("what was computed has gone".to_owned());
    }
    expect(&[Some(&next)], &[Some(NEW)], death)
}

/// The cache is one: values belong to their keys, the sums agree, and the budget is there.
fn is_whole() -> Result<(), String> {
    with(|cache| {
        cache.insert("after", "the death", None).map_err(|error| format!("inserting: {error}"))?;
        let (mut entries, mut bytes) = (0, 0);
        for entry in cache.iter() {
            entries += 1;
            bytes += (entry.key.len() + entry.value.len()) as u64;
            let is_known = [KEY.as_bytes(), b"after", b"gone", b"another key"].contains(&entry.key.as_slice());
            if !is_known && entry.value != value_of(&entry.key) {
                return Err(format!("the value of another key: {entry:?}"));
            }
        }
        let stats = cache.stats();
        // What has expired is counted, and not shown.
        if stats.entries < entries || stats.bytes < bytes {
            return Err(format!("{entries} entries of {bytes} bytes, but {stats:?}"));
        }
        let pins: Vec<_> = (0..4).map(|_| cache.pin("after")).collect();
        if !pins.iter().all(|pin| matches!(pin, Ok(Some(_)))) {
            return Err("the dead one's pin is still there".to_owned());
        }
        drop(pins);
        cache.clear().map_err(|error| format!("clearing: {error}"))?;
        for number in 0..MANY {
            let key = number.to_ne_bytes();
            cache.insert(key, value_of(&key), None).map_err(|error| format!("filling: {error}"))?;
        }
        let filled = cache.stats();
        if filled.entries != cache.iter().count() as u64 || filled.bytes < CAPACITY_BYTES * 3 / 10 {
            return Err(format!("the budget is not there any more: {filled:?}"));
        }
        Ok(())
    })
}
