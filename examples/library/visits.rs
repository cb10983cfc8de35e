//! A library with a counter that is shared by all processes that load it, whatever they are written in.
//!
//! The variable itself is not exported, only a function: a variable that a program names would be moved into the
//! program, and so be private to it.

// For the exported name.
#![allow(unsafe_code)]

use std::ffi::c_ulonglong;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

cotenant::shared! {
    /// Visits, by everybody who has the library loaded.
    static VISITS: AtomicU64 = AtomicU64::new(0);
}

/// Adds `by` visits and gives the new number. In C: `unsigned long long visits_add(unsigned long long by);`
// SAFETY: no other function of this name is in any of the programs.
#[unsafe(no_mangle)]
pub extern "C" fn visits_add(by: c_ulonglong) -> c_ulonglong {
    VISITS.fetch_add(by, Relaxed).wrapping_add(by)
}
