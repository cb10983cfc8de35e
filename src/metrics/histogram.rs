//! Histograms: how values are distributed, counted in [`Buckets`].
//!
//! ```text
//! a cell   | sum | up to min | bucket | bucket | ... | above max | sum |
//! ```
//!
//! An observation changes its bucket and then a sum. A thread that has the cell to itself takes the two sums in turn:
//! the next addition need not wait until the last one has come back from memory. The number of observations is the sum
//! of the buckets, so that it never contradicts them. Killed between the two changes: an observation that nobody was
//! told of is counted, and not in the sum.

#![allow(unsafe_code)]

use std::fmt;
use std::mem::offset_of;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::buckets::{Buckets, Ranges};
use crate::per_process::PerProcess;
use crate::per_process::striped::{Claim, OwnWords, Striped, Words};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};
use crate::segment::reader::ReadOnly;

/// How values are distributed, over all processes: counts of log-linear ranges, and the sum.
///
/// ```
/// use std::time::Instant;
/// use cotenant::{metrics::{Buckets, Histogram}, shared};
///
/// shared! {
///     /// Seconds that a request took.
///     static LATENCY: Histogram = Histogram::new(Buckets::new());
/// }
///
/// let begun = Instant::now();
/// LATENCY.observe_duration(begun.elapsed());
/// LATENCY.observe(0.25);
/// let all = LATENCY.snapshot();
/// assert_eq!(all.count(), 2);
/// assert!((0.22..0.28).contains(&all.quantile(1.0).unwrap()));
/// ```
///
/// An observation is two atomic operations on cache lines that threads which run at the same time rarely share. It is
/// right in every thread, in signal handlers and in children of a fork, and what is acknowledged (the call has
/// returned) is counted, however the process ends.
///
/// `W` words of 8 bytes in each of `2 N` cells: four more than there are [buckets](Buckets::count); `N` is a power of
/// two. That they fit is checked where the histogram is made, in a static while compiling.
#[repr(C)]
pub struct Histogram<const W: usize = 128, const N: usize = 16> {
    buckets: AtomicU64,
    reserved: [u64; 7],
    cells: PerProcess<[AtomicU64; W], N>,
}

const _: () = assert!(offset_of!(Histogram, cells) == 64);

// SAFETY: a word that is checked when it is read, and a `PerProcess` of atomics.
unsafe impl<const W: usize, const N: usize> ProcessSync for Histogram<W, N> {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Histogram",
        Kind::Histogram,
        &[
            Part { name: "buckets", at: 0, doc: "", schema: Some(AtomicU64::SCHEMA) },
            Part { name: "cells", at: 64, doc: "", schema: Some(PerProcess::<[AtomicU64; W], N>::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = false;
    const IS_STABLE_LAYOUT: bool = true;
}

impl<const W: usize, const N: usize> Histogram<W, N> {
    /// Empty.
    ///
    /// # Panics
    /// If there are more buckets than `W - 4`; in a constant, that is an error while compiling.
    pub const fn new(buckets: Buckets) -> Histogram<W, N> {
        assert!(buckets.words() <= W, "the buckets, and four words more, do not fit into W words of a cell");
        Histogram { buckets: AtomicU64::new(buckets.to_word()), reserved: [0; 7], cells: PerProcess::new() }
    }

    /// The ranges that it tells apart.
    pub fn buckets(&self) -> Buckets {
        // Shared bytes: what is no buckets, or does not fit, is the narrowest that does.
        let buckets = Buckets::from_word(self.buckets.load(Relaxed)).filter(|buckets| buckets.words() <= W);
        buckets.unwrap_or(const { Buckets::between(1.0, 2.0).parts(0) })
    }

    /// Counts a value. One that is not above the first bucket's lower end, negative ones too, is counted below all
    /// buckets; one above the last behind them. No number (NaN) is not counted.
    #[inline]
    pub fn observe(&self, value: f64) {
        const { assert!(W >= 5, "a histogram's cell has at least five words") };
        // Not checked as `buckets` does: a number that is out of bounds is put into them.
        observe(&self.cells.local()[..], &Buckets::of_any_word(self.buckets.load(Relaxed)), value);
    }

    /// Counts a time, in seconds.
    #[inline]
    pub fn observe_duration(&self, time: Duration) {
        self.observe(time.as_secs_f64());
    }

    /// What all have observed so far.
    pub fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot::of(self.buckets(), self.cells.striped())
    }

    /// A handle for this thread, which observes about as fast as into a histogram of its own.
    pub fn claim(&self) -> OwnHistogram<'_> {
        OwnHistogram::new(OwnWords::claim(self.cells.striped()), self.buckets())
    }
}

impl<const W: usize, const N: usize> ReadOnly<'_, Histogram<W, N>> {
    /// As [`Histogram::snapshot`], of a histogram of which this process is no participant.
    pub fn observed(&self) -> HistogramSnapshot {
        // SAFETY: the first word of a histogram.
        let word = unsafe { self.part::<u64>(0) };
        let buckets = Buckets::from_word(word).filter(|buckets| buckets.words() <= W);
        let buckets = buckets.unwrap_or(const { Buckets::between(1.0, 2.0).parts(0) });
        let mut snapshot = HistogramSnapshot::empty(buckets);
        let cells = offset_of!(Histogram<W, N>, cells) + PerProcess::<[AtomicU64; W], N>::SHARED_AT;
        for index in 0..2 * N {
            // SAFETY: a cell of `W` words, on lines of its own.
            let cell = unsafe { self.part::<[AtomicU64; W]>(cells + index * (W * 8).next_multiple_of(64)) };
            snapshot.add(&cell);
        }
        snapshot
    }
}

