//! Locks between processes that survive the death of whoever holds them.

mod lock_error;
mod mutex;

pub use lock_error::{DeadOwner, LockError, TryLockError};
pub use mutex::{Mutex, MutexGuard, OwnerDied};
