//! The atomics of the locks' algorithms: the one place where the model checker puts its own instead (`model.rs`).

#[cfg(not(cotenant_model))]
#[allow(unused_imports)]
pub(crate) use std::sync::atomic::*;

#[cfg(cotenant_model)]
pub(crate) use super::model::atomic::*;
