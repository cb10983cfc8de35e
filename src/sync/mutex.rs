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

use crate::error::Error;
use crate::lock::{Locked, NotLocked, RawLock, Ticket};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// Mutual exclusion between the threads of all processes that share it.
///
/// Usable in a [`shared!`](crate::shared!) block. A process that is killed while it holds the lock does not hold
/// anybody up: the next one gets [`LockError::OwnerDied`], with the way to repair the value. A thread that panics
/// under a guard leaves the lock in the same state. A live owner, stopped or slow, is never robbed.
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

/// Why a lock was not given clean.
pub enum LockError<'a, T> {
    /// The owner died or panicked while it held the lock: the value may be half changed. The lock is held now, by this
    /// thread; [`OwnerDied::repair`] goes on with it.
    OwnerDied(OwnerDied<'a, T>),
    /// This thread holds the lock already.
    WouldDeadlock,
    /// Somebody got [`OwnerDied`](LockError::OwnerDied) and [gave up](OwnerDied::give_up). [`Mutex::lock_or_repair`] is
    /// the way out.
    NotRecoverable,
    /// This process could not become a participant of the segment, so it cannot own the lock: all slots are taken, or
    /// a child of a fork may not open the segment any more.
    NotParticipant(Error),
}

/// Why `try_lock` did not give the lock.
pub enum TryLockError<'a, T> {
    /// Somebody else, who lives, holds it.
    WouldBlock,
    /// As for [`Mutex::lock`].
    Lock(LockError<'a, T>),
}

/// The process that died, or whose thread panicked, under a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadOwner {
    /// Its process id, in its own PID namespace.
    pub pid: u32,
    /// Its program's name.
    pub program: String,
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

    /// Waits until the lock is free, and takes it. A dead owner is noticed within about 20 ms of its memory being
    /// given back by the system.
    ///
    /// # Errors
    /// See [`LockError`]. `OwnerDied` is also the lock.
    #[inline]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, LockError<'_, T>> {
        match self.lock.lock() {
            Ok((ticket, Locked::Clean)) => Ok(self.guard(ticket)),
            other => self.not_clean(other),
        }
    }

    /// Takes the lock if nobody holds it, or if its owner is dead. Does not wait.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if somebody holds it; else as [`lock`](Mutex::lock).
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError<'_, T>> {
        match self.lock.try_lock() {
            Err(NotLocked::WouldBlock) => Err(TryLockError::WouldBlock),
            other => self.not_clean(other).map_err(TryLockError::Lock),
        }
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
        match self.not_clean(locked) {
            Ok(guard) => guard,
            Err(LockError::OwnerDied(died)) => died.repair(repair),
            Err(error) => panic!("cannot lock the shared value: {error}"),
        }
    }

    fn guard(&self, ticket: Ticket) -> MutexGuard<'_, T> {
        let panicking_before = std::thread::panicking();
        MutexGuard { mutex: self, ticket, panicking_before, not_send: PhantomData }
    }

    #[cold]
    fn not_clean(&self, locked: Result<(Ticket, Locked), NotLocked>) -> Result<MutexGuard<'_, T>, LockError<'_, T>> {
        match locked {
            Ok((ticket, Locked::Clean)) => Ok(self.guard(ticket)),
            Ok((ticket, Locked::Inconsistent(owner_half))) => {
                Err(LockError::OwnerDied(OwnerDied { mutex: self, ticket, owner_half, not_send: PhantomData }))
            }
            Err(NotLocked::WouldDeadlock) => Err(LockError::WouldDeadlock),
            // `try_lock` has dealt with it, and the others wait.
            Err(NotLocked::WouldBlock | NotLocked::TimedOut) => {
                unreachable!("a lock that waits does not say that it would block")
            }
            Err(NotLocked::NotRecoverable) => Err(LockError::NotRecoverable),
            Err(NotLocked::NoSlot(error)) => Err(LockError::NotParticipant(error)),
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
    /// [`Mutex::lock_or_repair`] is called.
    pub fn give_up(self) {
        self.mutex.lock.give_up(self.ticket);
        std::mem::forget(self);
    }

    /// Who died, if that is still known: another process may have taken its slot.
    pub fn owner(&self) -> Option<DeadOwner> {
        let (pid, program) = self.mutex.lock.describe_owner(self.owner_half)?;
        Some(DeadOwner { pid, program })
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

impl<T> fmt::Display for LockError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::OwnerDied(died) => match died.owner() {
                Some(owner) => {
                    write!(f, "process {} ({}) died or panicked while it held the lock", owner.pid, owner.program)
                }
                None => f.write_str("a process died or panicked while it held the lock"),
            },
            LockError::WouldDeadlock => f.write_str("this thread holds the lock already"),
            LockError::NotRecoverable => f.write_str("whoever was to repair the locked value gave up"),
            LockError::NotParticipant(error) => error.fmt(f),
        }
    }
}

impl<T> fmt::Debug for LockError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            LockError::OwnerDied(_) => "OwnerDied",
            LockError::WouldDeadlock => "WouldDeadlock",
            LockError::NotRecoverable => "NotRecoverable",
            LockError::NotParticipant(_) => "NotParticipant",
        };
        write!(f, "{name}({self})")
    }
}

impl<T> std::error::Error for LockError<'_, T> {}

impl<T> fmt::Display for TryLockError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryLockError::WouldBlock => f.write_str("somebody else holds the lock"),
            TryLockError::Lock(error) => error.fmt(f),
        }
    }
}

impl<T> fmt::Debug for TryLockError<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryLockError::WouldBlock => f.write_str("WouldBlock"),
            TryLockError::Lock(error) => error.fmt(f),
        }
    }
}

impl<T> std::error::Error for TryLockError<'_, T> {}

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

impl<T> Drop for OwnerDied<'_, T> {
    fn drop(&mut self) {
        self.mutex.lock.leave(self.ticket, self.owner_half);
    }
}

// SAFETY: shared references to it give shared references to the value.
unsafe impl<T: Sync> Sync for OwnerDied<'_, T> {}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}
