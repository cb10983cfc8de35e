//! Metrics: counters, gauges and histograms of all processes, by names and labels.

use std::ffi::c_char;
use std::slice;

use cotenant_rust::metrics::{Across, Buckets, Format, Metrics, NamedCounter, NamedGauge, NamedHistogram, statics};

use crate::memory::{given, say};
use crate::segment::{at, cotenant_segment, out, text};
use crate::shared_metrics::tell;
use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, Result, call, invalid};

/// Metrics of a segment. Opaque: made by cotenant_metrics_open, freed by cotenant_metrics_close. Threads may share it.
/// Rust's Metrics of the same segment and name are the same.
pub struct cotenant_metrics {
    pub(crate) metrics: Metrics<'static>,
}

/// A counter. Opaque: of cotenant_metrics_counter, freed by cotenant_counter_close. Threads may share it.
pub struct cotenant_counter {
    pub(crate) counter: NamedCounter<'static>,
}

/// A gauge. Opaque: of cotenant_metrics_gauge, freed by cotenant_gauge_close. Threads may share it.
pub struct cotenant_gauge {
    gauge: NamedGauge<'static>,
}

/// A histogram. Opaque: of cotenant_metrics_histogram, freed by cotenant_histogram_close. Threads may share it.
pub struct cotenant_histogram {
    pub(crate) histogram: NamedHistogram<'static>,
}

/// How large metrics are made; who finds them takes them as they are. All zero are the defaults.
#[repr(C)]
pub struct cotenant_metrics_options {
    /// The most combinations of name and labels. 0: 2,000.
    pub max_series: u32,
    /// Cells that threads add to, a power of two. 0: twice as many as there are processors, 8 to 64.
    pub cells: u32,
    /// Bytes for all of it. 0: 8 MiB.
    pub max_bytes: u64,
    /// Processes that can set a gauge of their own at the same time, a multiple of 64. 0: 256.
    pub max_processes: u32,
    /// Zero.
    pub reserved: u32,
}

/// A label of a metric: two C strings.
#[repr(C)]
pub struct cotenant_label {
    /// Its name: a-z, A-Z, 0-9 and _.
    pub name: *const c_char,
    /// Its value, any UTF-8.
    pub value: *const c_char,
}

/// How the values of several processes make one.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(dead_code)] // C names them; here they are numbers that were checked.
pub enum cotenant_across {
    /// One value for all: what was set last. It outlives who set it.
    COTENANT_ACROSS_LAST = 1,
    /// The sum over the processes that live.
    COTENANT_ACROSS_SUM = 2,
    /// The smallest of the processes that live.
    COTENANT_ACROSS_MIN = 3,
    /// The largest of the processes that live.
    COTENANT_ACROSS_MAX = 4,
    /// A value of each process that lives, with its id and slot as labels.
    COTENANT_ACROSS_EACH_PROCESS = 5,
}

/// A text format of scrapers.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(dead_code)] // As above.
pub enum cotenant_metrics_format {
    /// Prometheus 0.0.4.
    COTENANT_METRICS_PROMETHEUS = 0,
    /// OpenMetrics 1.0.0.
    COTENANT_METRICS_OPENMETRICS = 1,
}

/// # Safety
/// Null, or a handle that is not closed during the call.
pub(crate) unsafe fn handle<'a, T>(handle: *const T) -> Result<&'a T> {
    // SAFETY: the caller's promise.
    unsafe { handle.as_ref() }.ok_or_else(|| invalid("the handle is a null pointer"))
}

/// # Safety
/// Null, or a handle that was made by a Box of this file, and is freed here alone.
pub(crate) unsafe fn close<T>(handle: *mut T) {
    call(|| {
        if !handle.is_null() {
            // SAFETY: the caller's promise.
            drop(unsafe { Box::from_raw(handle) });
        }
        Ok(())
    });
}

