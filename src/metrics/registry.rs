//! `Metrics`: metrics with names and labels, made while running, in a segment.
//!
//! ```text
//! name, labels --hash--> index --> entry --> the words of it in every stripe: what a handle keeps
//! ```

#![allow(unsafe_code)]

use std::fmt;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::buckets::Buckets;
use super::counter::{NamedCounter, OwnCounter};
use super::gauge::{Across, NamedGauge};
use super::histogram::{NamedHistogram, OwnHistogram};
use super::living::Living;
use super::snapshot::{FamilyKind, Snapshot};
use super::table::{Found, Full, Head, MAX_STRIPES, Shape, Table, Wanted, What};
use super::text;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{Locked, NotLocked};
use crate::per_process::striped::Claim;
use crate::segment::area::Area;
use crate::segment::reader::SegmentReader;
use crate::segment::segment::Segment;

/// How long somebody who adds a metric is waited for: it takes microseconds, unless it is stopped there.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// What metrics take at least, if nothing is said.
const LEAST_BYTES: u64 = 8 << 20;

/// How large a [`Metrics`] is made. Who finds one that is there takes it as it is.
#[derive(Clone, Debug)]
pub struct MetricsOptions {
    max_series: u32,
    /// `None`: as [`MetricsOptions::bytes`] says.
    max_bytes: Option<u64>,
    cells: u32,
    max_processes: u32,
}

impl Default for MetricsOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(8, usize::from) as u32;
        MetricsOptions {
            max_series: 2000,
            max_bytes: None,
            cells: (2 * threads).next_power_of_two().clamp(8, 64),
            max_processes: 256,
        }
    }
}

impl MetricsOptions {
    /// The most combinations of name and labels; 2,000 if nothing is said.
    pub fn max_series(mut self, series: u32) -> Self {
        self.max_series = series;
        self
    }

    /// Bytes for all of it, which are reserved when it is made.
    ///
    /// If nothing is said, 1 MiB for each of the [`cells`](MetricsOptions::cells), at least 8: room for 2,000 counters
    /// and some 250 histograms on any machine. That is 8 MiB up to 4 processors, and 64 from 32 on. Where the segment
    /// has not twice as much left, or the system has no room for it (a small `/dev/shm` in a container), it is halved
    /// until it fits, down to 8 MiB.
    ///
    /// A metric takes its name and labels and 100 bytes, and besides: a counter 16 bytes for each of the
    /// [`cells`](MetricsOptions::cells), a gauge 16 for each of the [`max_processes`](MetricsOptions::max_processes), a
    /// histogram 16 for each cell and bucket.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Cells of each counter and histogram that all threads add to, and as many for [`Metrics::thread`]; rounded up to
    /// a power of two, at most 1,024. If nothing is said, twice as many as there are processors, 8 to 64.
    pub fn cells(mut self, cells: u32) -> Self {
        self.cells = cells;
        self
    }

    /// Processes that can set a gauge of their own at the same time, rounded up to a multiple of 64; 256 if nothing is
    /// said.
    pub fn max_processes(mut self, processes: u32) -> Self {
        self.max_processes = processes;
        self
    }

