//! A recorder for the [`metrics`](https://docs.rs/metrics) facade: what a program and its libraries count by
//! `counter!`, `gauge!` and `histogram!` is counted in all processes.
//!
//! ```text
//! counter!("name", "label" => value)  --key-->  known in this process, or looked up in the segment  -->  cells
//! ```

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, SetRecorderError, SharedString,
    Unit,
};

use super::buckets::Buckets;
use super::counter::NamedCounter;
use super::gauge::{Across, NamedGauge};
use super::histogram::NamedHistogram;
use super::known::{Known, Refused};
use super::registry::{Metrics, MetricsOptions};
use super::text;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::segment::Segment;
use crate::sys::process;

/// Where the metrics lie in the segment.
const OBJECT: &str = "metrics";
/// Beyond the metrics' own bytes: the segment's objects.
const MORE_BYTES: u64 = 1 << 20;
/// How long somebody who adds a metric is waited for: an instrumented program does not stop for half a minute.
const PATIENCE: Duration = Duration::from_secs(1);
/// After how long it is tried anew what could not be added for a reason that passes.
const PAUSE_NS: u64 = 1_000_000_000;

/// Records what the facade `metrics` is told, in a segment that all processes of the name share. Behind the feature
/// `metrics`.
///
/// ```
/// # let name = &format!("example.recorder.{}", std::process::id());
/// cotenant::metrics::Recorder::install(name)?; // the one line; `cotenant metrics NAME` tells what was counted
///
/// metrics::counter!("requests", "method" => "GET").increment(1);
/// metrics::histogram!("latency_seconds").record(0.003);
/// # Ok::<(), cotenant::Error>(())
/// ```
///
/// Names and labels that scrapers do not read have other characters replaced by `_`. A gauge is the sum over the
/// processes that live, if nothing else is said ([`gauges`](Recorder::gauges)); a histogram has the buckets of
/// [`Buckets::new`] ([`buckets`](Recorder::buckets)). What there is no room for, or is of another kind under the same
/// name, is not counted, and `cotenant_metrics_refused_total` says how many were refused. If a metric cannot be added
/// for a reason that may pass (somebody is stopped while adding one, a child of a fork gets no slot), it is not counted
/// meanwhile, and tried again a second later; nobody waits for longer than a second. A description that cannot be added
/// is not kept. A handle that is kept from such a moment (`let served = counter!(..)`) counts nothing for good.
///
/// Forks and threads may be mixed: a child counts what it and its parent have met, and what it meets anew, whatever
/// other threads of the parent were doing when it was forked.
pub struct Recorder {
    metrics: Metrics<'static>,
    across: Across,
    buckets: Buckets,
    counters: Known<CounterHandle>,
    gauges: Known<GaugeHandle>,
    histograms: Known<HistogramHandle>,
    refused: Refused,
    /// Until when nothing is added, in time since the machine's start: it failed a moment ago.
    paused_until_ns: AtomicU64,
}

struct CounterHandle {
    counter: NamedCounter<'static>,
    /// The largest total that was set by `absolute`.
    absolute: AtomicU64,
}