/// # Safety
/// Null and 0, or so many labels, whose texts are C strings that stay during the call.
unsafe fn labels<'a>(labels: *const cotenant_label, count: usize) -> Result<Vec<(&'a str, &'a str)>> {
    // SAFETY: the caller's promise.
    let all = unsafe { given(labels, count, "the labels are") }?;
    let pair = |label: &cotenant_label| {
        // SAFETY: the caller's promise.
        let name = unsafe { text(label.name, "the name of a label") }?;
        // SAFETY: the caller's promise.
        let value = unsafe { text(label.value, "the value of a label") }?;
        Ok((name, value))
    };
    all.iter().map(pair).collect()
}

/// The metrics of that name in a segment; makes them if there are none. `options` may be null.
///
/// Close what comes of them, then them, then the segment. Blocks while another one makes them. COTENANT_MISMATCH: an
/// object of that name is none. COTENANT_NO_SPACE, COTENANT_INVALID_INPUT, COTENANT_BUSY, COTENANT_CORRUPT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_metrics_open(
    segment: *const cotenant_segment,
    name: *const c_char,
    options: *const cotenant_metrics_options,
    metrics: *mut *mut cotenant_metrics,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a segment.
        let segment = &unsafe { at(segment) }?.segment;
        // SAFETY: the caller passes a place.
        let place = unsafe { out(metrics) }?;
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the metrics") }?;
        let mut size = Metrics::options();
        // SAFETY: the caller passes options, or null.
        if let Some(given) = unsafe { options.as_ref() } {
            let if_given = |number: u32| (number != 0).then_some(number);
            if let Some(series) = if_given(given.max_series) {
                size = size.max_series(series);
            }
            if let Some(cells) = if_given(given.cells) {
                size = size.cells(cells);
            }
            if let Some(processes) = if_given(given.max_processes) {
                size = size.max_processes(processes);
            }
            if given.max_bytes != 0 {
                size = size.max_bytes(given.max_bytes);
            }
        }
        let found = size.open_or_create(segment, name)?;
        // SAFETY: only the lifetime is forgotten: the caller closes it before the segment.
        let found = unsafe { std::mem::transmute::<Metrics<'_>, Metrics<'static>>(found) };
        *place = Box::into_raw(Box::new(cotenant_metrics { metrics: found }));
        Ok(())
    })
}

/// Frees the handle; the metrics stay. Of a null pointer it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_metrics_close(metrics: *mut cotenant_metrics) {
    // SAFETY: the caller passes a handle that it uses no more.
    unsafe { close(metrics) };
}

/// The counter of that name (without _total) with these labels, in any order; adds it if there is none. Keep it: a
/// look-up costs more than an addition. COTENANT_NO_SPACE: there are as many as fit; the message says which limit that
/// is. COTENANT_MISMATCH: one of that name is no counter. COTENANT_INVALID_INPUT: a name that scrapers do not read.
/// COTENANT_BUSY, COTENANT_FULL, COTENANT_PERMISSION_DENIED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_metrics_counter(
    metrics: *const cotenant_metrics,
    name: *const c_char,
    label: *const cotenant_label,
    label_count: usize,
    counter: *mut *mut cotenant_counter,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a place.
        let place = unsafe { out(counter) }?;
        // SAFETY: the caller passes labels.
        let labels = unsafe { labels(label, label_count) }?;
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the metric") }?;
        // SAFETY: the caller passes metrics.
        let counter = unsafe { handle(metrics) }?.metrics.counter(name, &labels)?;
        *place = Box::into_raw(Box::new(cotenant_counter { counter }));
        Ok(())
    })
}

/// The gauge of that name with these labels; as cotenant_metrics_counter. `across` is a cotenant_across.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_metrics_gauge(
    metrics: *const cotenant_metrics,
    name: *const c_char,
    label: *const cotenant_label,
    label_count: usize,
    across: u32,
    gauge: *mut *mut cotenant_gauge,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a place.
        let place = unsafe { out(gauge) }?;
        // SAFETY: the caller passes labels.
        let labels = unsafe { labels(label, label_count) }?;
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the metric") }?;
        let across = [Across::Last, Across::Sum, Across::Min, Across::Max, Across::EachProcess]
            .into_iter()
            .find(|it| *it as u32 == across)
            .ok_or_else(|| invalid("the number is no cotenant_across"))?;
        // SAFETY: the caller passes metrics.
        let gauge = unsafe { handle(metrics) }?.metrics.gauge(name, &labels, across)?;
        *place = Box::into_raw(Box::new(cotenant_gauge { gauge }));
        Ok(())
    })
}

