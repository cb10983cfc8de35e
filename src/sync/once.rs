//! `Once`: something is done once, however many want it, and also if whoever does it dies half-way.
//!
//! ```text
//! +-----------+--------+-----------+     not done -> lock -> do it -> done, wake all -> unlock
//! | completed | unused | lock word |
//! +-----------+--------+-----------+     `completed` is the commit: killed before it, the next one does it again
//! ```

#![allow(unsafe_code)]

use std::fmt;
use std::mem::offset_of;
use std::time::Duration;

use super::event::{Event, TimedOut};
use super::lock_error::{LockError, OnceWait, TryLockError};
use super::patience::Patience;
use crate::lock::{Locked, NotLocked, RawLock, Ticket};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// Has something done once, by one thread of all processes that share it.
///
/// If whoever does it is killed or panics half-way, the next one does it anew: what is done must bear to be begun
/// again. There is no poisoning. Who comes meanwhile waits; the same thread again, inside of what it does, gets
/// [`LockError::WouldDeadlock`]. 16 bytes.
///
/// ```
/// use cotenant::{shared, sync::Once};
///
/// shared! {
///     static MIGRATED: Once = Once::new();
/// }
///
/// MIGRATED.call_once(|| println!("the first process of all does this"))?;
/// assert!(MIGRATED.is_completed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(C)]
pub struct Once {
    pub(super) completed: Event,
    unused: u32,
    pub(super) lock: RawLock,
}

const _: () = assert!(size_of::<Once>() == 16 && offset_of!(Once, lock) == 8);

// SAFETY: atomic words; the completed flag is one operation.
unsafe impl ProcessSync for Once {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Once",
        Kind::Once,
        &[
            Part { name: "completed", at: 0, doc: "", schema: Some(u32::SCHEMA) },
            Part { name: "lock", at: offset_of!(Self, lock) as u64, doc: "", schema: Some(u64::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

/// Gives the lock back, also in a panic. Nothing in a child of a fork.
struct Doing<'a> {
    lock: &'a RawLock,
    ticket: Ticket,
}

impl Drop for Doing<'_> {
    fn drop(&mut self) {
        self.lock.unlock(self.ticket);
    }
}

impl Once {
    /// Not done yet.
    pub const fn new() -> Once {
        Once { completed: Event::new(false), unused: 0, lock: RawLock::new() }
    }

    /// Whether it is done. One load.
    #[inline]
    pub fn is_completed(&self) -> bool {
        self.completed.is_set()
    }

    /// Does it unless it is done; waits for whoever is doing it.
    ///
    /// # Errors
    /// `WouldDeadlock` inside of `f`, `NotParticipant` if the process cannot lock.
    ///
    /// # Panics
    /// If `f` does; then the next one does it.
    #[inline]
    pub fn call_once(&self, f: impl FnOnce()) -> Result<(), LockError<OnceWait>> {
        if self.is_completed() {
            return Ok(());
        }
        self.call_slowly(Patience::Endless, f, |()| ()).map_err(LockError::from)
    }

    /// As [`call_once`](Once::call_once), without waiting for somebody else who is doing it.
    ///
    /// ```
    /// # let once = cotenant::sync::Once::new();
    /// once.try_call_once(|| println!("done"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if somebody is doing it; else as `call_once`.
    pub fn try_call_once(&self, f: impl FnOnce()) -> Result<(), TryLockError<OnceWait>> {
        if self.is_completed() {
            return Ok(());
        }
        self.call_slowly(Patience::None, f, |()| ()).map_err(TryLockError::from)
    }

    /// As [`call_once`](Once::call_once), waiting at most `timeout` for somebody else who is doing it.
    ///
    /// # Errors
    /// [`TryLockError::TimedOut`] after `timeout`; else as `call_once`.
    pub fn call_once_timeout(&self, timeout: Duration, f: impl FnOnce()) -> Result<(), TryLockError<OnceWait>> {
        if self.is_completed() {
            return Ok(());
        }
        self.call_slowly(Patience::of(timeout), f, |()| ()).map_err(TryLockError::from)
    }

    /// Waits until somebody has done it; does not do it.
    ///
    /// ```
    /// # let once = cotenant::sync::Once::new();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| once.call_once(|| ()));
    ///     once.wait();
    /// });
    /// ```
    #[inline]
    pub fn wait(&self) {
        self.completed.wait();
    }

    /// As [`wait`](Once::wait), at most `timeout`.
    ///
    /// # Errors
    /// [`TimedOut`] if it was not done within `timeout`.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), TimedOut> {
        self.completed.wait_timeout(timeout)
    }

    /// Unless it is done, calls `make`, which is the user's code, and then `keep` with what it made.
    #[cold]
    pub(super) fn call_slowly<A>(
        &self,
        patience: Patience,
        make: impl FnOnce() -> A,
        keep: impl FnOnce(A),
    ) -> Result<(), NotLocked> {
        self.call_slowly_if(patience, || Some(make()), keep).map(|_| ())
    }

    /// [`call_slowly`](Once::call_slowly) with a `make` that may say that it could not. Whether it is completed.
    #[cold]
    pub(super) fn call_slowly_if<A>(
        &self,
        patience: Patience,
        make: impl FnOnce() -> Option<A>,
        keep: impl FnOnce(A),
    ) -> Result<bool, NotLocked> {
        let (ticket, locked) = patience.lock_even_given_up(&self.lock)?;
        let _doing = Doing { lock: &self.lock, ticket };
        // Who held the lock before died in `make`, or after it had committed.
        if matches!(locked, Locked::Inconsistent(_)) {
            self.lock.mark_consistent(ticket);
        }
        // Under the lock: nobody else completes it.
        if self.is_completed() {
            return Ok(true);
        }
        // Killed up to the commit: the next one finds a dead owner and nothing completed.
        let made = make();
        if !ticket.still_this_process() {
            // `make` forked, and this is the child: what it made is the parent's to keep.
            return Err(NotLocked::WouldDeadlock);
        }
        let Some(made) = made else { return Ok(false) };
        keep(made);
        // The commit. Killed after it, the word still names us; only those look at it who wait for it already.
        self.completed.set();
        Ok(true)
    }
}

impl Default for Once {
    fn default() -> Once {
        Once::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("is_completed", &self.is_completed()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_that_says_given_up_keeps_nobody_out() {
        for patience in [Patience::None, Patience::of(Duration::from_secs(600)), Patience::Endless] {
            let once = Once::new();
            let Ok((ticket, _)) = once.lock.lock() else { panic!("a free lock") };
            once.lock.give_up(ticket);
            let mut did = false;
            assert!(once.call_slowly(patience, || did = true, |()| ()).is_ok(), "{patience:?}");
            assert!(did && once.is_completed());
        }
    }
}
