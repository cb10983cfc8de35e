//! The robust lock that everything with an owner is made of: one word, one algorithm, on every system.
//!
//! `sys::owner` says who a thread is and whether an owner lives, `sys::futex` sleeps and wakes. What is promised to
//! users is in `sync`.

pub(crate) mod atomic;
pub(crate) mod raw_lock;
pub(crate) mod word;

pub(crate) use raw_lock::{RawLock, Ticket};
pub(crate) use word::{Locked, NotLocked};