impl<const W: usize, const N: usize> fmt::Debug for Histogram<W, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

/// In a stripe that others add to at the same time. `words` has as many as the buckets take, unless they are damaged.
#[inline]
fn observe(words: &[AtomicU64], buckets: &Buckets, value: f64) {
    if value.is_nan() {
        return;
    }
    words[buckets.word_of(value).min(words.len() - 1)].fetch_add(1, Relaxed);
    let mut seen = words[0].load(Relaxed);
    loop {
        let sum = (f64::from_bits(seen) + value).to_bits();
        match words[0].compare_exchange_weak(seen, sum, Relaxed, Relaxed) {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}

/// In a stripe of one's own.
#[inline]
fn observe_alone(words: &[AtomicU64], ranges: &Ranges, value: f64) {
    let Some(word) = ranges.word_of(value) else { return };
    let bucket = &words[word];
    let count = bucket.load(Relaxed).wrapping_add(1);
    bucket.store(count, Relaxed);
    let sum = &words[if count % 2 == 0 { 0 } else { ranges.second_sum() }];
    sum.store((f64::from_bits(sum.load(Relaxed)) + value).to_bits(), Relaxed);
}

/// A histogram in a [`Metrics`](super::Metrics), found by its name and labels. Keep it, and call it as often as you
/// like. As [`Histogram`] in all else.
#[derive(Clone, Copy)]
pub struct NamedHistogram<'a> {
    words: Striped<'a>,
    buckets: Buckets,
}

impl<'a> NamedHistogram<'a> {
    /// `words` has as many in each stripe as the buckets take.
    pub(super) fn new(words: Striped<'a>, buckets: Buckets) -> NamedHistogram<'a> {
        NamedHistogram { words, buckets }
    }

    /// The ranges that it tells apart: those of whoever made it.
    pub fn buckets(&self) -> Buckets {
        self.buckets
    }

    /// Counts a value. No number (NaN) is not counted.
    #[inline]
    pub fn observe(&self, value: f64) {
        observe(&self.words.here(), &self.buckets, value);
    }

    /// Counts a time, in seconds.
    #[inline]
    pub fn observe_duration(&self, time: Duration) {
        self.observe(time.as_secs_f64());
    }

    /// What all have observed so far.
    pub fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot::of(self.buckets, self.words)
    }

    pub(super) fn with(self, claim: &Rc<Claim<'a>>) -> OwnHistogram<'a> {
        OwnHistogram::new(OwnWords::new(self.words, claim), self.buckets)
    }
}

impl fmt::Debug for NamedHistogram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

/// A thread's handle of a histogram, as [`OwnCounter`](super::OwnCounter) is of a counter. Of [`Histogram::claim`] and
/// [`ThreadMetrics::histogram`](super::ThreadMetrics::histogram).
pub struct OwnHistogram<'a> {
    words: OwnWords<'a>,
    buckets: Buckets,
    ranges: Ranges,
}

impl<'a> OwnHistogram<'a> {
    fn new(words: OwnWords<'a>, buckets: Buckets) -> OwnHistogram<'a> {
        OwnHistogram { words, buckets, ranges: buckets.ranges() }
    }

    /// Counts a value. No number (NaN) is not counted.
    #[inline]
    pub fn observe(&self, value: f64) {
        match self.words.own() {
            Some(own) => observe_alone(&own, &self.ranges, value),
            None => observe(&self.words.striped.here(), &self.buckets, value),
        }
    }

    /// Counts a time, in seconds.
    #[inline]
    pub fn observe_duration(&self, time: Duration) {
        self.observe(time.as_secs_f64());
    }
}

impl fmt::Debug for OwnHistogram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnHistogram").field("is_claimed", &self.words.own().is_some()).finish()
    }
}

