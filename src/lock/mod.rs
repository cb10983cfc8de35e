//! The robust lock that everything with an owner is made of: one word, one algorithm, on every system.
//!
//! `owner` says who a thread is, `ranges` whether an owner lives, `futex` sleeps and wakes: the system's, or those of
//! the model checker (`--cfg cotenant_model`, tests/models). What is promised to users is in `sync`.

pub(crate) mod atomic;
#[cfg(cotenant_model)]
#[allow(unreachable_pub)] // `__private` exports it.
pub mod model;
pub(crate) mod naps;
pub(crate) mod raw_lock;
mod sleeps;
pub(crate) mod word;

#[cfg(cotenant_model)]
pub(crate) use model::{barrier, futex, owner, ranges};
pub(crate) use raw_lock::{RawLock, Ticket};
pub(crate) use word::{Locked, NotLocked};

#[cfg(not(cotenant_model))]
pub(crate) use crate::sys::{barrier, futex, owner, ranges};
