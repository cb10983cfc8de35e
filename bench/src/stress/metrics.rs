//! Metrics: what was acknowledged is in the totals, exactly, whoever was killed; and no total ever goes backwards.
//!
//! ```text
//! a place's words   begun = n + 1      then the metric itself      then done = n + 1
//! in the end        done <= the metric <= begun: they differ by the one that a kill cut, at most
//! ```

use std::cell::OnceCell;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::Context;
use cotenant::Segment;
use cotenant::limit::{KeyedRateLimiter, Rate, RateLimiter};
use cotenant::metrics::{
    Across, Buckets, Counter, Gauge, Histogram, Metrics, NamedCounter, OwnCounter, OwnHistogram, Value,
};

use super::kind::Kind;
use super::options::Role;
use super::words::Words;
use super::worker::{Worker, violation};

cotenant::shared! {
    #![shared(name = "cotenant.bench.metrics", attach = by_call)]
    /// Few cells, so that they meet and are taken over all the time.
    static COUNTER: Counter<4> = Counter::new();
    static OWN: Counter<4> = Counter::new();
    static HISTOGRAM: Histogram<128, 2> = Histogram::new(Buckets::new());
    static OWN_HISTOGRAM: Histogram<128, 2> = Histogram::new(Buckets::new());
    static IN_FLIGHT: Gauge<256> = Gauge::new(Across::Sum);
    static LIMITER: RateLimiter = RateLimiter::new(Rate::per_minute(60).burst(BURST));
    static KEYED: KeyedRateLimiter<64> = KeyedRateLimiter::new(Rate::per_minute(60).burst(BURST));
}

/// Taken soon; then a token comes back each second.
/// Of two thousand and more, some are taken by one look at the clock.
const BURST: u32 = 4096;
/// Metrics, and in a place's counters two words for each.
const PARTS: [&str; 6] = ["counter", "own counter", "histogram", "own histogram", "named counter", "limiter"];
const KEYED_PART: usize = 6;
/// A word of the run: seconds since 1970 when the first one attached.
const BEGUN: usize = 1;

/// What a process keeps.
struct Kept {
    own: OwnCounter<'static>,
    own_histogram: OwnHistogram<'static>,
    metrics: Metrics<'static>,
    named: NamedCounter<'static>,
}

thread_local! {
    static KEPT: OnceCell<Kept> = const { OnceCell::new() };
}

fn metrics() -> anyhow::Result<Metrics<'static>> {
    let segment = Segment::options().max_bytes(8 << 20).open_or_create("cotenant.bench.named").context("a segment")?;
    let options = Metrics::options().max_series(4000).max_bytes(4 << 20).cells(4);
    Ok(options.open_or_create(segment.leak(), "metrics")?)
}

pub(super) struct MetricsOfAll;

impl Kind for MetricsOfAll {
    fn name(&self) -> &'static str {
        "metrics"
    }

    fn name_of(&self, _what: u64) -> &'static str {
        "cell"
    }

    fn processes_max(&self) -> u32 {
        250
    }

    fn attach(&self, role: &Role) -> anyhow::Result<()> {
        super::locks::attach(role)?;
        let metrics = metrics()?;
        let Some(seat) = role.place else {
            // The keeper: it claims nothing.
            return Ok(());
        };
        let named = metrics.counter("jobs", &[("place", &seat.to_string())])?;
        let (own, own_histogram) = (OWN.claim(), OWN_HISTOGRAM.claim());
        KEPT.with(|kept| kept.set(Kept { own, own_histogram, metrics, named }).map_err(|_| anyhow::anyhow!("twice")))
    }

    fn act(&self, worker: &mut Worker) {
        worker.words.own(BEGUN).compare_exchange(0, unix_seconds(), Relaxed, Relaxed).ok();
        KEPT.with(|kept| act(kept.get().expect("attached"), worker));
    }

    fn look_at_the_end(&self, words: &Words) {
        look_at_the_end(words);
    }
}

