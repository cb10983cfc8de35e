//! A crate with a block that nobody uses.

#![forbid(unsafe_code)]
#![deny(missing_docs, warnings)]

use std::sync::atomic::AtomicU64;

cotenant::shared! {
    /// Stored and forgotten.
    pub static BOXES: AtomicU64 = AtomicU64::new(0);
    static KEYS: AtomicU64 = AtomicU64::new(0);
}

/// What the crate is used for.
pub const FLOOR: u64 = 4;