/// The histogram of that name with these labels; as cotenant_metrics_counter. `min` and `max` are where its ranges begin
/// and end, rounded to powers of two, 2^part_bits of them for each doubling; 0, 0 and 0: for seconds, from a microsecond
/// to 1,024 s, 4 for each. A histogram that is there keeps the ranges that it has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_metrics_histogram(
    metrics: *const cotenant_metrics,
    name: *const c_char,
    label: *const cotenant_label,
    label_count: usize,
    min: f64,
    max: f64,
    part_bits: u32,
    histogram: *mut *mut cotenant_histogram,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a place.
        let place = unsafe { out(histogram) }?;
        // SAFETY: the caller passes labels.
        let labels = unsafe { labels(label, label_count) }?;
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the metric") }?;
        let buckets = if (min, max, part_bits) == (0.0, 0.0, 0) {
            Buckets::new()
        } else if min.is_normal() && max.is_normal() && 0.0 < min && min < max && max < 1e308 && part_bits <= 7 {
            Buckets::between(min, max).parts(part_bits as u8)
        } else {
            return Err(invalid("ranges begin above 0, end above that, and have 2^0 to 2^7 parts for each doubling"));
        };
        // SAFETY: the caller passes metrics.
        let histogram = unsafe { handle(metrics) }?.metrics.histogram(name, &labels, buckets)?;
        *place = Box::into_raw(Box::new(cotenant_histogram { histogram }));
        Ok(())
    })
}

/// Describes the metrics of a name in one line. The first one stays. Statuses as of cotenant_metrics_counter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_metrics_describe(
    metrics: *const cotenant_metrics,
    name: *const c_char,
    line: *const c_char,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the metrics") }?;
        // SAFETY: the caller passes a line.
        let line = unsafe { text(line, "the line that describes them") }?;
        // SAFETY: the caller passes metrics.
        Ok(unsafe { handle(metrics) }?.metrics.describe(name, line)?)
    })
}

/// All metrics as text, a cotenant_metrics_format, into `buffer`, which has room for `capacity` bytes, with a zero byte
/// behind it. `length` gets the length without that; it may be null. COTENANT_NO_SPACE: it is longer, `length` says how
/// long, and nothing is written; a capacity of 0 asks for just that. Asks the system who lives; waits for nobody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_metrics_render(
    metrics: *const cotenant_metrics,
    format: u32,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes metrics.
        let text = unsafe { handle(metrics) }?.metrics.snapshot().render(format_of(format)?);
        // SAFETY: the caller passes a buffer and a place.
        unsafe { give_text(&text, buffer, capacity, length) }
    })
}

/// The metrics that are variables of this program's blocks (of a library, of those that it declares with the same copy of
/// libcotenant), and what is known of the segments that they lie in, as text; as cotenant_metrics_render in all else.
/// Waits while another thread attaches blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_shared_metrics_render(
    format: u32,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> cotenant_status {
    call(|| {
        let text = statics().render(format_of(format)?);
        // SAFETY: the caller passes a buffer and a place.
        unsafe { give_text(&text, buffer, capacity, length) }
    })
}

fn format_of(number: u32) -> Result<Format> {
    match number {
        0 => Ok(Format::Prometheus),
        1 => Ok(Format::OpenMetrics),
        _ => Err(invalid("the number is no cotenant_metrics_format")),
    }
}