    /// The metrics of that name in the segment; makes them if there are none. A name like an object's, which it is.
    ///
    /// Waits while another process makes them, as [`Segment::get_or_init`].
    ///
    /// # Errors
    ///
    /// - `InvalidInput`: numbers that do not go together.
    /// - `Mismatch`: there is an object of that name that is no metrics; `Corrupt`: they make no sense.
    /// - `NoSpace`: the segment has no room for so many bytes.
    /// - Else as of [`Segment::get_or_init`].
    pub fn open_or_create<'a>(&self, segment: &'a Segment, name: &str) -> Result<Metrics<'a>> {
        let area = match self.max_bytes {
            Some(bytes) => self.area(segment, name, bytes)?,
            None => self.area_that_fits(segment, name)?,
        };
        // SAFETY: an area's bytes, which only this module uses; a `Segment`'s memory may be written.
        let table = unsafe { Table::new(area.head, area.bytes, area.byte_count) };
        let table = table.ok_or_else(|| damaged(name, segment.path()))?;
        Ok(Metrics { table, patience: Some(LONGEST_WAIT) })
    }

    fn area<'a>(&self, segment: &'a Segment, name: &str, bytes: u64) -> Result<Area<'a, Head>> {
        let shape = self.shape(bytes)?;
        segment.get_or_init_area(name, bytes, |_, _| Head::new(shape))
    }

    /// Of the size that nobody has chosen.
    fn area_that_fits<'a>(&self, segment: &'a Segment, name: &str) -> Result<Area<'a, Head>> {
        let mut bytes = self.bytes();
        let left = segment.max_bytes().saturating_sub(segment.used_bytes());
        while bytes > LEAST_BYTES && bytes > left / 2 {
            bytes /= 2;
        }
        loop {
            match self.area(segment, name, bytes) {
                Err(error) if error.kind() == ErrorKind::NoSpace && bytes > LEAST_BYTES => bytes /= 2,
                done => return done,
            }
        }
    }

    /// What is said, or the default.
    pub(super) fn bytes(&self) -> u64 {
        let cells = u64::from(self.cells.clamp(1, MAX_STRIPES).next_power_of_two());
        self.max_bytes.unwrap_or_else(|| (cells << 20).clamp(LEAST_BYTES, 64 << 20))
    }

    fn shape(&self, max_bytes: u64) -> Result<Shape> {
        let refused = |what: String| Err(Error::new(ErrorKind::InvalidInput, what));
        if !(1..=1 << 24).contains(&self.max_series) {
            return refused(format!("metrics cannot have {} series: 1 to 16,777,216 are possible", self.max_series));
        }
        let shape = Shape {
            series_max: self.max_series,
            stripes: self.cells.clamp(1, MAX_STRIPES).next_power_of_two(),
            slots: self.max_processes.clamp(1, 4095).next_multiple_of(64),
        };
        if shape.heap_at() as u64 >= max_bytes {
            let least = shape.heap_at();
            return refused(format!(
                "{max_bytes} bytes are too few for {} series: their table alone takes {least}",
                self.max_series
            ));
        }
        Ok(shape)
    }
}

fn damaged(name: &str, path: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("the metrics `{name}` of the segment {path} are damaged: their sizes cannot be"),
    )
    .hint("remove the object (`Segment::remove`), or end the programs that use the segment and remove that")
}

/// Metrics of all processes, found by their names and labels. Made by [`Metrics::options`].
///
/// ```
/// use cotenant::metrics::{Across, Format, Metrics};
/// use cotenant::{Backing, Segment};
///
/// let segment = Segment::options().backing(Backing::Anonymous).max_bytes(16 << 20).create("example")?;
/// let metrics = Metrics::options().max_series(1000).open_or_create(&segment, "metrics")?;
///
/// metrics.describe("http_requests", "Requests served.")?;
/// let served = metrics.counter("http_requests", &[("method", "GET"), ("status", "200")])?; // once
/// served.increment(); // as often as you like
/// metrics.gauge("in_flight", &[], Across::Sum)?.add(1.0);
///
/// assert!(metrics.snapshot().render(Format::Prometheus).contains(
///     "http_requests_total{method=\"GET\",status=\"200\"} 1\n"
/// ));
/// # Ok::<(), cotenant::Error>(())
/// ```
///
/// What a name and labels lead to is there as long as the segment: nothing is ever taken out, so keep what is unbounded
/// (addresses, user names) out of labels. Memory is bounded by [`MetricsOptions`], whatever number of processes come
/// and go, and so is reading.
///
/// A look-up takes no lock if the metric is there. A process that is killed while it adds one leaves the table whole.
/// Look-ups are not for signal handlers; what they give is.
#[derive(Clone, Copy)]
pub struct Metrics<'a> {
    table: Table<'a>,
    /// How long somebody who adds a metric is waited for; `None`: nothing is added.
    patience: Option<Duration>,
}

impl<'a> Metrics<'a> {
    /// The options of metrics that are to be made.
    pub fn options() -> MetricsOptions {
        MetricsOptions::default()
    }

