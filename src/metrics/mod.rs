//! Metrics of many processes, told as one: counters, gauges and histograms, as statics and by name.
//!
//! ```
//! use cotenant::{metrics::{Buckets, Counter, Histogram}, shared};
//!
//! shared! {
//!     /// Requests served.
//!     static REQUESTS: Counter = Counter::new();
//!     /// Seconds that a request took.
//!     static LATENCY_SECONDS: Histogram = Histogram::new(Buckets::new());
//! }
//!
//! REQUESTS.increment();
//! LATENCY_SECONDS.observe(0.003);
//! let text = cotenant::metrics::statics().render(cotenant::metrics::Format::Prometheus);
//! assert!(text.contains("# HELP requests_total Requests served.\n"));
//! ```
//!
//! [`Metrics`] are those with names and labels, made while running. With the feature `metrics`, `Recorder` has what the
//! facade of that name is told counted there.
//!
//! Any process that shares them may be killed at any instruction: what it has counted stays, and whoever reads is held
//! up by nobody. docs/metrics.md says more.

mod buckets;
mod counter;
mod gauge;
mod histogram;
#[cfg(feature = "metrics")]
mod known;
pub(crate) mod living;
#[cfg(feature = "metrics")]
mod recorder;
mod registry;
mod render;
pub(crate) mod segment;
pub(crate) mod snapshot;
pub(crate) mod statics;
pub(crate) mod table;
mod text;

pub use buckets::Buckets;
pub use counter::{Counter, NamedCounter, OwnCounter};
pub use gauge::{Across, Gauge, NamedGauge};
pub use histogram::{Histogram, HistogramSnapshot, NamedHistogram, OwnHistogram};
#[cfg(feature = "metrics")]
pub use recorder::Recorder;
pub use registry::{Metrics, MetricsOptions, ThreadMetrics};
pub use render::Format;
pub use snapshot::{Family, FamilyKind, Sample, Snapshot, Value};
pub use statics::statics;
