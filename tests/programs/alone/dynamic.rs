//! A Rust `dylib` with a block.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

cotenant::shared! {
    /// Used by another image.
    pub static COUNT: AtomicU64 = AtomicU64::new(0);
}

/// Used inside.
pub fn add() -> u64 {
    COUNT.fetch_add(1, SeqCst) + 1
}
