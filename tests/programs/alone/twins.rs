//! A shared variable and a plain one, used alike: a program, and a library.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

cotenant::shared! {
    static SHARED: AtomicU64 = AtomicU64::new(0);
    static SECOND_SHARED: AtomicU64 = AtomicU64::new(0);
}
static PLAIN: AtomicU64 = AtomicU64::new(0);
static SECOND_PLAIN: AtomicU64 = AtomicU64::new(0);

/// Adds.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn add_shared() {
    SHARED.fetch_add(1, Relaxed);
}

/// Adds.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn add_plain() {
    PLAIN.fetch_add(1, Relaxed);
}

/// Loads the second one of a block.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn load_shared() -> u64 {
    SECOND_SHARED.load(Relaxed)
}

/// Loads.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn load_plain() -> u64 {
    SECOND_PLAIN.load(Relaxed)
}

#[allow(dead_code)]
fn main() {
    add_shared();
    add_plain();
    SECOND_PLAIN.store(load_shared() + load_plain(), Relaxed);
}
