//! Metrics of one thread: handles that add by a load and a store, to cells that nobody else stores to.

use cotenant_rust::metrics::{OwnCounter, OwnHistogram, ThreadMetrics};

use crate::metrics::{close, cotenant_counter, cotenant_histogram, cotenant_metrics, handle};
use crate::segment::out;
use crate::status::call;
use crate::status::cotenant_status;

/// What a thread needs for handles of its own. Opaque: of cotenant_metrics_thread, freed by
/// cotenant_thread_metrics_close. For the thread that asked for it alone, as all that comes of it.
pub struct cotenant_thread_metrics {
    thread: ThreadMetrics<'static>,
}

/// A thread's handle of a counter: freed by cotenant_own_counter_close, in that thread. In a child of a fork, and where
/// threads that live have all cells, it adds as the counter itself does. In a signal handler use the counter. What was
/// added stays, however the thread or the process ends.
pub struct cotenant_own_counter {
    counter: OwnCounter<'static>,
}

/// A thread's handle of a histogram, as cotenant_own_counter is of a counter. Freed by cotenant_own_histogram_close.
pub struct cotenant_own_histogram {
    histogram: OwnHistogram<'static>,
}

impl cotenant_own_counter {
    pub(crate) fn handle(counter: OwnCounter<'static>) -> *mut cotenant_own_counter {
        Box::into_raw(Box::new(cotenant_own_counter { counter }))
    }
}

impl cotenant_own_histogram {
    pub(crate) fn handle(histogram: OwnHistogram<'static>) -> *mut cotenant_own_histogram {
        Box::into_raw(Box::new(cotenant_own_histogram { histogram }))
    }
}

/// Claims cells of all metrics for this thread. Asks, if all are taken, whether their owners live; waits for nobody, and
/// works without cells where the living have them all. Close it after the handles that come of it, before the metrics.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_metrics_thread(
    metrics: *const cotenant_metrics,
    thread: *mut *mut cotenant_thread_metrics,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a place.
        let place = unsafe { out(thread) }?;
        // SAFETY: the caller passes metrics.
        let thread = unsafe { handle(metrics) }?.metrics.thread();
        *place = Box::into_raw(Box::new(cotenant_thread_metrics { thread }));
        Ok(())
    })
}

/// Frees it; the cells stay, and the next one adds on. Of a null pointer it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_thread_metrics_close(thread: *mut cotenant_thread_metrics) {
    // SAFETY: the caller passes a handle that it uses no more.
    unsafe { close(thread) };
}

/// This thread's handle of a counter of the same metrics. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_thread_metrics_counter(
    thread: *const cotenant_thread_metrics,
    counter: *const cotenant_counter,
    own: *mut *mut cotenant_own_counter,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a place.
        let place = unsafe { out(own) }?;
        // SAFETY: the caller passes a counter.
        let counter = unsafe { handle(counter) }?;
        // SAFETY: the caller passes what this thread has.
        *place = cotenant_own_counter::handle(unsafe { handle(thread) }?.thread.counter(&counter.counter));
        Ok(())
    })
}

/// This thread's handle of a histogram of the same metrics. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_thread_metrics_histogram(
    thread: *const cotenant_thread_metrics,
    histogram: *const cotenant_histogram,
    own: *mut *mut cotenant_own_histogram,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a place.
        let place = unsafe { out(own) }?;
        // SAFETY: the caller passes a histogram.
        let histogram = unsafe { handle(histogram) }?;
        // SAFETY: the caller passes what this thread has.
        *place = cotenant_own_histogram::handle(unsafe { handle(thread) }?.thread.histogram(&histogram.histogram));
        Ok(())
    })
}

/// Adds to the counter. Of a null pointer it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_own_counter_add(own: *const cotenant_own_counter, number: u64) {
    // SAFETY: the caller passes a handle of this thread.
    if let Some(own) = unsafe { own.as_ref() } {
        own.counter.add(number);
    }
}

/// Frees the handle. Of a null pointer it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_own_counter_close(own: *mut cotenant_own_counter) {
    // SAFETY: the caller passes a handle that it uses no more.
    unsafe { close(own) };
}

/// Counts a value; a NaN is not counted. Of a null pointer it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_own_histogram_observe(own: *const cotenant_own_histogram, value: f64) {
    // SAFETY: the caller passes a handle of this thread.
    if let Some(own) = unsafe { own.as_ref() } {
        own.histogram.observe(value);
    }
}

/// Frees the handle. Of a null pointer it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_own_histogram_close(own: *mut cotenant_own_histogram) {
    // SAFETY: the caller passes a handle that it uses no more.
    unsafe { close(own) };
}
