//! Counters: a total that only grows, added to by everybody.

#![allow(unsafe_code)]

use std::fmt;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::per_process::PerProcess;
use crate::per_process::striped::{Claim, OwnWords, Striped};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};
use crate::segment::reader::ReadOnly;

/// How often something has happened, in all processes together.
///
/// ```
/// use cotenant::{metrics::Counter, shared};
///
/// shared! {
///     /// Requests served.
///     static REQUESTS: Counter = Counter::new();
/// }
///
/// REQUESTS.increment();
/// REQUESTS.add(2);
/// assert_eq!(REQUESTS.total(), 3);
/// ```
///
/// An addition is one atomic operation on a cache line that threads which run at the same time rarely share. It is
/// right in every thread, in signal handlers and in children of a fork. What a process was told that it has added (the
/// call has returned) is counted, however it ends. The total never goes backwards; after 2^64 it begins again.
///
/// `N` cells for all and `N` for [`claim`](Counter::claim), a power of two: 64 bytes each.
#[repr(transparent)]
pub struct Counter<const N: usize = 32> {
    cells: PerProcess<[AtomicU64; 1], N>,
}

// SAFETY: a `PerProcess` of atomics.
unsafe impl<const N: usize> ProcessSync for Counter<N> {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Counter",
        Kind::Counter,
        &[Part { name: "cells", at: 0, doc: "", schema: Some(PerProcess::<[AtomicU64; 1], N>::SCHEMA) }],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

impl<const N: usize> Counter<N> {
    /// Zero.
    #[allow(clippy::new_without_default)] // As for locks.
    pub const fn new() -> Counter<N> {
        Counter { cells: PerProcess::new() }
    }

    /// Adds one.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `number`.
    #[inline]
    pub fn add(&self, number: u64) {
        self.cells.local()[0].fetch_add(number, Relaxed);
    }

    /// What all have added so far.
    pub fn total(&self) -> u64 {
        self.cells.total()[0]
    }

    /// A handle for this thread, which adds about as fast as to a variable of its own.
    pub fn claim(&self) -> OwnCounter<'_> {
        OwnCounter { words: OwnWords::claim(self.cells.striped()) }
    }
}

impl<const N: usize> ReadOnly<'_, Counter<N>> {
    /// As [`Counter::total`].
    pub fn total(&self) -> u64 {
        // SAFETY: that is all that a counter is.
        unsafe { self.at::<PerProcess<[AtomicU64; 1], N>>(0) }.total()[0]
    }
}

impl<const N: usize> fmt::Debug for Counter<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter").field("total", &self.total()).finish()
    }
}

/// A counter in a [`Metrics`](super::Metrics), found by its name and labels. Keep it, and call it as often as you like.
///
/// As [`Counter`] in all else.
#[derive(Clone, Copy)]
pub struct NamedCounter<'a> {
    words: Striped<'a>,
}

impl<'a> NamedCounter<'a> {
    pub(super) fn new(words: Striped<'a>) -> NamedCounter<'a> {
        NamedCounter { words }
    }

    /// Adds one.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `number`.
    #[inline]
    pub fn add(&self, number: u64) {
        self.words.here()[0].fetch_add(number, Relaxed);
    }

    /// What all have added so far.
    pub fn total(&self) -> u64 {
        self.words.all().fold(0, |sum, words| sum.wrapping_add(words[0].load(Relaxed)))
    }

    pub(super) fn with(self, claim: &Rc<Claim<'a>>) -> OwnCounter<'a> {
        OwnCounter { words: OwnWords::new(self.words, claim) }
    }
}

impl fmt::Debug for NamedCounter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedCounter").field("total", &self.total()).finish()
    }
}

/// A thread's handle of a counter: it has a cell of its own and adds by a load and a store. Of [`Counter::claim`] and
/// [`ThreadMetrics::counter`](super::ThreadMetrics::counter).
///
/// Where all cells are taken by threads that live, and in a child of a fork, it adds as the counter itself does. In a
/// signal handler use the counter. When it is dropped, or its process ends, the cell and what is in it stay, and the
/// next one adds on.
pub struct OwnCounter<'a> {
    words: OwnWords<'a>,
}

impl OwnCounter<'_> {
    /// Adds one.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `number`.
    #[inline]
    pub fn add(&self, number: u64) {
        match self.words.own() {
            Some(own) => own[0].store(own[0].load(Relaxed).wrapping_add(number), Relaxed),
            None => drop(self.words.striped.here()[0].fetch_add(number, Relaxed)),
        }
    }
}

impl fmt::Debug for OwnCounter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnCounter").field("is_claimed", &self.words.own().is_some()).finish()
    }
}
