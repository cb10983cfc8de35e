//! Published values, with a checker of their history: what was published is seen whole, in order, and not lost.
//!
//! ```text
//! every publish is an update: number = old number + 1, and every word follows from number and publisher
//!   torn         a word that does not follow from the others, or a number that is not the snapshot's
//!   backwards    an older snapshot than this process saw before, through either of its mappings
//!   lost         an older snapshot than somebody had been told is published, before the load began
//!   in the end   as many publishes as were acknowledged, and at most one more for each kill
//! ```
//!
//! The process at the first place does nothing but publish, at full speed. The others load, through a mapping that they
//! may write and through one that they may not; sometimes they wait, look at the history, or publish, too.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use anyhow::Context;
use cotenant::Segment;
use cotenant::published::{BytesReader, Named, NamedReader, PublishedBytes, Snapshot};

use super::kind::Kind;
use super::options::Role;
use super::words::Words;
use super::worker::{Worker, violation};

/// 200 bytes.
const WORDS: usize = 25;
const BYTES_MAX: usize = 3000;
const LOADS_IN_A_BURST: u64 = 20_000;
const PUBLISHES_IN_A_BURST: u64 = 2_000;

/// Counters of a place.
const COUNT_LOADS: usize = 0;
const COUNT_REPEATS: usize = 1;
const COUNT_ACKNOWLEDGED: usize = 2;
const COUNT_BYTES_ACKNOWLEDGED: usize = 3;
/// The newest publish that somebody at this place was told of.
const NEWEST_ACKNOWLEDGED: usize = 4;
const COUNT_TORN: usize = 5;
const COUNT_BACKWARDS: usize = 6;
const COUNT_LOST: usize = 7;

/// What a process remembers.
const LAST_SEEN: usize = 0;
const LAST_BYTES_SEEN: usize = 1;

type Value = [u64; WORDS];

struct Shared {
    value: Named<Value>,
    reader: NamedReader<Value>,
}

static SHARED: OnceLock<Shared> = OnceLock::new();
static BYTES: OnceLock<(PublishedBytes<'static>, BytesReader<'static>)> = OnceLock::new();

pub(super) struct Published;

impl Kind for Published {
    fn name(&self) -> &'static str {
        "published"
    }

    fn name_of(&self, _: u64) -> &'static str {
        "publish"
    }

    fn processes_max(&self) -> u32 {
        super::words::BITS as u32
    }

    fn attach(&self, role: &Role) -> anyhow::Result<()> {
        cotenant::__private::use_robust_list(!role.no_robust_list);
        let options = Segment::options().max_bytes(1 << 20);
        let value = options.published("value", || value_of(0, 0))?;
        let reader = options.published_reader("value").context("read it")?;
        let bytes = options.published_bytes("bytes", BYTES_MAX)?;
        let bytes_reader = options.published_bytes_reader("bytes").context("read the bytes")?;
        let is_first = SHARED.set(Shared { value, reader }).is_ok() && BYTES.set((bytes, bytes_reader)).is_ok();
        anyhow::ensure!(is_first, "attached twice");
        Ok(())
    }

    fn act(&self, worker: &mut Worker) {
        if worker.seat == 0 {
            return publish(worker, PUBLISHES_IN_A_BURST);
        }
        let choice = worker.random.below(16);
        worker.place.does().store(choice, Relaxed);
        match choice {
            0 => publish(worker, 16),
            1 => publish_bytes(worker),
            2 => load_bytes(worker),
            3 => wait(worker),
            4 => look_at_history(worker),
            5..10 => load(worker, |shared| shared.reader.value().load()),
            _ => load(worker, |shared| shared.value.load()),
        }
    }

    fn look_at_the_end(&self, words: &Words) {
        let kills: u64 = (0..16).map(|does| words.killed_at(does).load(SeqCst)).sum();
        let check = |what: &str, sequence: u64, acknowledged: u64| {
            if !(acknowledged..=acknowledged + kills).contains(&sequence) {
                violation(words, &format!("{what}: {sequence}, {acknowledged} acknowledged, {kills} kills"));
            }
        };
        check("publishes", shared().value.sequence(), words.sum(COUNT_ACKNOWLEDGED));
        check("publishes of bytes", bytes().0.sequence(), words.sum(COUNT_BYTES_ACKNOWLEDGED));
        match shared().value.load() {
            Ok(snapshot) if is_whole(&snapshot) => {}
            other => violation(words, &format!("what is left is not whole: {other:?}")),
        }
        if let Err(error) = shared().value.update(next) {
            violation(words, &format!("nobody is left, and nobody can publish: {error}"));
        }
    }

    fn counts(&self, words: &Words) -> Vec<(&'static str, u64)> {
        vec![
            ("loads", words.sum(COUNT_LOADS)),
            ("repeats", words.sum(COUNT_REPEATS)),
            ("publishes", words.sum(COUNT_ACKNOWLEDGED) + words.sum(COUNT_BYTES_ACKNOWLEDGED)),
            ("torn", words.sum(COUNT_TORN)),
            ("backwards", words.sum(COUNT_BACKWARDS)),
            ("lost", words.sum(COUNT_LOST)),
        ]
    }
}

fn shared() -> &'static Shared {
    SHARED.get().expect("attached")
}

fn bytes() -> &'static (PublishedBytes<'static>, BytesReader<'static>) {
    BYTES.get().expect("attached")
}

/// The words of a publish: its number, who published it, and what follows from both.
fn value_of(number: u64, publisher: u64) -> Value {
    let mut value = [number; WORDS];
    value[1] = publisher;
    for (at, word) in value.iter_mut().enumerate().skip(2) {
        *word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ publisher.rotate_left(at as u32);
    }
    value
}