    /// The counter of that name with these labels, in any order.
    ///
    /// A name without `_total`: [`render`](Snapshot::render) adds it.
    ///
    /// # Errors
    ///
    /// - `NoSpace`: there are as many series as fit, or their bytes are full; the message says which, and what to do.
    ///   It is counted, too (`cotenant_metrics_refused_total`).
    /// - `Mismatch`: there are metrics of that name and of another kind, or of a name that scrapers could not tell from
    ///   this one: the counter `x` and the gauges `x_total` and `x_created`, the histogram `x` and the gauge `x_count`.
    /// - `InvalidInput`: a name or a label that scrapers do not read, or one that begins with `cotenant_`.
    /// - `Busy`: another process is stopped in the middle of adding a metric, for half a minute.
    /// - `Full`, `PermissionDenied`: a child of a fork could not become a participant, to add it.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Result<NamedCounter<'a>> {
        let name = name.strip_suffix("_total").unwrap_or(name);
        let found = self.get_or_add(name, labels, What::Counter, Across::Last, None)?;
        Ok(NamedCounter::new(self.table.striped(&found)))
    }

    /// The gauge of that name with these labels, in any order.
    ///
    /// # Errors
    ///
    /// As of [`counter`](Metrics::counter); `Mismatch` also if it is told in another way [across](Across) processes.
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)], across: Across) -> Result<NamedGauge<'a>> {
        let found = self.get_or_add(name, labels, What::Gauge, across, None)?;
        Ok(NamedGauge::new(self.table.gauge(&found)))
    }

    /// The histogram of that name with these labels, in any order. If it is there, it keeps the buckets that it has.
    ///
    /// # Errors
    ///
    /// As of [`counter`](Metrics::counter).
    pub fn histogram(&self, name: &str, labels: &[(&str, &str)], buckets: Buckets) -> Result<NamedHistogram<'a>> {
        let found = self.get_or_add(name, labels, What::Histogram, Across::Last, Some(buckets))?;
        let buckets = self.table.buckets(&found).unwrap_or(buckets);
        Ok(NamedHistogram::new(self.table.striped(&found), buckets))
    }

    /// The line that describes the metrics of a name (`# HELP`). The first one stays.
    ///
    /// # Errors
    ///
    /// As of [`counter`](Metrics::counter), without `Mismatch`. It takes a place of a series.
    pub fn describe(&self, name: &str, line: &str) -> Result<()> {
        let name = name.strip_suffix("_total").unwrap_or(name);
        let begin = text::description_begin(name);
        let is_there = |number| {
            let found = self.table.found(number).filter(|found| found.what == What::Description);
            found.is_some_and(|found| self.table.text(&found).starts_with(&begin))
        };
        if (0..self.table.count()).any(is_there) {
            return Ok(());
        }
        let text = text::of_description(name, line)?;
        self.add(&Wanted { what: What::Description, across: Across::Last, buckets: None, text: &text, name })?;
        Ok(())
    }

    /// What a thread needs to change metrics as fast as variables of its own: a cell of each, which it alone stores to.
    /// Waits for nobody; asks, if all are taken, whether their owners live. Where the living have them all, the handles
    /// made of it work as those of `Metrics` do.
    pub fn thread(&self) -> ThreadMetrics<'a> {
        ThreadMetrics { claim: Claim::new(self.table.owners()) }
    }

    /// All metrics as they are, while others change them. Asks the system which of the processes live that have set a
    /// gauge.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of_table(&self.table, &mut Living::here(self.table.head))
    }

    /// How many combinations of name and labels there are, descriptions included.
    pub fn series(&self) -> u32 {
        self.table.count()
    }

    /// The same, waiting as long for somebody who adds a metric; `None`: adding nothing.
    #[cfg(feature = "metrics")]
    pub(super) fn with_patience(self, patience: Option<Duration>) -> Metrics<'a> {
        Metrics { patience, ..self }
    }

    /// Has others find this thread in the middle of adding a metric, until the result is called.
    #[cfg(all(test, feature = "metrics"))]
    pub(super) fn hold(self) -> impl FnOnce() + use<'a> {
        let lock = &self.table.head.lock;
        let (ticket, _) = lock.lock_until(Instant::now() + LONGEST_WAIT).unwrap_or_else(|_| panic!("it is free"));
        move || lock.unlock(ticket)
    }

    /// The most series that it has room for.
    #[cfg(feature = "metrics")]
    pub(super) fn max_series(&self) -> u32 {
        self.table.shape.series_max
    }

    /// How often a metric was refused: for want of room, and what a recorder of a facade could not look up.
    pub fn refused(&self) -> u64 {
        self.table.head.refused.load(Relaxed)
    }

    /// Counts what was refused for another reason than want of room, which is counted where it is found.
    #[cfg(feature = "metrics")]
    pub(super) fn note_refused(&self, error: &Error) {
        if error.kind() != ErrorKind::NoSpace {
            self.table.head.refused.fetch_add(1, Relaxed);
        }
    }

    fn get_or_add(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        what: What,
        across: Across,
        buckets: Option<Buckets>,
    ) -> Result<Found> {
        let text = text::of(name, labels)?;
        let wanted = Wanted { what, across, buckets, text: &text, name };
        let found = match self.table.find(&text) {
            Some(found) => found,
            None => self.add(&wanted)?,
        };
        self.check_kind(&wanted, found)
    }

    /// Refuses a metric of another kind.
    fn check_kind(&self, wanted: &Wanted<'_>, found: Found) -> Result<Found> {
        let (is, across) = (found.what, self.table.across(&found));
        if is == wanted.what && (is != What::Gauge || across == wanted.across) {
            return Ok(found);
        }
        let kind = |what, across| match what {
            What::Counter => "a counter".to_owned(),
            What::Gauge => format!("a gauge ({across:?})"),
            What::Histogram => "a histogram".to_owned(),
            What::Description => "a description".to_owned(),
        };
        let (theirs, ours) = (kind(is, across), kind(wanted.what, wanted.across));
        Err(Error::new(
            ErrorKind::Mismatch,
            format!("the metric `{}` is {theirs}, and {ours} was asked for", wanted.name),
        )
        .hint("give one of them another name"))
    }

    /// Adds a metric, unless another process was first.
    #[cold]
    fn add(&self, wanted: &Wanted<'_>) -> Result<Found> {
        let Some(patience) = self.patience else {
            let what = format!("the metric `{}` is not there, and nothing is to be added", wanted.name);
            return Err(Error::new(ErrorKind::Busy, what));
        };
        let lock = &self.table.head.lock;
        let locked = match lock.lock_until(Instant::now() + patience) {
            // Nobody gives this lock up; damaged bytes may say so.
            Err(NotLocked::NotRecoverable) => lock.lock_given_up(),
            other => other,
        };
        let (ticket, locked) = locked.map_err(|why| self.not_locked(why, wanted.name))?;
        if let Locked::Inconsistent(_) = locked {
            // Whole at each store: `Table::add`.
            lock.mark_consistent(ticket);
        }
        self.table.mend();
        let result = match self.table.find(wanted.text) {
            Some(found) => Ok(found),
            None => self.add_locked(wanted),
        };
        lock.unlock(ticket);
        result
    }

    fn add_locked(&self, wanted: &Wanted<'_>) -> Result<Found> {
        if wanted.what != What::Description {
            match self.table.of_name(wanted.name) {
                Some(other) => drop(self.check_kind(wanted, other)?),
                None => self.check_lines(wanted)?,
            }
        }
        self.table.add(*wanted).map_err(|full| {
            self.table.head.refused.fetch_add(1, Relaxed);
            self.no_room(full, wanted.name)
        })
    }

    /// Refuses a metric whose lines scrapers could not tell from those of one of another name.
    fn check_lines(&self, wanted: &Wanted<'_>) -> Result<()> {
        let Some(kind) = FamilyKind::of(wanted.what) else { return Ok(()) };
        for line in kind.lines_of(wanted.name) {
            for kind in [FamilyKind::Counter, FamilyKind::Gauge, FamilyKind::Histogram] {
                let names = kind.endings().iter().filter_map(|ending| line.strip_suffix(ending));
                let of_kind = |found: &Found| FamilyKind::of(found.what) == Some(kind);
                let there = |name: &&str| self.table.of_name(name).is_some_and(|found| of_kind(&found));
                if let Some(name) = names.clone().find(there) {
                    let what = format!("scrapers could not tell the metric `{}` from `{name}`, which is", wanted.name);
                    let what = format!("{what} there: both have lines that begin with `{line}`");
                    return Err(Error::new(ErrorKind::Mismatch, what).hint("give one of them another name"));
                }
            }
        }
        Ok(())
    }

    fn no_room(&self, full: Full, name: &str) -> Error {
        let (why, hint) = match full {
            Full::Series => (format!("{} series are there, as many as fit", self.table.count()), "`max_series`"),
            Full::Heap => ("their bytes are full".to_owned(), "`max_bytes`"),
        };
        Error::new(ErrorKind::NoSpace, format!("no room for the metric `{name}`: {why}"))
            .hint(format!("make the metrics anew with a larger {hint}; keep what is unbounded out of labels"))
    }

    fn not_locked(&self, why: NotLocked, name: &str) -> Error {
        let what = format!("cannot add the metric `{name}`");
        match why {
            NotLocked::NoSlot(error) => *error,
            NotLocked::TimedOut => {
                let owner = self.table.head.lock.owner().and_then(|half| self.table.head.lock.describe_owner(half));
                let who = owner.map_or("another process".into(), |(pid, program)| format!("process {pid} ({program})"));
                Error::new(ErrorKind::Busy, format!("{what}: {who} is at it and does not finish"))
                    .hint("it may be stopped: let it go on, or end it")
            }
            _ => Error::new(ErrorKind::WouldDeadlock, format!("{what}: this thread is at it already"))
                .hint("look metrics up outside of signal handlers"),
        }
    }
}

