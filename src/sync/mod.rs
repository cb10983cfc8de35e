//! Locks between processes that survive the death of whoever holds them.

mod barrier;
pub(crate) mod bell;
pub(crate) mod cells;
mod condvar;
mod event;
mod leader;
mod lock_error;
mod mutex;
mod once;
mod once_cell;
pub(crate) mod patience;
pub(crate) mod raw_rwlock;
mod rwlock;
mod semaphore;
mod snapshot;
#[allow(unreachable_pub)] // `__c` exports it.
pub mod unguarded;
mod unwind;

#[cfg(test)]
mod tests;

pub use barrier::{Barrier, BarrierWaitResult};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use event::{Event, TimedOut};
pub use leader::{CurrentLeader, Leader, Leadership};
pub use lock_error::{BarrierWait, DeadOwner, LeaderWait, LockError, OnceWait, PermitWait, TryLockError};
pub use mutex::{Mutex, MutexGuard, OwnerDied};
pub use once::Once;
pub use once_cell::{OnceCell, SetError};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard, WriterDied};
pub use semaphore::{Permit, Semaphore};
