//! Any bytes in the cache's memory: every call comes to its end, with whatever answer, and nothing else breaks.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use cotenant::Keep;
use cotenant::cache::Cache;

use crate::make::value;
use crate::support::PATIENCE;
use crate::support::sandbox::Sandbox;

crate::tests![
    random_words_anywhere_lead_to_answers,
    words_that_almost_fit_lead_to_answers,
    a_cache_of_another_run_of_the_machine_is_empty,
];

const NAME: &str = "hostile";

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Every call, some of them with luck.
fn call_everything(cache: &Cache, round: u64) {
    let mut buffer = Vec::new();
    for number in 0..40_u64 {
        let key = number.to_ne_bytes();
        let _ = cache.insert(key, value(number, round, number as usize * 20), None);
        cache.get_into(key, &mut buffer);
        let _ = cache.get_stale(key);
        let _ = cache.read_with(key, <[u8]>::len);
        let _ = cache.pin(key).map(|pin| pin.map(|pin| pin.len()));
        let _ = cache.increment(key, 1, 1, Duration::from_millis(1));
        let _ = cache.touch(key, None);
        if number % 3 == 0 {
            let _ = cache.remove(key);
        }
    }
    let _ = cache.iter().take(1000).count();
    let _ = cache.get_or_insert_with("computed", None, || b"1".to_vec());
    let _ = (cache.stats(), cache.process_stats(), cache.capacity_bytes());
    if round % 16 == 0 {
        let _ = cache.clear();
    }
}

/// Scribbles with what `word` draws for a place, given what is there; then calls everything.
fn scribble(word: impl Fn(&mut Random, u64) -> u64) {
    let sandbox = Sandbox::new();
    let options =
        Cache::options().capacity_bytes(64 << 10).max_capacity_bytes(256 << 10).max_participants(8).max_pins(4);
    let options = options.folder(sandbox.path());
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut opened = 0;
    for round in 0..60 {
        let start = Instant::now();
        let cache = options.open_or_create(NAME).expect("a cache");
        for number in 0..300_u64 {
            cache.insert(number.to_ne_bytes(), value(number, 1, 100), None).expect("room");
        }
        let file = File::options().read(true).write(true).open(sandbox.file(NAME)).expect("its file");
        let bytes = file.metadata().expect("its size").len();
        // Behind the segment's own head and tables, which are tested elsewhere.
        let at = bytes - (64 << 10) - 4096;
        for _ in 0..1 << random.below(10) {
            let place = (at + random.below(bytes - at)) / 8 * 8;
            let mut before = [0; 8];
            let _ = file.read_exact_at(&mut before, place);
            let after = word(&mut random, u64::from_ne_bytes(before));
            file.write_all_at(&after.to_ne_bytes(), place).expect("a store");
        }
        call_everything(&cache, round);
        if let Ok(again) = options.open(NAME) {
            opened += 1;
            call_everything(&again, round);
        }
        drop(cache);
        assert!(start.elapsed() < PATIENCE, "round {round} takes for ever");
    }
    assert!(opened > 0, "no damaged cache could be opened: that tests little");
}

fn random_words_anywhere_lead_to_answers() {
    scribble(|random, _| random.next());
}

fn words_that_almost_fit_lead_to_answers() {
    scribble(|random, before| match random.below(5) {
        0 => before ^ 1 << random.below(64),
        1 => before.wrapping_add(random.below(9)).wrapping_sub(4),
        2 => random.below(64),
        3 => u64::MAX - random.below(4),
        _ => before.rotate_left(32),
    });
}

/// The words of times and locks are of another run; and a disk may hold pages of any moment.
fn a_cache_of_another_run_of_the_machine_is_empty() {
    let sandbox = Sandbox::new();
    let path = sandbox.path().join("kept");
    let path = path.to_str().expect("UTF-8");
    let options = Cache::options().capacity_bytes(1 << 20).backing(cotenant::Backing::File).keep(Keep::UntilRemoved);
    let options = options.mode(0o644);
    let cache = options.create(path).expect("a cache");
    cache.insert("k", "value", None).expect("room");
    drop(cache);
    let cache = options.open(path).expect("kept");
    assert!(cache.contains("k"));
    drop(cache);
    // As if the cache had been made in another run: `boot` in its head, which is the first of the data.
    let file = File::options().read(true).write(true).open(path).expect("the file");
    let mut data_at = [0; 8];
    file.read_exact_at(&mut data_at, 144).expect("the header");
    file.write_all_at(&[1; 8], u64::from_le_bytes(data_at) + 8).expect("a store");
    let reader = options.open_reader(path).expect("a reader");
    assert_eq!((reader.get("k"), reader.iter().count(), reader.stats().entries), (None, 0, 0));
    let cache = options.open(path).expect("kept");
    assert_eq!((cache.get("k"), cache.stats().entries), (None, 0));
    cache.insert("k", "again", None).expect("room");
    assert_eq!(reader.get("k").as_deref(), Some(b"again".as_slice()), "it is of this run");
    assert_eq!((reader.iter().count(), reader.stats().entries), (1, 1));
    drop(cache);
    assert!(options.open(path).expect("kept").contains("k"), "once in a run");
}