fn is_whole(snapshot: &Snapshot<Value>) -> bool {
    snapshot.value[0] == snapshot.sequence && snapshot.value == value_of(snapshot.value[0], snapshot.value[1])
}

fn next(old: Value) -> Value {
    value_of(old[0] + 1, std::process::id().into())
}

fn publish(worker: &mut Worker, times: u64) {
    for _ in 0..times {
        match shared().value.update(next) {
            Ok(sequence) => {
                worker.place.counter(NEWEST_ACKNOWLEDGED).store(sequence, SeqCst);
                worker.count(COUNT_ACKNOWLEDGED);
            }
            Err(error) => return worker.violation(&format!("publish: {error}")),
        }
    }
}

/// The newest publish that anybody was told of.
fn acknowledged(worker: &Worker) -> u64 {
    worker.words.each_place().map(|place| place.counter(NEWEST_ACKNOWLEDGED).load(SeqCst)).max().unwrap_or(0)
}

fn load(worker: &mut Worker, load: impl Fn(&Shared) -> cotenant::Result<Snapshot<Value>>) {
    let mut at_least = acknowledged(worker);
    let mut last = worker.remembered.get(&LAST_SEEN).copied().unwrap_or(0);
    let mut repeats = 0;
    for _ in 0..LOADS_IN_A_BURST {
        let snapshot = match load(shared()) {
            Ok(snapshot) => snapshot,
            Err(error) => return worker.violation(&format!("load: {error}")),
        };
        judge(worker, &snapshot, last, at_least);
        (last, at_least) = (snapshot.sequence, 0);
        repeats += u64::from(snapshot.repeats);
    }
    worker.remembered.insert(LAST_SEEN, last);
    add(worker, COUNT_LOADS, LOADS_IN_A_BURST);
    add(worker, COUNT_REPEATS, repeats);
}

fn add(worker: &Worker, counter: usize, count: u64) {
    let counter = worker.place.counter(counter);
    counter.store(counter.load(Relaxed) + count, Relaxed);
}

#[inline]
fn judge(worker: &Worker, snapshot: &Snapshot<Value>, last: u64, at_least: u64) {
    let sequence = snapshot.sequence;
    if !is_whole(snapshot) {
        worker.count(COUNT_TORN);
        worker.violation(&format!("torn: {snapshot:?}"));
    }
    if sequence < last {
        worker.count(COUNT_BACKWARDS);
        worker.violation(&format!("backwards: {sequence} after {last}"));
    }
    if sequence < at_least {
        worker.count(COUNT_LOST);
        worker.violation(&format!("lost: {at_least} was acknowledged, {sequence} is there"));
    }
}

fn wait(worker: &mut Worker) {
    let seen = shared().value.sequence();
    let at_most = Duration::from_micros(worker.random.below(3000));
    let waited = if worker.random.once_in(2) {
        shared().value.wait_newer(seen, at_most)
    } else {
        shared().reader.value().wait_newer(seen, at_most)
    };
    match waited {
        Ok(Some(snapshot)) => judge(worker, &snapshot, seen + 1, 0),
        Ok(None) => {}
        Err(error) => worker.violation(&format!("wait: {error}")),
    }
}

/// Whatever of it is whole is in order, and the newest of it is no older than what was acknowledged.
fn look_at_history(worker: &mut Worker) {
    let mut above = u64::MAX;
    for entry in shared().value.history() {
        let is_next = entry.sequence < above;
        above = entry.sequence;
        let is_whole = entry.value == value_of(entry.sequence, entry.value[1]);
        let is_by = entry.publisher.is_none_or(|by| u64::from(by.pid) == entry.value[1]);
        if !is_next || !is_whole || !is_by {
            worker.count(COUNT_TORN);
            worker.violation(&format!("history: {} of {}, in order {is_next}", entry.value[0], entry.sequence));
        }
    }
}

/// As many bytes as its number says, all alike.
fn publish_bytes(worker: &mut Worker) {
    let written = bytes().0.update(|old| {
        let number = number_of(old).unwrap_or(0) + 1;
        let length = 8 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize % (BYTES_MAX - 8);
        let mut new = number.to_le_bytes().to_vec();
        new.resize(length, number as u8);
        new
    });
    match written {
        Ok(_) => worker.count(COUNT_BYTES_ACKNOWLEDGED),
        Err(error) => worker.violation(&format!("publish bytes: {error}")),
    }
}

fn number_of(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|number| u64::from_le_bytes(*number))
}

fn load_bytes(worker: &mut Worker) {
    let mut last = worker.remembered.get(&LAST_BYTES_SEEN).copied().unwrap_or(0);
    for round in 0..200 {
        let loaded = if round % 2 == 0 { bytes().0.load() } else { bytes().1.load() };
        let Ok(snapshot) = loaded else {
            return worker.violation(&format!("load bytes: {loaded:?}"));
        };
        let number = number_of(&snapshot.value).unwrap_or(0);
        let length = 8 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize % (BYTES_MAX - 8);
        let is_whole = snapshot.sequence == 0
            || snapshot.value.len() == length && snapshot.value[8..].iter().all(|byte| *byte == number as u8);
        if !is_whole || number != snapshot.sequence {
            worker.count(COUNT_TORN);
            worker.violation(&format!("torn: {number} in {} bytes of {}", snapshot.value.len(), snapshot.sequence));
        }
        if snapshot.sequence < last {
            worker.count(COUNT_BACKWARDS);
            worker.violation(&format!("backwards: bytes {} after {last}", snapshot.sequence));
        }
        last = snapshot.sequence;
    }
    worker.remembered.insert(LAST_BYTES_SEEN, last);
    add(worker, COUNT_LOADS, 200);
}
