//! A library crate of edition 2018 with blocks in every place where a block may stand.

#![forbid(unsafe_code)]
#![deny(missing_docs, warnings)]
#![deny(missing_copy_implementations, missing_debug_implementations, rust_2018_idioms, unreachable_pub)]
#![deny(trivial_casts, trivial_numeric_casts, unused_qualifications, unused_results, variant_size_differences)]

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

cotenant::shared! {
    /// Seen by every crate.
    pub static BOOKS: AtomicU64 = AtomicU64::new(0);
    /// Seen by this crate.
    pub(crate) static BORROWED: AtomicU64 = AtomicU64::new(0);
    static RETURNED: AtomicU64 = AtomicU64::new(0);
    /// Überfällige Bücher.
    pub static ÜBERFÄLLIG: AtomicU64 = AtomicU64::new(3);
}

cotenant::shared! {
    /// A second block of one module.
    pub static READERS: AtomicU64 = AtomicU64::new(0);
}

/// A module with a variable whose name another module has, too.
pub mod upper {
    use std::sync::atomic::AtomicU64;

    cotenant::shared! {
        /// Not the books below.
        pub static BOOKS: AtomicU64 = AtomicU64::new(100);
        /// Seen by the parent module.
        pub(super) static DUST: AtomicU64 = AtomicU64::new(0);
        /// Seen in a path.
        pub(in crate::upper) static LADDERS: AtomicU64 = AtomicU64::new(0);
    }

    /// Uses the one that is seen here alone.
    pub fn ladders() -> &'static AtomicU64 {
        &LADDERS
    }
}

/// Generic: its code is made in the crate that calls it.
pub fn borrow<T: Into<u64>>(how_many: T) -> u64 {
    let how_many = how_many.into();
    let _ = BOOKS.fetch_sub(how_many, SeqCst);
    BORROWED.fetch_add(how_many, SeqCst) + how_many
}

/// Generic over a closure, with a block inside.
pub fn visit<R>(during: impl FnOnce(u64) -> R) -> R {
    cotenant::shared! {
        static VISITS: AtomicU64 = AtomicU64::new(0);
    }
    during(VISITS.fetch_add(1, SeqCst) + 1)
}

/// Two functions with a block each, whose variables have one name.
pub fn sweep() -> u64 {
    cotenant::shared! { static ROUNDS: AtomicU64 = AtomicU64::new(0); }
    upper::DUST.store(0, SeqCst);
    ROUNDS.fetch_add(1, SeqCst) + 1
}

/// The other one.
pub fn count() -> u64 {
    cotenant::shared! { static ROUNDS: AtomicU64 = AtomicU64::new(50); }
    RETURNED.load(SeqCst) + ROUNDS.fetch_add(1, SeqCst) + 1
}