/// # Safety
/// A buffer with room for `capacity` bytes, or null, and a place for a length, or null.
unsafe fn give_text(text: &str, buffer: *mut c_char, capacity: usize, length: *mut usize) -> Result<()> {
    // SAFETY: the caller passes a place, or null.
    unsafe { say(length, text.len()) };
    if text.len() >= capacity {
        let message = format!("the text has {} bytes, and a zero byte, and the buffer {capacity}", text.len());
        return Err(Failure { status: COTENANT_NO_SPACE, message });
    }
    if buffer.is_null() {
        return Err(invalid("the buffer is a null pointer"));
    }
    // SAFETY: the caller passes memory of that size, which is larger.
    let to = unsafe { slice::from_raw_parts_mut(buffer.cast::<u8>(), text.len() + 1) };
    to[..text.len()].copy_from_slice(text.as_bytes());
    to[text.len()] = 0;
    Ok(())
}

/// Adds to the counter. One atomic operation; right in every thread, in signal handlers and in children of a fork. What
/// was added stays, however the process ends. Of a null pointer it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_counter_add(counter: *const cotenant_counter, number: u64) {
    // SAFETY: the caller passes a handle.
    if let Some(counter) = unsafe { counter.as_ref() } {
        counter.counter.add(number);
    }
}

/// What all processes have added so far. 0 of a null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_counter_total(counter: *const cotenant_counter) -> u64 {
    // SAFETY: the caller passes a handle.
    unsafe { counter.as_ref() }.map_or(0, |counter| counter.counter.total())
}

/// Frees the handle; the counter stays. Of a null pointer it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_counter_close(counter: *mut cotenant_counter) {
    // SAFETY: the caller passes a handle that it uses no more.
    unsafe { close(counter) };
}

/// Sets this process's value (of COTENANT_ACROSS_LAST, the value). The value vanishes when the process is dead. Also for
/// signal handlers. Of a null pointer it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_gauge_set(gauge: *const cotenant_gauge, value: f64) {
    // SAFETY: the caller passes a handle.
    if let Some(gauge) = unsafe { gauge.as_ref() } {
        gauge.gauge.set(value);
    }
}

/// Adds to this process's value; not set counts as 0. As cotenant_gauge_set in all else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_gauge_add(gauge: *const cotenant_gauge, number: f64) {
    // SAFETY: the caller passes a handle.
    if let Some(gauge) = unsafe { gauge.as_ref() } {
        gauge.gauge.add(number);
    }
}

/// The value over the processes that live; a NaN if none of them has set it, and of a null pointer. Asks the system.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_gauge_value(gauge: *const cotenant_gauge) -> f64 {
    // SAFETY: the caller passes a handle.
    unsafe { gauge.as_ref() }.and_then(|gauge| gauge.gauge.value()).unwrap_or(f64::NAN)
}

/// Frees the handle; the gauge stays. Of a null pointer it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_gauge_close(gauge: *mut cotenant_gauge) {
    // SAFETY: the caller passes a handle that it uses no more.
    unsafe { close(gauge) };
}

/// Counts a value; a NaN is not counted. As cotenant_counter_add in all else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_histogram_observe(histogram: *const cotenant_histogram, value: f64) {
    // SAFETY: the caller passes a handle.
    if let Some(histogram) = unsafe { histogram.as_ref() } {
        histogram.histogram.observe(value);
    }
}

/// What all have observed: `count` and `sum` of the values, and the value of a quantile, from 0 to 1 (a NaN if there are
/// none). Each place may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_histogram_read(
    histogram: *const cotenant_histogram,
    count: *mut u64,
    sum: *mut f64,
    quantile: f64,
    value: *mut f64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a handle.
        let all = unsafe { handle(histogram) }?.histogram.snapshot();
        // SAFETY: the caller passes places, or null.
        unsafe { tell(&all, count, sum, quantile, value) };
        Ok(())
    })
}

/// Frees the handle; the histogram stays. Of a null pointer it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_histogram_close(histogram: *mut cotenant_histogram) {
    // SAFETY: the caller passes a handle that it uses no more.
    unsafe { close(histogram) };
}