/// What a histogram held when it was read.
#[derive(Clone, PartialEq, Debug)]
pub struct HistogramSnapshot {
    buckets: Buckets,
    sum: f64,
    /// Of the words between the sums.
    counts: Vec<u64>,
}

impl HistogramSnapshot {
    pub(crate) fn empty(buckets: Buckets) -> HistogramSnapshot {
        HistogramSnapshot { buckets, sum: 0.0, counts: vec![0; buckets.words() - 2] }
    }

    fn of(buckets: Buckets, words: Striped<'_>) -> HistogramSnapshot {
        let mut snapshot = HistogramSnapshot::empty(buckets);
        words.all().for_each(|words: Words<'_>| snapshot.add(&words));
        snapshot
    }

    /// Adds a cell.
    pub(crate) fn add(&mut self, words: &[AtomicU64]) {
        let Some((sum, counts)) = words.split_first() else { return };
        // The sums first: an observation that comes between is in the count alone, as one that is being made.
        let second = counts.get(self.counts.len()).map_or(0, |sum| sum.load(Relaxed));
        self.sum += f64::from_bits(sum.load(Relaxed)) + f64::from_bits(second);
        for (total, count) in self.counts.iter_mut().zip(counts) {
            *total = total.wrapping_add(count.load(Relaxed));
        }
    }

    /// How many values were observed.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// The sum of the values, as exact as adding `f64`s is.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The mean; `None` if there are no values.
    pub fn mean(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum / count as f64)
    }

    /// The value below or at which a part of the values lies, from 0 to 1: the middle of its bucket, so as exact as
    /// [`Buckets`] says. `None` if there are no values, or `part` is not from 0 to 1. Of values outside of the buckets
    /// only their nearest end is known.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&part) {
            return None;
        }
        let rank = ((part * count as f64).ceil() as u64).clamp(1, count);
        let (mut seen, last) = (0_u64, self.counts.len() - 1);
        let index = self.counts.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        Some(match index.unwrap_or(last) {
            0 => self.buckets.upper_end(1),
            index if index == last => self.buckets.upper_end(last),
            index => (self.buckets.upper_end(index) + self.buckets.upper_end(index + 1)) / 2.0,
        })
    }

    /// Upper ends of the ranges, the last one infinite, each with the number of values that are not above it.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let mut seen = 0_u64;
        self.counts.iter().enumerate().map(move |(index, count)| {
            seen = seen.wrapping_add(*count);
            (self.buckets.upper_end(index + 1), seen)
        })
    }

    /// Adds what another one of the same buckets holds; `false`: it has others.
    pub(crate) fn merge(&mut self, other: &HistogramSnapshot) -> bool {
        if self.buckets != other.buckets {
            return false;
        }
        self.sum += other.sum;
        self.counts.iter_mut().zip(&other.counts).for_each(|(total, count)| *total = total.wrapping_add(*count));
        true
    }
}
