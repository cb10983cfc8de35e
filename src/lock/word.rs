//! The lock word: 64 bits that are the lock and name its owner, alike on every system. `docs/format.md` draws it.
//!
//! ```text
//! 63        52 51          33   32  | 31        30          29              0
//!   slot (12)  generation (19)  INC | WAITERS   OWNER_DIED  thread id (30)      <- low half: the futex on Linux
//! ```
//!
//! Free is a low half of zero, whatever the high half says.

use crate::error::Error;

/// Somebody sleeps, or may: unlocking must wake.
pub(crate) const WAITERS: u64 = 1 << 31;
/// Set by the kernel, which clears the thread id, when the owner's thread ended with the word on its robust list.
pub(crate) const OWNER_DIED: u64 = 1 << 30;
pub(crate) const THREAD_ID: u64 = OWNER_DIED - 1;
pub(crate) const LOW: u64 = 0xffff_ffff;
/// The value may be half changed: the owner died, or panicked.
pub(crate) const INCONSISTENT: u64 = 1 << 32;
/// The thread id of nobody: who was to repair the value gave up.
pub(crate) const NOT_RECOVERABLE: u64 = THREAD_ID;
/// What names an owner: everything but the flags.
pub(crate) const OWNER: u64 = !(WAITERS | OWNER_DIED | INCONSISTENT);

/// How a lock was had.
pub(crate) enum Locked {
    Clean,
    /// The one before died or panicked inside; the high half of its owner word.
    Inconsistent(u32),
}

/// Why a lock was not had.
pub(crate) enum NotLocked {
    /// This thread holds it.
    WouldDeadlock,
    /// Somebody else holds it (`try_lock` only).
    WouldBlock,
    /// Somebody else held it up to the deadline.
    TimedOut,
    /// Whoever was to repair the value gave up.
    NotRecoverable,
    /// This process has no slot and could not get one.
    NoSlot(Box<Error>),
}
