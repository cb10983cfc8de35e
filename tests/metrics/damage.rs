//! Any bytes over metrics and limits in use: whoever uses them goes on, whoever reads them gets numbers or is told.
//!
//! Used by a test, with bytes from a seed, and by the fuzz target `metrics`.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cotenant::limit::{KeyedRateLimiter, Rate, RateLimiter};
use cotenant::metrics::{Across, Buckets, Counter, Format, Gauge, Histogram, Metrics, NamedCounter};
use cotenant::per_process::PerProcess;
use cotenant::{ErrorKind, Segment};

/// Eight bytes over those at a place, counted over all that is tried.
pub(crate) struct Patch {
    pub(crate) place: u64,
    pub(crate) bytes: [u8; 8],
}

const BUCKETS: Buckets = Buckets::between(1.0, 8.0);
const OBJECTS: [&str; 7] = ["metrics", "counter", "gauge", "histogram", "cells", "limiter", "keyed"];
/// Of the metrics the head, the owners, the index, the entries and the first texts.
const MOST_BYTES: u64 = 2048;

/// Makes everything in a segment of its own, puts the patches over it, and tries everything.
pub(crate) fn try_everything(folder: &Path, patches: &[Patch]) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("damage.{}", COUNT.fetch_add(1, Relaxed));
    let options = Segment::options().max_bytes(1 << 19).folder(folder);
    let segment = options.create(&name).expect("a segment");
    let size = Metrics::options().max_series(8).max_bytes(1 << 15).cells(2).max_processes(64);
    let metrics = size.open_or_create(&segment, "metrics").expect("room");
    let named = metrics.counter("jobs", &[("queue", "fast")]).expect("room");
    let handles = (
        metrics.gauge("load", &[], Across::Sum).expect("room"),
        metrics.histogram("size", &[], BUCKETS).expect("room"),
        metrics.thread(),
    );
    let counter = segment.get_or_init("counter", Counter::<2>::new).expect("room");
    let gauge = segment.get_or_init("gauge", || Gauge::<64>::new(Across::EachProcess)).expect("room");
    let histogram = segment.get_or_init("histogram", || Histogram::<16, 2>::new(BUCKETS)).expect("room");
    let cells = segment.get_or_init("cells", PerProcess::<AtomicU64, 2>::new).expect("room");
    let limiter = segment.get_or_init("limiter", || RateLimiter::new(Rate::per_second(5))).expect("room");
    let keyed = segment.get_or_init("keyed", || KeyedRateLimiter::<8>::new(Rate::per_second(5))).expect("room");
    patch(&segment, folder.join(&name).as_path(), patches);

    let own = (counter.claim(), histogram.claim(), cells.claim(), handles.2.counter(&named));
    for value in [0.0, 3.0, 1e300, f64::NAN] {
        use_named(&named);
        own.0.increment();
        own.1.observe(value);
        own.2.fetch_add(1, Relaxed);
        own.3.increment();
        counter.increment();
        gauge.set(value);
        gauge.add(1.0);
        histogram.observe(value);
        handles.0.set(value);
        handles.0.add(1.0);
        handles.1.observe(value);
        let _taken = (limiter.try_acquire(), limiter.available(), keyed.try_acquire("key"));
    }
    let _told = (counter.total(), gauge.value(), cells.total(), handles.0.value(), format!("{limiter:?} {keyed:?}"));
    for all in [histogram.snapshot(), handles.1.snapshot()] {
        let _told = (all.count(), all.sum(), all.quantile(0.99), all.cumulative().count());
    }
    look_up(&metrics);
    match size.open_or_create(&segment, "metrics") {
        Ok(again) => look_up(&again),
        Err(error) => assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::InvalidInput), "{error}"),
    }
    let _text = (metrics.snapshot().render(Format::OpenMetrics), segment.facts().render(Format::Prometheus));
    read_only(&options.open_reader(&name));
    #[cfg(feature = "inspect")]
    if let Ok(live) = cotenant::inspect::live::LiveSegment::open(&folder.join(&name)) {
        let _text = live.metrics("it").map(|all| all.render(Format::OpenMetrics));
        for object in live.objects().unwrap_or_default().into_iter().flatten() {
            let _text = live.value(&object, 80);
        }
    }
    drop(own);
}

fn use_named(named: &NamedCounter<'_>) {
    named.increment();
    let _any = named.total();
}

/// Looking up and adding either works, or says why not.
fn look_up(metrics: &Metrics<'_>) {
    for number in 0..4 {
        let label = number.to_string();
        let _ = metrics.counter("jobs", &[("queue", "fast")]).map(|it| it.add(1));
        let _ = metrics.counter("more", &[("n", &label)]).map(|it| it.add(1));
        let _ = metrics.gauge("load", &[], Across::Sum).map(|it| it.set(1.0));
        let _ = metrics.histogram("size", &[], BUCKETS).map(|it| it.observe(2.0));
        let _ = metrics.describe("jobs", "Jobs.");
    }
    let _own = metrics.thread();
}

fn read_only(reader: &cotenant::Result<cotenant::SegmentReader>) {
    let Ok(reader) = reader else { return };
    let _text = reader.metrics("metrics").map(|all| all.map(|all| all.render(Format::Prometheus)));
    let _any = (
        reader.get::<Counter<2>>("counter").map(|it| it.map(|it| it.total())),
        reader.get::<Gauge<64>>("gauge").map(|it| it.map(|it| it.last())),
        reader.get::<Histogram<16, 2>>("histogram").map(|it| it.map(|it| it.observed().count())),
        reader.get::<PerProcess<AtomicU64, 2>>("cells").map(|it| it.map(|it| it.total())),
    );
}

/// The locks' own words are left: a word that names a living process is waited for, half a minute long.
fn patch(segment: &Segment, path: &Path, patches: &[Patch]) {
    let places: Vec<(u64, u64)> = OBJECTS
        .iter()
        .filter_map(|name| segment.objects().find(|object| object.name == *name))
        .map(|object| (object.at, object.bytes.min(MOST_BYTES)))
        .collect();
    let all = places.iter().map(|(_, bytes)| bytes / 8).sum::<u64>();
    let file = std::fs::File::options().write(true).open(path).expect("the segment's file");
    for patch in patches {
        let mut nth = patch.place % all;
        for (index, (at, bytes)) in places.iter().enumerate() {
            if nth < bytes / 8 {
                if index > 0 || nth > 0 {
                    file.write_all_at(&patch.bytes, at + nth * 8).expect("written");
                }
                break;
            }
            nth -= bytes / 8;
        }
    }
}
