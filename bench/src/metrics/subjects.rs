//! What is measured: Cotenant's metrics, in variables and by name, the limits, and the peers of this language.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use cotenant::limit::{KeyedRateLimiter, Rate, RateLimiter};
use cotenant::metrics::{Buckets, Counter, Format, Histogram, Metrics, NamedCounter, NamedHistogram};
use cotenant::{Backing, BlockState, Segment};
use prometheus::{Encoder, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};

use super::{
    ATOMIC, CELL, COUNTER, COUNTER_PROCESSES, COUNTER_THREADS, Cases, HISTOGRAM, HISTOGRAM_OURS, HISTOGRAM_THREADS,
    KEYED, LIMIT, LIMITER, LOOKUP, NAMED, OURS, OWN, RENDER, SERIES,
};
use crate::subject::Subject;

cotenant::shared! {
    #![shared(on_failure = private)]
    static REQUESTS: Counter = Counter::new();
    static LATENCY: Histogram = Histogram::new(Buckets::new());
    static LIMITER_OF_ALL: RateLimiter = RateLimiter::new(Rate::per_second(1_000_000_000));
    static LIMITER_OF_KEYS: KeyedRateLimiter<4096> = KeyedRateLimiter::new(Rate::per_second(10_000_000));
}

const PROMETHEUS: &str = "prometheus 0.14";
const HDR: &str = "hdrhistogram 7";

/// Refuses to go on with private values: their figures would be no figures.
pub(super) fn must_be_shared() -> anyhow::Result<()> {
    for block in cotenant::attachment().blocks {
        if let BlockState::Private { .. } = block.state {
            bail!("a block is not shared: {:?}", block.state);
        }
    }
    Ok(())
}

/// The answer is not thrown away before it is there.
fn ignore<T>(answer: T) {
    let _used = black_box(answer);
}

pub(super) struct Subjects {
    metrics: Metrics<'static>,
    counter: NamedCounter<'static>,
    histogram: NamedHistogram<'static>,
    atomic: AtomicU64,
    prometheus_counter: IntCounter,
    prometheus_histogram: prometheus::Histogram,
    registry: Registry,
}

impl Subjects {
    pub(super) fn make() -> anyhow::Result<Subjects> {
        let segment = Segment::options().backing(Backing::Anonymous).max_bytes(64 << 20).create("bench")?.leak();
        let metrics = Metrics::options().max_series(SERIES + 8).max_bytes(48 << 20).cells(16);
        let metrics = metrics.open_or_create(segment, "metrics")?;
        let (registry, options) = (Registry::new(), Opts::new("many_total", "Many."));
        let many = IntCounterVec::new(options, &["number", "zone"])?;
        registry.register(Box::new(many.clone()))?;
        for number in 0..SERIES {
            let number = number.to_string();
            metrics.counter("many", &[("number", &number), ("zone", "a")])?.add(7);
            many.with_label_values(&[number.as_str(), "a"]).inc_by(7);
        }
        let options = prometheus::HistogramOpts::new("latency", "Latency.");
        let bounds = prometheus::exponential_buckets(1e-6, 2.0, 30).context("buckets")?;
        Ok(Subjects {
            metrics,
            counter: metrics.counter("requests", &[])?,
            histogram: metrics.histogram("latency", &[], Buckets::new())?,
            atomic: AtomicU64::new(0),
            prometheus_counter: IntCounter::new("requests", "Requests.")?,
            prometheus_histogram: prometheus::Histogram::with_opts(options.buckets(bounds))?,
            registry,
        })
    }