struct GaugeHandle(NamedGauge<'static>);

struct HistogramHandle(NamedHistogram<'static>);

impl Recorder {
    /// Opens or makes the segment of that name, of the default size, and has everything counted there that is counted
    /// from now on. The segment stays attached as long as the process.
    ///
    /// # Errors
    ///
    /// - `AlreadyExists`: another recorder is installed.
    /// - Else what kept the segment from being opened: as of
    ///   [`open_or_create`](crate::SegmentOptions::open_or_create).
    pub fn install(name: &str) -> Result<()> {
        let options = Metrics::options();
        // Twice as many: what is not reserved costs nothing, and metrics take half of what there is at most.
        let segment = Segment::options().max_bytes(2 * options.bytes() + MORE_BYTES).open_or_create(name)?;
        Recorder::new(segment.leak(), &options)?.set()
    }

    /// In a segment of your own, with metrics of that size.
    ///
    /// # Errors
    ///
    /// As of [`MetricsOptions::open_or_create`].
    pub fn new(segment: &'static Segment, options: &MetricsOptions) -> Result<Recorder> {
        let metrics = options.open_or_create(segment, OBJECT)?;
        Ok(Recorder {
            metrics,
            across: Across::Sum,
            buckets: Buckets::new(),
            counters: Known::new(metrics.max_series()),
            gauges: Known::new(metrics.max_series()),
            histograms: Known::new(metrics.max_series()),
            refused: Refused::new(),
            paused_until_ns: AtomicU64::new(0),
        })
    }

    /// How gauges of several processes make one.
    #[must_use]
    pub fn gauges(mut self, across: Across) -> Recorder {
        self.across = across;
        self
    }

    /// The buckets of histograms that are new.
    #[must_use]
    pub fn buckets(mut self, buckets: Buckets) -> Recorder {
        self.buckets = buckets;
        self
    }

    /// What is recorded: for a program that serves it itself.
    pub fn metrics(&self) -> Metrics<'static> {
        self.metrics
    }

    /// Has everything counted here that the facade is told from now on.
    ///
    /// # Errors
    ///
    /// `AlreadyExists`: another recorder is installed.
    pub fn set(self) -> Result<()> {
        metrics::set_global_recorder(self).map_err(|SetRecorderError(_)| {
            Error::new(ErrorKind::AlreadyExists, "another recorder of metrics is installed in this process")
        })
    }

    /// What is known of the key, or what `look_up` finds under its name and labels.
    fn get<T>(
        &self,
        (known, kind): (&Known<T>, u64),
        key: &Key,
        look_up: impl FnOnce(&Metrics<'static>, &str, &[(&str, &str)]) -> Result<T>,
    ) -> Option<Arc<T>> {
        if let Some(found) = known.get(key) {
            return Some(Arc::clone(found));
        }
        if self.refused.has(key, kind) {
            return None;
        }
        let name = text::name_of(key.name());
        let labels: Vec<(String, &str)> = key.labels().map(|it| (text::label_of(it.key()), it.value())).collect();
        let labels: Vec<(&str, &str)> = labels.iter().map(|(label, value)| (label.as_str(), *value)).collect();
        let is_paused = self.is_paused();
        let error = match look_up(&self.patient(is_paused), &name, &labels) {
            Ok(found) => return Some(known.insert(key, found)),
            Err(error) => error,
        };
        if is_for_good(&error) {
            self.refused.add(key, kind);
            self.metrics.note_refused(&error);
        } else {
            self.note_passing(&error, is_paused);
        }
        None
    }

    /// Whether nothing is added, because that failed a moment ago.
    fn is_paused(&self) -> bool {
        process::boottime_ns() < self.paused_until_ns.load(Relaxed)
    }

    fn patient(&self, is_paused: bool) -> Metrics<'static> {
        self.metrics.with_patience(if is_paused { None } else { Some(PATIENCE) })
    }

    /// Nothing could be added, for a reason that may pass: begins a pause, unless this was in one.
    fn note_passing(&self, error: &Error, is_paused: bool) {
        if !is_paused {
            self.paused_until_ns.store(process::boottime_ns().saturating_add(PAUSE_NS), Relaxed);
            self.metrics.note_refused(error);
        }
    }
}

/// Whether it will fail the next time, too.
fn is_for_good(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NoSpace | ErrorKind::Mismatch | ErrorKind::InvalidInput)
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, key: KeyName, _unit: Option<Unit>, description: SharedString) {
        let is_paused = self.is_paused();
        match self.patient(is_paused).describe(&text::name_of(key.as_str()), &description) {
            Err(error) if is_for_good(&error) => self.metrics.note_refused(&error),
            Err(error) => self.note_passing(&error, is_paused),
            Ok(()) => {}
        }
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe_counter(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe_counter(key, unit, description);
    }

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        let found = self.get((&self.counters, 1), key, |metrics, name, labels| {
            let counter = metrics.counter(name, labels)?;
            Ok(CounterHandle { counter, absolute: AtomicU64::new(0) })
        });
        found.map_or_else(Counter::noop, Counter::from_arc)
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        let found = self.get((&self.gauges, 2), key, |metrics, name, labels| {
            metrics.gauge(name, labels, self.across).map(GaugeHandle)
        });
        found.map_or_else(Gauge::noop, Gauge::from_arc)
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        let found = self.get((&self.histograms, 3), key, |metrics, name, labels| {
            metrics.histogram(name, labels, self.buckets).map(HistogramHandle)
        });
        found.map_or_else(Histogram::noop, Histogram::from_arc)
    }
}

