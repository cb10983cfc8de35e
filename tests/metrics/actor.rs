//! The peer of these tests: one process that counts and limits as a test tells it to.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cotenant::limit::{KeyedRateLimiter, Limited, Rate, RateLimiter};
use cotenant::metrics::{
    Across, Buckets, Counter, Format, Gauge, Histogram, Metrics, OwnCounter, OwnHistogram, ThreadMetrics,
};
use cotenant::per_process::{Merge, OwnCell, PerProcess};
use cotenant::{Error, ProcessSync, Segment, shared};

use crate::support::sandbox::Sandbox;
use crate::support::serve;

#[derive(ProcessSync)]
#[repr(C)]
pub(crate) struct Traffic {
    requests: AtomicU64,
    largest: AtomicU64,
}

impl Merge for Traffic {
    type Total = (u64, u64);

    fn merge_into(&self, (requests, largest): &mut (u64, u64)) {
        *requests += self.requests.load(Relaxed);
        *largest = (*largest).max(self.largest.load(Relaxed));
    }
}

#[derive(ProcessSync)]
#[repr(C)]
struct Jobs {
    /// Jobs that were done.
    done: Counter<2>,
    failed: Counter<2>,
}

shared! {
    /// Requests "served" by all.
    static REQUESTS: Counter = Counter::new();
    static FEW_CELLS: Counter<2> = Counter::new();
    static SUM: Gauge<64> = Gauge::new(Across::Sum);
    static MIN: Gauge<64> = Gauge::new(Across::Min);
    static MAX: Gauge<64> = Gauge::new(Across::Max);
    static LAST: Gauge<64> = Gauge::new(Across::Last);
    static EACH: Gauge<64> = Gauge::new(Across::EachProcess);
    static LATENCY_SECONDS: Histogram = Histogram::new(Buckets::new());
    static TRAFFIC: PerProcess<Traffic, 4> = PerProcess::new();
    static JOBS: Jobs = Jobs { done: Counter::new(), failed: Counter::new() };
    static QUEUES: [Counter<1>; 2] = [const { Counter::new() }; 2];
    static LIMIT: RateLimiter = RateLimiter::new(Rate::per_minute(1).burst(100));
    static KEYED: KeyedRateLimiter<64> = KeyedRateLimiter::new(Rate::per_minute(1).burst(10));
}