impl SegmentReader {
    /// The metrics of that name, as [`Metrics::snapshot`]; `None` if there are none. Asks the system which of the
    /// processes live that have set a gauge: by their slots' locks, or, in a segment of another user, by their process
    /// ids. A process in another PID namespace than this one is left out then.
    ///
    /// # Errors
    ///
    /// As of [`get`](SegmentReader::get).
    pub fn metrics(&self, name: &str) -> Result<Option<Snapshot>> {
        let Some(area) = self.get_area::<Head>(name)? else { return Ok(None) };
        // SAFETY: an area's bytes; the table is only read.
        let table = unsafe { Table::new(area.head, area.bytes, area.byte_count) };
        let table = table.ok_or_else(|| damaged(name, self.path()))?;
        Ok(Some(Snapshot::of_table(&table, &mut Living::new(self.living()))))
    }
}

impl fmt::Debug for Metrics<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("series", &self.series()).finish_non_exhaustive()
    }
}

/// A thread's own cells of all metrics of a [`Metrics`]. They are given back when this and its handles are dropped.
///
/// ```
/// # use cotenant::metrics::Metrics;
/// # use cotenant::{Backing, Segment};
/// # let segment = Segment::options().backing(Backing::Anonymous).max_bytes(16 << 20).create("example")?;
/// # let metrics = Metrics::options().open_or_create(&segment, "metrics")?;
/// let thread = metrics.thread();
/// let parsed = thread.counter(&metrics.counter("lines_parsed", &[])?);
/// for _line in 0..1000 {
///     parsed.increment(); // a load and a store
/// }
/// assert_eq!(metrics.counter("lines_parsed", &[])?.total(), 1000);
/// # Ok::<(), cotenant::Error>(())
/// ```
pub struct ThreadMetrics<'a> {
    claim: Rc<Claim<'a>>,
}

impl<'a> ThreadMetrics<'a> {
    /// This thread's handle of the counter, which is of the same [`Metrics`].
    pub fn counter(&self, counter: &NamedCounter<'a>) -> OwnCounter<'a> {
        counter.with(&self.claim)
    }

    /// This thread's handle of the histogram, which is of the same [`Metrics`].
    pub fn histogram(&self, histogram: &NamedHistogram<'a>) -> OwnHistogram<'a> {
        histogram.with(&self.claim)
    }

    /// Whether it has cells of its own.
    pub fn is_claimed(&self) -> bool {
        self.claim.is_held()
    }
}

impl fmt::Debug for ThreadMetrics<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadMetrics").field("is_claimed", &self.is_claimed()).finish()
    }
}