fn act(kept: &Kept, worker: &mut Worker) {
    let part = worker.random.below(PARTS.len() as u64) as usize;
    worker.place.does().store(part as u64, Relaxed);
    IN_FLIGHT.add(1.0);
    match part {
        0 => acknowledged(worker, part, || COUNTER.increment()),
        1 => acknowledged(worker, part, || kept.own.increment()),
        2 => acknowledged(worker, part, || HISTOGRAM.observe(1.0)),
        3 => acknowledged(worker, part, || kept.own_histogram.observe(1.0)),
        4 => {
            acknowledged(worker, part, || kept.named.increment());
            // A name of its own now and then, so that somebody is killed while adding one.
            if worker.random.once_in(50) {
                let number = worker.random.below(1500).to_string();
                if let Err(error) = kept.metrics.counter("names", &[("number", &number)]) {
                    worker.violation(&format!("adding a metric: {error}"));
                }
            }
        }
        _ => {
            worker.count(2 * part);
            if LIMITER.try_acquire().is_ok() {
                worker.count(2 * part + 1);
            }
            if KEYED.try_acquire("the key of all").is_ok() {
                worker.count(2 * KEYED_PART);
            }
        }
    }
    IN_FLIGHT.add(-1.0);
    if worker.random.once_in(8) {
        look_backwards(worker, part);
    }
}

fn acknowledged(worker: &Worker, part: usize, act: impl FnOnce()) {
    worker.count(2 * part);
    act();
    worker.count(2 * part + 1);
}

fn total(part: usize) -> u64 {
    match part {
        0 => COUNTER.total(),
        1 => OWN.total(),
        2 => HISTOGRAM.snapshot().count(),
        3 => OWN_HISTOGRAM.snapshot().count(),
        _ => 0,
    }
}

fn look_backwards(worker: &mut Worker, part: usize) {
    let (now, before) = (total(part), worker.remembered.get(&part).copied().unwrap_or(0));
    if now < before {
        worker.violation(&format!("the {} went from {before} back to {now}", PARTS[part]));
    }
    worker.remembered.insert(part, now);
}

fn look_at_the_end(words: &Words) {
    for (part, name) in PARTS.iter().enumerate().take(4) {
        check(words, name, words.sum(2 * part), words.sum(2 * part + 1), total(part));
    }
    for (name, histogram) in [("histogram", HISTOGRAM.snapshot()), ("own histogram", OWN_HISTOGRAM.snapshot())] {
        let part = if name == "histogram" { 2 } else { 3 };
        check(
            words,
            &format!("sum of the {name}"),
            words.sum(2 * part),
            words.sum(2 * part + 1),
            histogram.sum() as u64,
        );
    }
    let snapshot = match metrics() {
        Ok(metrics) => metrics.snapshot(),
        Err(error) => return violation(words, &format!("the named metrics cannot be opened: {error:#}")),
    };
    for (at, place) in words.each_place().enumerate() {
        let (begun, done) = (place.counter(8).load(Relaxed), place.counter(9).load(Relaxed));
        match snapshot.get("jobs", &[("place", &at.to_string())]) {
            Some(Value::Counter(total)) => check(words, &format!("named counter of place {at}"), begun, done, *total),
            other => violation(words, &format!("the counter of place {at} is {other:?}")),
        }
    }
    if let Some(value) = IN_FLIGHT.value() {
        violation(words, &format!("{value} in flight, and nobody is left"));
    }
    let seconds = unix_seconds() - words.own(BEGUN).load(Relaxed) + 2;
    for (name, taken) in [("limiter", words.sum(11)), ("keyed limiter", words.sum(2 * KEYED_PART))] {
        if taken > u64::from(BURST) + seconds {
            violation(words, &format!("the {name} let {taken} through in {seconds} s: {BURST}, and one a second"));
        }
    }
}

fn check(words: &Words, what: &str, begun: u64, done: u64, total: u64) {
    if total < done || total > begun {
        violation(words, &format!("the {what} says {total}; {done} were acknowledged, {begun} begun"));
    }
}

fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