impl CounterFn for CounterHandle {
    fn increment(&self, value: u64) {
        self.counter.add(value);
    }

    /// A total of this process's own (from a library that counts itself): what is more than the last one is added.
    fn absolute(&self, value: u64) {
        let before = self.absolute.fetch_max(value, Relaxed);
        self.counter.add(value.saturating_sub(before));
    }
}

impl GaugeFn for GaugeHandle {
    fn increment(&self, value: f64) {
        self.0.add(value);
    }

    fn decrement(&self, value: f64) {
        self.0.add(-value);
    }

    fn set(&self, value: f64) {
        self.0.set(value);
    }
}

impl HistogramFn for HistogramHandle {
    fn record(&self, value: f64) {
        self.0.observe(value);
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("metrics", &self.metrics).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Value;
    use crate::segment::backing::Backing;

    #[test]
    fn what_the_facade_is_told_is_counted() {
        let segment = Segment::options().backing(Backing::Anonymous).max_bytes(4 << 20).create("unit.recorder");
        let options = Metrics::options().max_series(8).max_bytes(1 << 20).cells(2);
        let recorder = Recorder::new(segment.expect("a segment").leak(), &options).expect("room");
        let recorder = recorder.gauges(Across::Max).buckets(Buckets::between(1.0, 8.0));
        let all = recorder.metrics();
        metrics::with_local_recorder(&recorder, || {
            metrics::describe_counter!("http.requests", "Requests served.");
            for _ in 0..3 {
                metrics::counter!("http.requests", "http.method" => "GET").increment(2);
            }
            metrics::counter!("bytes").absolute(10);
            metrics::counter!("bytes").absolute(7);
            metrics::counter!("bytes").absolute(15);
            metrics::gauge!("load").set(4.0);
            metrics::gauge!("load").decrement(1.0);
            metrics::histogram!("size").record(3.0);
            // Of another kind, and then too many.
            metrics::gauge!("bytes").set(1.0);
            for number in 0..20 {
                metrics::counter!("many", "number" => number.to_string()).increment(1);
            }
        });
        let snapshot = all.snapshot();
        let labels = [("http_method", "GET")];
        assert_eq!(snapshot.get("http_requests", &labels), Some(&Value::Counter(6)));
        assert_eq!(snapshot.get("bytes", &[]), Some(&Value::Counter(15)));
        assert_eq!(snapshot.get("load", &[]), Some(&Value::Gauge(3.0)));
        assert!(matches!(snapshot.get("size", &[]), Some(Value::Histogram(it)) if it.count() == 1 && it.sum() == 3.0));
        assert_eq!(all.series(), 8);
        assert_eq!(all.refused(), 1 + 17, "the gauge, and what there was no room for");
    }

    #[test]
    fn who_is_held_up_once_is_not_held_up_by_the_next_descriptions() {
        let segment = Segment::options().backing(Backing::Anonymous).max_bytes(4 << 20).create("unit.paused");
        let options = Metrics::options().max_series(8).max_bytes(1 << 20).cells(2);
        let recorder = Recorder::new(segment.expect("a segment").leak(), &options).expect("room");
        let all = recorder.metrics();
        let let_go = all.hold();
        let describe = || {
            metrics::with_local_recorder(&recorder, || {
                metrics::describe_counter!("a", "A.");
                metrics::describe_gauge!("b", "B.");
                metrics::describe_histogram!("c", "C.");
                metrics::counter!("a").increment(1);
            });
        };
        std::thread::scope(|scope| scope.spawn(describe).join()).expect("no panic");
        let_go();
        // One was waited for and told of. In the pause that it begins, nothing is tried.
        assert_eq!((all.refused(), all.series()), (1, 0));
    }
}
