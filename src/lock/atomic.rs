//! The atomics of the lock's algorithm: the one place where a model checker puts its own instead.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
