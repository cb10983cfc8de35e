//! `Mutex<T>`: a value and the lock word that guards it, in shared memory.
//!
//! ```text
//! +-----------+---------+
//! | lock word |  value  |     lock:   free -> owner's word       one compare-and-swap
//! +-----------+---------+     death:  the next one takes over    OwnerDied, until the value is repaired
//! ```
//!
//! The protocol is in `lock/raw_lock.rs`; POSIX's words: `pthread_mutexattr_setrobust(3)`.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::offset_of;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant, SystemTime};

use super::lock_error::{self, Awaited, DeadOwner, LockError, TryLockError};
use crate::lock::{Locked, NotLocked, RawLock, Ticket};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// Mutual exclusion between the threads of all processes that share it.
///
/// Usable in a [`shared!`](crate::shared!) block and in a segment. A process that is killed while it holds the lock
/// does not hold anybody up: the next one gets [`LockError::OwnerDied`], with the way to repair the value. A thread
/// that panics under a guard leaves the lock in the same state. A live owner, stopped or slow, is never robbed.
///
/// Neither fair (no order among those who wait) nor priority-inheriting.
///
/// ```
/// use cotenant::{shared, sync::Mutex};
///
/// shared! {
///     static TOTAL: Mutex<u64> = Mutex::new(0);
/// }
///
/// *TOTAL.lock_or_repair(|total| *total = 0) += 1;
/// ```
///
/// After a fork, dropping the child's copy of a guard does nothing: the lock is the parent's, and the child must not
/// use the copy otherwise. In memory that no block holds, a
/// `Mutex` works between the threads of one process only. In a process, a thread's id and the process's slot name the
/// owner; a thread that ends with a leaked guard keeps the lock until its process ends.
#[repr(C)]
pub struct Mutex<T> {
    lock: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: the lock lets one thread at a time to the value, whose type may move between threads.
unsafe impl<T: Send> Sync for Mutex<T> {}

// SAFETY: the lock word is an atomic; the value changes only under the lock, and a half-changed one is announced.
unsafe impl<T: ProcessSync + Send> ProcessSync for Mutex<T> {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Mutex",
        Kind::Mutex,
        &[
            Part { name: "lock", at: offset_of!(Self, lock) as u64, doc: "", schema: Some(u64::SCHEMA) },
            Part { name: "value", at: offset_of!(Self, value) as u64, doc: "", schema: Some(T::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = T::ZERO_IS_VALID;
    const IS_STABLE_LAYOUT: bool = T::IS_STABLE_LAYOUT;
}

/// The lock, held, over a value that may be half changed.
///
/// Dropped, it is put back as it was found: the next one gets `OwnerDied`, so code that only looks, or gives no thought
/// to it, does no harm. (POSIX makes such a mutex unusable; here that is said: [`give_up`](OwnerDied::give_up).)
#[must_use = "dropped, it leaves the value unrepaired to the next one"]
pub struct OwnerDied<'a, T> {
    mutex: &'a Mutex<T>,
    ticket: Ticket,
    owner_half: u32,
    noticed_at: SystemTime,
    not_send: PhantomData<*const ()>,
}

/// The lock, held. Dropping it releases the lock; dropping it in a panic leaves `OwnerDied` to the next one.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    ticket: Ticket,
    panicking_before: bool,
    /// The owner is a thread: a guard stays with it.
    not_send: PhantomData<*const ()>,
}

// SAFETY: shared references to a guard give shared references to the value.
unsafe impl<T: Sync> Sync for MutexGuard<'_, T> {}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Self {
        Mutex { lock: RawLock::new(), value: UnsafeCell::new(value) }
    }

