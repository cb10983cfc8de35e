//! The atomics of the locks' algorithms: the one place where a model checker puts its own instead.

#[allow(unused_imports)]
pub(crate) use std::sync::atomic::*;
