//! Metrics as variables: counters, gauges and histograms that stand in a block or are objects of a segment.

use cotenant_rust::metrics::{Counter, Gauge, Histogram, HistogramSnapshot};

use crate::memory::say;
use crate::segment::out;
use crate::status::cotenant_status;
use crate::status::{Result, call, invalid};
use crate::thread_metrics::{cotenant_own_counter, cotenant_own_histogram};

/// A counter as a variable: `F(counter, requests)` in a block is what `static requests: Counter` is in Rust, and scraped
/// as requests_total; COTENANT_TYPE(counter) in a segment. All zero at first.
#[repr(C, align(64))]
pub struct cotenant_shared_counter {
    /// For the functions below alone.
    pub words: [u64; 552],
}

/// A gauge as a variable, `Gauge` in Rust: `F(gauge, in_flight, COTENANT_GAUGE(COTENANT_ACROSS_SUM))`, a cotenant_across;
/// without it COTENANT_ACROSS_LAST.
#[repr(C, align(64))]
pub struct cotenant_shared_gauge {
    /// A cotenant_across; 0 is COTENANT_ACROSS_LAST. Of an object of a segment, for its init to write.
    pub across: u32,
    /// Zero.
    pub reserved: u32,
    /// For the functions below alone.
    pub words: [u64; 2055],
}

/// A histogram as a variable, `Histogram` in Rust: `F(histogram, seconds)` has ranges from a microsecond to 1,024 s, 4
/// for each doubling, and `F(histogram, bytes, COTENANT_BUCKETS(6, 30, 1))` from 2^6 to 2^30, 2^1 for each doubling.
#[repr(C, align(64))]
pub struct cotenant_shared_histogram {
    /// What COTENANT_BUCKETS makes; 0: for seconds. Of an object of a segment, for its init to write.
    pub buckets: u64,
    /// For the functions below alone.
    pub words: [u64; 4127],
}

const _: () = {
    assert!(size_of::<cotenant_shared_counter>() == size_of::<Counter>());
    assert!(size_of::<cotenant_shared_gauge>() == size_of::<Gauge>());
    assert!(size_of::<cotenant_shared_histogram>() == size_of::<Histogram>());
};

/// # Safety
/// Null, or a variable that is laid out as `R`, in memory that stays mapped as long as it is used.
unsafe fn as_rust<'a, C, R>(variable: *const C) -> Option<&'a R> {
    const { assert!(size_of::<C>() == size_of::<R>() && align_of::<C>() == align_of::<R>()) };
    // SAFETY: the caller's promise; all that is in it is atomics.
    unsafe { variable.cast::<R>().as_ref() }
}

/// # Safety
/// As of [`as_rust`], of a metric.
unsafe fn metric<'a, C, R>(variable: *const C) -> Result<&'a R> {
    // SAFETY: the caller's promise.
    unsafe { as_rust(variable) }.ok_or_else(|| invalid("the metric is a null pointer"))
}

/// Adds to the counter. One atomic operation; right in every thread, in signal handlers and in children of a fork. What
/// was added stays, however the process ends. Of a null pointer it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_shared_counter_add(counter: *mut cotenant_shared_counter, number: u64) {
    // SAFETY: the caller passes a counter.
    if let Some(counter) = unsafe { as_rust::<_, Counter>(counter) } {
        counter.add(number);
    }
}

/// What all processes have added so far. 0 of a null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_shared_counter_total(counter: *const cotenant_shared_counter) -> u64 {
    // SAFETY: the caller passes a counter.
    unsafe { as_rust::<_, Counter>(counter) }.map_or(0, Counter::total)
}

/// A handle of this thread, which adds about as fast as to a variable of its own: cotenant_own_counter_add. Close it
/// before the memory goes. Asks, if all cells are taken, whether their owners live; waits for nobody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_shared_counter_claim(
    counter: *mut cotenant_shared_counter,
    own: *mut *mut cotenant_own_counter,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a place.
        let place = unsafe { out(own) }?;
        // SAFETY: the caller passes a counter, and closes the handle first.
        let counter = unsafe { metric::<_, Counter>(counter) }?;
        *place = cotenant_own_counter::handle(counter.claim());
        Ok(())
    })
}

/// Sets this process's value (of COTENANT_ACROSS_LAST, the value). The value vanishes when the process is dead. Also for
/// signal handlers. At most 256 processes at a time can have one: of others it is not kept. Of a null pointer it does
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_shared_gauge_set(gauge: *mut cotenant_shared_gauge, value: f64) {
    // SAFETY: the caller passes a gauge.
    if let Some(gauge) = unsafe { as_rust::<_, Gauge>(gauge) } {
        gauge.set(value);
    }
}

/// Adds to this process's value; not set counts as 0. As cotenant_shared_gauge_set in all else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_shared_gauge_add(gauge: *mut cotenant_shared_gauge, number: f64) {
    // SAFETY: the caller passes a gauge.
    if let Some(gauge) = unsafe { as_rust::<_, Gauge>(gauge) } {
        gauge.add(number);
    }
}

/// The value over the processes that live (of COTENANT_ACROSS_EACH_PROCESS their sum); a NaN if none of them has set it,
/// and of a null pointer. Asks the system. Not for memory of a cotenant_reader, which cannot ask who lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_shared_gauge_value(gauge: *const cotenant_shared_gauge) -> f64 {
    // SAFETY: the caller passes a gauge.
    unsafe { as_rust::<_, Gauge>(gauge) }.and_then(Gauge::value).unwrap_or(f64::NAN)
}

/// Counts a value; a NaN is not counted. As cotenant_shared_counter_add in all else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_shared_histogram_observe(histogram: *mut cotenant_shared_histogram, value: f64) {
    // SAFETY: the caller passes a histogram.
    if let Some(histogram) = unsafe { as_rust::<_, Histogram>(histogram) } {
        histogram.observe(value);
    }
}

/// What all have observed: `count` and `sum` of the values, and the value of a quantile, from 0 to 1 (a NaN if there are
/// none). Each place may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_shared_histogram_read(
    histogram: *const cotenant_shared_histogram,
    count: *mut u64,
    sum: *mut f64,
    quantile: f64,
    value: *mut f64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a histogram.
        let all = unsafe { metric::<_, Histogram>(histogram) }?.snapshot();
        // SAFETY: the caller passes places, or null.
        unsafe { tell(&all, count, sum, quantile, value) };
        Ok(())
    })
}

/// # Safety
/// Places for numbers, or null.
pub(crate) unsafe fn tell(all: &HistogramSnapshot, count: *mut u64, sum: *mut f64, quantile: f64, value: *mut f64) {
    // SAFETY: the caller's promise.
    unsafe { say(count, all.count()) };
    // SAFETY: as above.
    unsafe { say(sum, all.sum()) };
    // SAFETY: as above.
    unsafe { say(value, all.quantile(quantile).unwrap_or(f64::NAN)) };
}

/// A handle of this thread, which observes about as fast as into a histogram of its own: cotenant_own_histogram_observe.
/// As cotenant_shared_counter_claim in all else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_shared_histogram_claim(
    histogram: *mut cotenant_shared_histogram,
    own: *mut *mut cotenant_own_histogram,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a place.
        let place = unsafe { out(own) }?;
        // SAFETY: the caller passes a histogram, and closes the handle first.
        let histogram = unsafe { metric::<_, Histogram>(histogram) }?;
        *place = cotenant_own_histogram::handle(histogram.claim());
        Ok(())
    })
}