    /// Waits until the lock is free, and takes it. A dead owner is noticed at once where the kernel tells (glibc, the
    /// outermost lock of a thread), else within about 20 ms of its memory being given back by the system.
    ///
    /// # Errors
    /// See [`LockError`]. `OwnerDied` is also the lock.
    #[inline]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, LockError<OwnerDied<'_, T>>> {
        match self.lock.lock_at_once() {
            Some(ticket) => Ok(self.guard(ticket)),
            // What this gives is unlike what is returned on purpose: the guard stays in registers then.
            None => self.lock_slowly().map(|ticket| self.guard(ticket)),
        }
    }

    /// Takes the lock if nobody holds it, or if its owner is dead. Does not wait.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if somebody holds it; else as [`lock`](Mutex::lock).
    #[inline]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError<OwnerDied<'_, T>>> {
        match self.lock.lock_at_once() {
            Some(ticket) => Ok(self.guard(ticket)),
            None => self.given(self.lock.try_lock()),
        }
    }

    /// As [`lock`](Mutex::lock), but waits at most `timeout`. The clock is asked only if somebody holds the lock.
    ///
    /// # Errors
    /// [`TryLockError::TimedOut`] if somebody held it for so long; else as [`lock`](Mutex::lock).
    ///
    /// ```
    /// use cotenant::sync::{Mutex, TryLockError};
    /// use std::time::Duration;
    ///
    /// let total = Mutex::new(0);
    /// let held = total.lock().unwrap();
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| match total.lock_timeout(Duration::from_millis(1)) {
    ///         Err(TryLockError::TimedOut) => {} // held by the other thread
    ///         _ => panic!("two hold the lock"),
    ///     });
    /// });
    /// # drop(held);
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> Result<MutexGuard<'_, T>, TryLockError<OwnerDied<'_, T>>> {
        let locked = match self.lock.try_lock() {
            Err(NotLocked::WouldBlock) => match Instant::now().checked_add(timeout) {
                Some(deadline) => self.lock.lock_until(deadline),
                None => self.lock.lock(),
            },
            other => other,
        };
        self.given(locked)
    }

    /// Waits for the lock; has `repair` put the value right if its owner died, or if another repairer gave up.
    ///
    /// # Panics
    /// If this thread holds the lock already, or if the process cannot become a participant ([`LockError`]). If
    /// `repair` panics, the next one gets `OwnerDied` again.
    #[track_caller]
    pub fn lock_or_repair(&self, repair: impl FnOnce(&mut T)) -> MutexGuard<'_, T> {
        let locked = match self.lock.lock() {
            Err(NotLocked::NotRecoverable) => self.lock.lock_given_up(),
            other => other,
        };
        match self.given(locked) {
            Ok(guard) => guard,
            Err(TryLockError::Lock(LockError::OwnerDied(died))) => died.repair(repair),
            Err(error) => panic!("cannot lock the shared value: {error}"),
        }
    }

    /// Gives the lock another value, whatever state it was left in: the way out of [`LockError::NotRecoverable`] and
    /// `OwnerDied` that does not look at the old value. Waits for a living owner. Killed in the middle, the next one
    /// gets `OwnerDied`.
    ///
    /// # Errors
    /// [`LockError::WouldDeadlock`] or [`LockError::NotParticipant`].
    ///
    /// ```
    /// use cotenant::sync::{LockError, Mutex};
    ///
    /// let total = Mutex::new(0);
    /// total.reset(7)?;
    /// assert_eq!(*total.lock().unwrap(), 7);
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn reset(&self, value: T) -> Result<(), LockError> {
        let (ticket, _) = self.lock.lock_given_up()?;
        let mut guard = self.guard(ticket);
        // Killed, or panicking in the old value's destructor, from here on: the value may be half changed.
        self.lock.mark_inconsistent(ticket);
        *guard = value;
        self.lock.mark_consistent(ticket);
        Ok(())
    }

    /// The value, without locking: nobody else has the mutex.
    ///
    /// # Errors
    /// [`LockError::OwnerDied`] with the value if a thread panicked while it held the lock, or
    /// [`LockError::NotRecoverable`].
    ///
    /// ```
    /// use cotenant::sync::{LockError, Mutex};
    ///
    /// let mut total = Mutex::new(1);
    /// match total.get_mut() {
    ///     Ok(value) => *value += 1,
    ///     Err(LockError::OwnerDied(half_changed)) => *half_changed = 0,
    ///     Err(error) => panic!("{error:?}"),
    /// }
    /// assert_eq!(total.into_inner().unwrap(), 2);
    /// ```
    pub fn get_mut(&mut self) -> Result<&mut T, LockError<&mut T>> {
        let left = self.lock.left();
        let value = self.value.get_mut();
        match left {
            Ok(Locked::Clean) => Ok(value),
            Ok(Locked::Inconsistent(_)) => Err(LockError::OwnerDied(value)),
            Err(why) => Err(why.into()),
        }
    }

    /// The value out of the mutex.
    ///
    /// # Errors
    /// As [`get_mut`](Mutex::get_mut).
    pub fn into_inner(self) -> Result<T, LockError<T>> {
        let left = self.lock.left();
        let value = self.value.into_inner();
        match left {
            Ok(Locked::Clean) => Ok(value),
            Ok(Locked::Inconsistent(_)) => Err(LockError::OwnerDied(value)),
            Err(why) => Err(why.into()),
        }
    }

    #[inline]
    fn guard(&self, ticket: Ticket) -> MutexGuard<'_, T> {
        let panicking_before = std::thread::panicking();
        MutexGuard { mutex: self, ticket, panicking_before, not_send: PhantomData }
    }

    #[cold]
    #[inline(never)]
    fn lock_slowly(&self) -> Result<Ticket, LockError<OwnerDied<'_, T>>> {
        self.taken(self.lock.lock()).map_err(TryLockError::of_one_who_waits)
    }

    fn given(
        &self,
        locked: Result<(Ticket, Locked), NotLocked>,
    ) -> Result<MutexGuard<'_, T>, TryLockError<OwnerDied<'_, T>>> {
        self.taken(locked).map(|ticket| self.guard(ticket))
    }

    fn taken(&self, locked: Result<(Ticket, Locked), NotLocked>) -> Result<Ticket, TryLockError<OwnerDied<'_, T>>> {
        match locked {
            Ok((ticket, Locked::Clean)) => Ok(ticket),
            Ok((ticket, Locked::Inconsistent(owner_half))) => {
                let noticed_at = SystemTime::now();
                let died = OwnerDied { mutex: self, ticket, owner_half, noticed_at, not_send: PhantomData };
                Err(TryLockError::Lock(LockError::OwnerDied(died)))
            }
            Err(why) => Err(why.into()),
        }
    }
}

