//! Locks between processes that survive the death of whoever holds them.

mod mutex;

pub use mutex::{DeadOwner, LockError, Mutex, MutexGuard, OwnerDied, TryLockError};