    pub(super) fn add<'a>(&'a self, cases: &mut Cases<'a>) {
        self.add_counters(cases);
        self.add_histograms(cases);
        cases.alone(LIMIT, LIMITER, || ignore(LIMITER_OF_ALL.try_acquire()));
        let next = Cell::new(0_u32);
        cases.alone(LIMIT, KEYED, move || {
            next.set(next.get().wrapping_add(1));
            let address = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | (next.get() % 1000)));
            ignore(LIMITER_OF_KEYS.try_acquire(&address));
        });
        cases.alone(LIMIT, "limit a look at the clock", || ignore(Instant::now()));
        cases.alone(LOOKUP, NAMED, || {
            let found = self.metrics.counter("many", &[("number", "4711"), ("zone", "a")]);
            ignore(found);
        });
    }

    fn add_counters<'a>(&'a self, cases: &mut Cases<'a>) {
        cases.alone(COUNTER, OURS, || REQUESTS.increment());
        let own = REQUESTS.claim();
        cases.alone(COUNTER, OWN, move || own.increment());
        cases.alone(COUNTER, NAMED, || self.counter.increment());
        let thread = self.metrics.thread();
        let own = thread.counter(&self.counter);
        cases.alone(COUNTER, "cotenant thread's handle, by name", move || own.increment());
        cases.alone(COUNTER, PROMETHEUS, || self.prometheus_counter.inc());
        cases.alone(COUNTER, ATOMIC, || ignore(self.atomic.fetch_add(1, Relaxed)));
        let cell = AtomicU64::new(0);
        cases.alone(COUNTER, CELL, move || black_box(&cell).store(cell.load(Relaxed) + 1, Relaxed));

        cases.two_threads(COUNTER_THREADS, OURS, || || REQUESTS.increment());
        cases.two_threads(COUNTER_THREADS, OWN, || {
            let own = REQUESTS.claim();
            move || own.increment()
        });
        cases.two_threads(COUNTER_THREADS, NAMED, || || self.counter.increment());
        cases.two_threads(COUNTER_THREADS, PROMETHEUS, || || self.prometheus_counter.inc());
        cases.two_processes(COUNTER_PROCESSES, OURS, || || REQUESTS.increment());
        cases.two_processes(COUNTER_PROCESSES, NAMED, || || self.counter.increment());
        cases.two_processes(COUNTER_PROCESSES, OWN, || {
            let own = REQUESTS.claim();
            move || own.increment()
        });
    }

    fn add_histograms<'a>(&'a self, cases: &mut Cases<'a>) {
        cases.alone(HISTOGRAM, HISTOGRAM_OURS, || LATENCY.observe(black_box(0.0123)));
        let own = LATENCY.claim();
        cases.alone(HISTOGRAM, OWN, move || own.observe(black_box(0.0123)));
        cases.alone(HISTOGRAM, NAMED, || self.histogram.observe(black_box(0.0123)));
        cases.alone(HISTOGRAM, PROMETHEUS, || self.prometheus_histogram.observe(black_box(0.0123)));
        let hdr = RefCell::new(hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1 << 40, 1).expect("bounds"));
        cases.alone(HISTOGRAM, HDR, move || hdr.borrow_mut().record(black_box(12_300_000)).expect("in its bounds"));
        let cell = [const { AtomicU64::new(0) }; 2];
        cases.alone(HISTOGRAM, CELL, move || {
            let [count, sum] = black_box(&cell);
            count.store(count.load(Relaxed) + 1, Relaxed);
            sum.store((f64::from_bits(sum.load(Relaxed)) + black_box(0.0123)).to_bits(), Relaxed);
        });
        cases.two_threads(HISTOGRAM_THREADS, HISTOGRAM_OURS, || || LATENCY.observe(black_box(0.0123)));
        cases.two_threads(HISTOGRAM_THREADS, OWN, || {
            let own = LATENCY.claim();
            move || own.observe(black_box(0.0123))
        });
        cases.two_threads(HISTOGRAM_THREADS, PROMETHEUS, || || self.prometheus_histogram.observe(black_box(0.0123)));
    }

    pub(super) fn add_renders<'a>(&'a self, subjects: &mut Vec<Subject<'a>>) {
        subjects.push(Subject::new(RENDER, "cotenant Metrics", |_| {
            let start = Instant::now();
            let text = self.metrics.snapshot().render(Format::Prometheus);
            let ms = start.elapsed().as_secs_f64() * 1e3;
            ensure!(text.matches("many_total{").count() == SERIES as usize, "not all series were rendered");
            Ok(ms)
        }));
        subjects.push(Subject::new(RENDER, PROMETHEUS, |_| {
            let start = Instant::now();
            let mut text = Vec::new();
            TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
            let ms = start.elapsed().as_secs_f64() * 1e3;
            ensure!(text.len() > 100_000, "not all series were rendered");
            Ok(ms)
        }));
    }

    pub(super) fn counted(&self) -> u64 {
        REQUESTS.total() + self.counter.total()
    }
}
