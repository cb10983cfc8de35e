//! `Condvar`: waiting until somebody changes what a `Mutex` guards.
//!
//! ```text
//! wait:    lock held | listen, unlock, sleep at most 0.1 s, lock again        notify:  change under the lock, ring
//! ```
//!
//! Whoever was to notify may be killed after its change and before it rings, and who was woken before it acts. So no
//! sleep is long, a wait returns also without a notification, and the caller looks at its condition again: the healing
//! of a lost wake-up is an ordinary spurious one. The futex is a `Bell`.

#![allow(unsafe_code)]

use std::fmt;
use std::time::{Duration, Instant};

use super::bell::Bell;
use super::lock_error::LockError;
use super::mutex::{MutexGuard, OwnerDied};
use super::patience::LONGEST_SLEEP;
use crate::lock::naps::Note;
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// A condition that threads of all processes that share it wait for, with a [`Mutex`](super::Mutex).
///
/// A wait may return without a notification, at the latest after 0.1 s: look at the condition again, or let
/// [`wait_while`](Condvar::wait_while) do it. That is also what heals the death of whoever was to notify. Use it with
/// one mutex, which lies in the same memory. The lock that a wait takes again may come as `OwnerDied`: somebody else
/// died under it meanwhile. Neither fair nor bounded. 4 bytes.
///
/// ```
/// use cotenant::{shared, sync::{Condvar, Mutex}};
///
/// shared! {
///     static JOBS: Mutex<u32> = Mutex::new(0);
///     static CAME: Condvar = Condvar::new();
/// }
///
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         *JOBS.lock_or_repair(|jobs| *jobs = 0) += 1;
///         CAME.notify_one();
///     });
///     let jobs = CAME.wait_while(JOBS.lock_or_repair(|jobs| *jobs = 0), |jobs| *jobs == 0);
///     *jobs.expect("nobody died") -= 1;
/// });
/// ```
#[repr(transparent)]
pub struct Condvar {
    bell: Bell,
}

// SAFETY: one atomic word, each change of which is one operation.
unsafe impl ProcessSync for Condvar {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Condvar",
        Kind::Condvar,
        &[Part { name: "word", at: 0, doc: "", schema: Some(u32::SCHEMA) }],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

/// Whether a wait ended because its time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was up.
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

type Waited<'a, T> = Result<MutexGuard<'a, T>, LockError<OwnerDied<'a, T>>>;
type WaitedTimeout<'a, T> = Result<(MutexGuard<'a, T>, WaitTimeoutResult), LockError<OwnerDied<'a, T>>>;

impl Condvar {
    /// A condition variable.
    pub const fn new() -> Condvar {
        Condvar { bell: Bell::new() }
    }

    /// Unlocks the mutex, waits for a notification, and locks it again. Returns also without one, at the latest after
    /// 0.1 s and however long locking takes.
    ///
    /// ```
    /// # use cotenant::sync::{Condvar, Mutex};
    /// # let (ready, changed) = (Mutex::new(false), Condvar::new());
    /// # std::thread::scope(|scope| {
    /// # scope.spawn(|| { *ready.lock().unwrap() = true; changed.notify_all() });
    /// let mut is_ready = ready.lock().expect("nobody died");
    /// while !*is_ready {
    ///     is_ready = changed.wait(is_ready).expect("nobody died");
    /// }
    /// # });
    /// ```
    ///
    /// # Errors
    /// As for [`Mutex::lock`](super::Mutex::lock): the mutex could not be locked again, or its owner died meanwhile.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> Waited<'a, T> {
        self.sleep(guard, LONGEST_SLEEP, &mut Note::new())
    }

    /// Waits until `condition` is false, which it is asked under the lock.
    ///
    /// # Errors
    /// As [`wait`](Condvar::wait). After the repair call it again.
    pub fn wait_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> Waited<'a, T> {
        let mut note = Note::new();
        while condition(&mut guard) {
            guard = self.sleep(guard, LONGEST_SLEEP, &mut note)?;
        }
        Ok(guard)
    }

    /// As [`wait`](Condvar::wait), for at most `timeout`. That it was not notified says
    /// [`timed_out`](WaitTimeoutResult::timed_out) only if the time was up; it may return earlier for no reason.
    ///
    /// # Errors
    /// As [`wait`](Condvar::wait).
    pub fn wait_timeout<'a, T>(&self, guard: MutexGuard<'a, T>, timeout: Duration) -> WaitedTimeout<'a, T> {
        let start = Instant::now();
        let guard = self.sleep(guard, timeout.min(LONGEST_SLEEP), &mut Note::new())?;
        Ok((guard, WaitTimeoutResult(start.elapsed() >= timeout)))
    }

    /// Waits until `condition` is false, at most `timeout`. The condition is asked once more when the time is up.
    ///
    /// ```
    /// # use cotenant::sync::{Condvar, Mutex};
    /// # use std::time::Duration;
    /// let (ready, changed) = (Mutex::new(false), Condvar::new());
    /// let guard = ready.lock().expect("nobody died");
    /// let waited = changed.wait_timeout_while(guard, Duration::from_millis(5), |is_ready| !*is_ready);
    /// let (is_ready, result) = waited.expect("nobody died");
    /// assert!(!*is_ready && result.timed_out());
    /// ```
    ///
    /// # Errors
    /// As [`wait`](Condvar::wait).
    pub fn wait_timeout_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> WaitedTimeout<'a, T> {
        let start = Instant::now();
        let mut note = Note::new();
        loop {
            if !condition(&mut guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            let Some(left) = timeout.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else {
                return Ok((guard, WaitTimeoutResult(true)));
            };
            guard = self.sleep(guard, left.min(LONGEST_SLEEP), &mut note)?;
        }
    }

    /// Wakes one who waits. Change what it waits for under the lock before.
    ///
    /// ```
    /// # let changed = cotenant::sync::Condvar::new();
    /// changed.notify_one(); // nobody waits: nothing happens, and nothing is remembered
    /// ```
    pub fn notify_one(&self) {
        self.bell.ring_one();
    }

    /// Wakes all who wait. Change what they wait for under the lock before.
    pub fn notify_all(&self) {
        self.bell.ring_all();
    }

    fn sleep<'a, T>(&self, guard: MutexGuard<'a, T>, longest: Duration, note: &mut Note) -> Waited<'a, T> {
        let mutex = MutexGuard::mutex(&guard);
        self.sleep_without(|| drop(guard), longest, note);
        mutex.lock()
    }

    /// One sleep of a thread that holds the lock until `unlock` releases it.
    fn sleep_without(&self, unlock: impl FnOnce(), longest: Duration, note: &mut Note) {
        // Under the lock: who changes the condition after us sees that we listen, and who changed it before was seen.
        let heard = self.bell.listen();
        // Killed before this, the owner died; from here on a waiter that nobody misses.
        unlock();
        note.write(self);
        self.bell.sleep(heard, longest);
        // What it waits for next is the mutex.
        note.erase(self);
    }

    /// [`wait_timeout`](Condvar::wait_timeout) up to where it locks again, for a lock without a guard.
    pub(super) fn sleep_unlocked(&self, unlock: impl FnOnce(), timeout: Duration) {
        self.sleep_without(unlock, timeout.min(LONGEST_SLEEP), &mut Note::new());
    }
}

impl Default for Condvar {
    fn default() -> Condvar {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