/// What this process holds. A fork copies it.
#[allow(dead_code)] // Kept to be dropped.
enum Held {
    Counter(OwnCounter<'static>),
    Histogram(OwnHistogram<'static>),
    Cell(OwnCell<'static, Traffic, 4>),
    Thread(ThreadMetrics<'static>),
}

thread_local! {
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

/// A sandbox and so many actors.
pub(crate) fn actors<const N: usize>() -> (Sandbox, [crate::support::peer::Peer; N]) {
    let sandbox = Sandbox::new();
    let peers = std::array::from_fn(|_| sandbox.start("actor"));
    (sandbox, peers)
}

/// Names tests after their functions.
macro_rules! tests {
    ($($(#[$on:meta])* $name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[crate::support::Named] = &[$($(#[$on])* (concat!(stringify!($name)), $name)),*];
    };
}
pub(crate) use tests;

pub(crate) fn play() {
    serve::stdin(answer);
}

fn metrics() -> Metrics<'static> {
    static METRICS: OnceLock<Metrics<'static>> = OnceLock::new();
    *METRICS.get_or_init(|| {
        let segment = Segment::options().max_bytes(4 << 20).open_or_create("test.metrics").expect("a segment").leak();
        let options = Metrics::options().max_series(40).max_bytes(1 << 20).cells(2).max_processes(8);
        options.open_or_create(segment, "metrics").expect("room")
    })
}

/// One command; the answer is one line.
pub(crate) fn answer(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    match words[..] {
        ["add", n] => {
            (0..n.parse().expect("a number")).for_each(|_| REQUESTS.increment());
            "added".into()
        }
        ["total"] => REQUESTS.total().to_string(),
        ["few", "add", n] => {
            FEW_CELLS.add(n.parse().expect("a number"));
            "added".into()
        }
        ["few", "total"] => FEW_CELLS.total().to_string(),
        ["few", "claim"] => {
            let own = FEW_CELLS.claim();
            let answer = format!("{own:?}");
            HELD.with_borrow_mut(|held| held.push(Held::Counter(own)));
            answer
        }
        ["few", "own", _] => with_held(|held| match held {
            Held::Counter(own) => {
                (0..number(2)).for_each(|_| own.increment());
                format!("{own:?}")
            }
            _ => panic!("no counter"),
        }),
        ["drop"] => {
            HELD.with_borrow_mut(Vec::pop).expect("something held");
            "dropped".into()
        }
        ["observe", value] => {
            LATENCY_SECONDS.observe(value.parse().expect("a number"));
            "observed".into()
        }
        ["observed"] => {
            let all = LATENCY_SECONDS.snapshot();
            format!("{} {} {:?}", all.count(), all.sum(), all.quantile(0.5))
        }
        ["traffic", "claim"] => {
            HELD.with_borrow_mut(|held| held.push(Held::Cell(TRAFFIC.claim())));
            "claimed".into()
        }
        ["traffic", "own", bytes] => with_held(|held| {
            let Held::Cell(cell) = held else { panic!("no cell") };
            let mine = cell.own().expect("a cell of its own");
            mine.requests.store(mine.requests.load(Relaxed) + 1, Relaxed);
            mine.largest.store(bytes.parse::<u64>().unwrap().max(mine.largest.load(Relaxed)), Relaxed);
            "stored".into()
        }),
        ["traffic", "local", bytes] => {
            TRAFFIC.local().requests.fetch_add(1, Relaxed);
            TRAFFIC.local().largest.fetch_max(bytes.parse().expect("a number"), Relaxed);
            "added".into()
        }
        ["traffic"] => format!("{:?}", TRAFFIC.total()),
        ["jobs"] => {
            JOBS.done.add(3);
            JOBS.failed.increment();
            QUEUES[1].add(5);
            "done".into()
        }
        ["statics"] => cotenant::metrics::statics().render(Format::OpenMetrics).replace('\n', "|"),
        ["gauge", name, verb, value] => {
            let (gauge, value) = (gauge(name), value.parse().expect("a number"));
            if verb == "set" {
                gauge.set(value)
            } else {
                gauge.add(value)
            }
            "set".into()
        }
        ["gauge", name] => format!("{:?} {}", gauge(name).value(), gauge(name).missed()),
        ["named", "counter", name, n] => counted(name, &[], n.parse().expect("a number")),
        ["named", "labels", name, label, value, n] => counted(name, &[(label, value)], n.parse().expect("a number")),
        ["named", "gauge", name, value] => metrics().gauge(name, &[], Across::Sum).map_or_else(said, |gauge| {
            gauge.set(value.parse().expect("a number"));
            format!("{:?}", gauge.value())
        }),
        ["named", "histogram", name, value] => {
            metrics().histogram(name, &[], Buckets::between(1.0, 8.0)).map_or_else(said, |histogram| {
                histogram.observe(value.parse().expect("a number"));
                format!("{} {}", histogram.snapshot().count(), histogram.snapshot().sum())
            })
        }
        ["named", "thread", name, n] => {
            let thread = metrics().thread();
            let counter = metrics().counter(name, &[]).expect("a counter");
            let own = thread.counter(&counter);
            (0..n.parse::<u64>().expect("a number")).for_each(|_| own.increment());
            let answer = format!("{} {}", thread.is_claimed(), counter.total());
            HELD.with_borrow_mut(|held| held.push(Held::Thread(thread)));
            answer
        }
        ["named", "describe", name, ..] => {
            metrics().describe(name, &words[3..].join(" ")).map_or_else(said, |()| "described".into())
        }
        ["named", "render"] => metrics().snapshot().render(Format::Prometheus).replace('\n', "|"),
        ["named", "refused"] => format!("{} of {}", metrics().refused(), metrics().series()),
        ["named", "each", name, label, value, number] => {
            let gauge = metrics().gauge(name, &[(label, value)], Across::EachProcess).expect("a gauge");
            gauge.set(number.parse().expect("a number"));
            "set".into()
        }
        ["alike"] => crate::alike::count(),
        #[cfg(target_os = "linux")]
        ["readable", value] => set_where_others_read(value.parse().expect("a number")),
        #[cfg(target_os = "linux")]
        ["read", ..] => crate::readers::read(&words[1..]),
        #[cfg(target_os = "linux")]
        ["room"] => crate::room::take(),
        #[cfg(all(target_os = "linux", feature = "metrics"))]
        ["facade", "fork"] => crate::facade::fork_and_count(),
        #[cfg(all(target_os = "linux", feature = "metrics"))]
        ["facade", "absolute"] => crate::facade::count_absolute(),
        ["limit", n] => LIMIT.try_acquire_many(n.parse().expect("a number")).map_or_else(limited, |()| "ok".into()),
        ["keyed", key, n] => {
            let taken = KEYED.try_acquire_many(key, n.parse().expect("a number"));
            taken.map_or_else(limited, |()| "ok".into())
        }
        #[cfg(target_os = "linux")]
        ["fork"] => crate::fork::fork(),
        #[cfg(target_os = "linux")]
        ["signals", "start"] => crate::fork::count_in_signals(&REQUESTS, &LATENCY_SECONDS, &SUM),
        #[cfg(target_os = "linux")]
        ["signals", "count"] => crate::fork::signals_counted(&REQUESTS, &LATENCY_SECONDS, &SUM),
        _ => panic!("no such command: {line}"),
    }
}

/// Gauges in a segment that other users may read.
#[cfg(target_os = "linux")]
fn set_where_others_read(value: f64) -> String {
    let options = Segment::options().max_bytes(4 << 20).mode(0o644);
    let segment = options.open_or_create("test.readable").expect("a segment").leak();
    let metrics = Metrics::options().max_series(8).max_bytes(1 << 20).cells(2).max_processes(64);
    let metrics = metrics.open_or_create(segment, "metrics").expect("room");
    metrics.gauge("working", &[], Across::Sum).expect("room").set(value);
    metrics.gauge("each", &[], Across::EachProcess).expect("room").set(value);
    segment.get_or_init("gauge", || Gauge::<64>::new(Across::Sum)).expect("room").set(value);
    "set".into()
}

fn with_held(act: impl FnOnce(&Held) -> String) -> String {
    HELD.with_borrow(|held| act(held.last().expect("something held")))
}

fn gauge(name: &str) -> &'static Gauge<64> {
    match name {
        "sum" => &SUM,
        "min" => &MIN,
        "max" => &MAX,
        "last" => &LAST,
        "each" => &EACH,
        _ => panic!("no gauge {name}"),
    }
}

fn counted(name: &str, labels: &[(&str, &str)], n: u64) -> String {
    metrics().counter(name, labels).map_or_else(said, |counter| {
        counter.add(n);
        counter.total().to_string()
    })
}

fn said(error: Error) -> String {
    format!("{:?}: {error}", error.kind()).replace('\n', " ")
}

fn limited(limited: Limited) -> String {
    format!("limited {:?}", limited.retry_after)
}