impl<'a, T> OwnerDied<'a, T> {
    /// Puts the value right; the lock is an ordinary one from then on. If `repair` panics or the process is killed in
    /// it, the next one gets `OwnerDied` again.
    pub fn repair(self, repair: impl FnOnce(&mut T)) -> MutexGuard<'a, T> {
        let mut guard = self.mutex.guard(self.ticket);
        std::mem::forget(self);
        repair(&mut guard);
        guard.mutex.lock.mark_consistent(guard.ticket);
        guard
    }

    /// The value as the owner left it.
    pub fn value(&self) -> &T {
        // SAFETY: the lock is held, so nobody changes the value.
        unsafe { &*self.mutex.value.get() }
    }

    /// Says that the value cannot be repaired: everybody gets [`LockError::NotRecoverable`] from now on, until
    /// [`Mutex::lock_or_repair`] or [`Mutex::reset`] is called.
    pub fn give_up(self) {
        self.mutex.lock.give_up(self.ticket);
        std::mem::forget(self);
    }

    /// Who died, if that is still known: another process may have taken its slot.
    pub fn owner(&self) -> Option<DeadOwner> {
        let (pid, program) = self.mutex.lock.describe_owner(self.owner_half)?;
        Some(DeadOwner { pid, program })
    }

    /// When this thread noticed it. The death itself may have been any time before: nobody may have asked.
    ///
    /// ```
    /// use cotenant::sync::{LockError, Mutex};
    ///
    /// let total = Mutex::new(0);
    /// if let Err(LockError::OwnerDied(died)) = total.lock() {
    ///     eprintln!("{died}, noticed {:?} ago", died.noticed_at().elapsed());
    ///     drop(died.repair(|total| *total = 0));
    /// }
    /// ```
    pub fn noticed_at(&self) -> SystemTime {
        self.noticed_at
    }
}

impl<'a, T> MutexGuard<'a, T> {
    /// What it locks, for `Condvar`. Not a method: a guard has none of its own.
    pub(super) fn mutex(guard: &MutexGuard<'a, T>) -> &'a Mutex<T> {
        guard.mutex
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held, so nobody changes the value; docs/safety.md says what is asked of other processes.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, by this guard, which is borrowed mutably.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let panics = !self.panicking_before && std::thread::panicking();
        if panics {
            self.mutex.lock.mark_inconsistent(self.ticket);
        }
        self.mutex.lock.unlock(self.ticket);
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Ok(guard) => f.debug_struct("Mutex").field("value", &*guard).finish(),
            Err(error) => write!(f, "Mutex {{ <{error}> }}"),
        }
    }
}

impl<T> fmt::Display for OwnerDied<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lock_error::describe(self.owner(), f)
    }
}

impl<T> Awaited for OwnerDied<'_, T> {}

impl<T> fmt::Debug for OwnerDied<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerDied").field("owner", &self.owner()).field("noticed_at", &self.noticed_at).finish()
    }
}

impl<T> Drop for OwnerDied<'_, T> {
    fn drop(&mut self) {
        self.mutex.lock.leave(self.ticket, self.owner_half);
    }
}

// SAFETY: shared references to it give shared references to the value.
unsafe impl<T: Sync> Sync for OwnerDied<'_, T> {}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Mutex::new(value)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}
