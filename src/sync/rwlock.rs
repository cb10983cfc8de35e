//! `RwLock<T, READERS>`: many read or one writes, and a dead reader keeps nobody out.
//!
//! ```text
//! +-------------+-------------------------+---------+     a reader's cell names it, so that a dead one's is given
//! | writer word | cells of READERS readers |  value  |     back; a dead writer is announced, as a `Mutex` does it
//! +-------------+-------------------------+---------+
//! ```
//!
//! The handshake is in `raw_rwlock.rs`; here are the value, the guards, and what a death looks like to a caller.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::offset_of;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, SystemTime};

use super::bell::Bell;
use super::cells::{Cells, Claimed};
use super::lock_error::{self, Awaited, DeadOwner, LockError, TryLockError};
use super::patience::Patience;
use super::raw_rwlock::{RawRwLock, Read, Write};
use crate::lock::{Locked, NotLocked, RawLock, Ticket};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// A value that many may read at a time, or one may change: threads of all processes that share it.
///
/// At most `READERS` readers are in at a time, [64](RwLock) if nothing is said; more wait until one leaves. Each has a
/// cell of 8 bytes that names it, so a reader that is killed keeps nobody out: its cell is given back, silently, since
/// it has changed nothing. A writer that is killed or panics may leave the value half changed: the next one, reader or
/// writer, gets [`LockError::OwnerDied`] and with it the lock for writing, to repair the value. (A writer that dies
/// while it waits for the readers to leave has changed nothing, and nobody is told.) A live owner, stopped or slow, is
/// never robbed.
///
/// A writer that waits keeps new readers out, so it gets its turn; a thread that reads already may read again
/// meanwhile. Otherwise neither fair nor priority-inheriting. A thread that reads and wants to write, or writes and
/// wants anything more, gets [`LockError::WouldDeadlock`].
///
/// ```
/// use cotenant::{shared, sync::RwLock};
///
/// shared! {
///     static LIMITS: RwLock<[u32; 2]> = RwLock::new([100, 20]);
/// }
///
/// LIMITS.write_or_repair(|limits| *limits = [100, 20])[1] = 30;
/// assert_eq!(*LIMITS.read().expect("no writer died"), [100, 30]);
/// ```
///
/// After a fork, dropping the child's copy of a guard does nothing: the lock is the parent's, and the child must not
/// use the copy otherwise. In memory that is not shared it works between the threads of one process. A leaked guard
/// keeps the lock until its process ends. Sizes: 64 bytes, 8 for each reader, then the value; in whole lines of 64.
#[repr(C)]
pub struct RwLock<T, const READERS: usize = 64> {
    raw: RawRwLock<READERS>,
    value: UnsafeCell<T>,
}

// SAFETY: the lock lets one thread at a time to the value to change it, or several to read it.
unsafe impl<T: Send + Sync, const READERS: usize> Sync for RwLock<T, READERS> {}

// SAFETY: the words are atomics; the value changes only under the write lock, and a half-changed one is announced.
unsafe impl<T: ProcessSync + Send, const READERS: usize> ProcessSync for RwLock<T, READERS> {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "RwLock",
        Kind::RwLock,
        &[
            part("writer", offset_of!(RawRwLock<READERS>, head.writer), u64::SCHEMA),
            part("changing", offset_of!(RawRwLock<READERS>, head.changing), u32::SCHEMA),
            part("nested", offset_of!(RawRwLock<READERS>, head.nested), u32::SCHEMA),
            part("freed", offset_of!(RawRwLock<READERS>, head.freed), u32::SCHEMA),
            part("readers", offset_of!(RawRwLock<READERS>, readers), <[u64; READERS]>::SCHEMA),
            part("value", offset_of!(Self, value), T::SCHEMA),
        ],
    );
    const ZERO_IS_VALID: bool = T::ZERO_IS_VALID;
    const IS_STABLE_LAYOUT: bool = T::IS_STABLE_LAYOUT;
}

const _: () = assert!(offset_of!(RwLock<u8>, raw) == 0 && size_of::<Bell>() == 4 && size_of::<Cells<3>>() == 24);

const fn part(name: &'static str, at: usize, schema: &'static Schema) -> Part {
    Part { name, at: at as u64, doc: "", schema: Some(schema) }
}

/// The lock, held for reading. Dropping it lets a writer in.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct RwLockReadGuard<'a, T, const READERS: usize = 64> {
    lock: &'a RwLock<T, READERS>,
    claimed: Claimed,
    /// A reader is a thread: a guard stays with it.
    not_send: PhantomData<*const ()>,
}

/// The lock, held for writing. Dropping it releases the lock; dropping it in a panic leaves `OwnerDied` to the next
/// one.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct RwLockWriteGuard<'a, T, const READERS: usize = 64> {
    lock: &'a RwLock<T, READERS>,
    ticket: Ticket,
    panicking_before: bool,
    not_send: PhantomData<*const ()>,
}

/// The lock, held for writing, over a value that a dead writer may have left half changed.
///
/// Dropped, it is put back as it was found: the next one gets `OwnerDied`.
#[must_use = "dropped, it leaves the value unrepaired to the next one"]
pub struct WriterDied<'a, T, const READERS: usize = 64> {
    lock: &'a RwLock<T, READERS>,
    ticket: Ticket,
    owner_half: u32,
    noticed_at: SystemTime,
    not_send: PhantomData<*const ()>,
}

// SAFETY: shared references to a guard give shared references to the value.
unsafe impl<T: Sync, const READERS: usize> Sync for RwLockReadGuard<'_, T, READERS> {}
// SAFETY: as above.
unsafe impl<T: Sync, const READERS: usize> Sync for RwLockWriteGuard<'_, T, READERS> {}
// SAFETY: as above.
unsafe impl<T: Sync, const READERS: usize> Sync for WriterDied<'_, T, READERS> {}

type ReadResult<'a, T, const READERS: usize> =
    Result<RwLockReadGuard<'a, T, READERS>, LockError<WriterDied<'a, T, READERS>>>;
type TryReadResult<'a, T, const READERS: usize> =
    Result<RwLockReadGuard<'a, T, READERS>, TryLockError<WriterDied<'a, T, READERS>>>;
type WriteResult<'a, T, const READERS: usize> =
    Result<RwLockWriteGuard<'a, T, READERS>, LockError<WriterDied<'a, T, READERS>>>;
type TryWriteResult<'a, T, const READERS: usize> =
    Result<RwLockWriteGuard<'a, T, READERS>, TryLockError<WriterDied<'a, T, READERS>>>;

impl<T, const READERS: usize> RwLock<T, READERS> {
    /// An unlocked lock. `READERS` is at least 1.
    ///
    /// ```
    /// use cotenant::sync::RwLock;
    ///
    /// static FOR_FOUR_READERS: RwLock<u64, 4> = RwLock::new(0);
    /// assert_eq!(*FOR_FOUR_READERS.read().expect("no writer died"), 0);
    /// ```
    pub const fn new(value: T) -> Self {
        RwLock { raw: RawRwLock::new(), value: UnsafeCell::new(value) }
    }

    /// Waits until nobody writes or waits to write, and until fewer than `READERS` read. A thread that reads already
    /// does not wait for a writer.
    ///
    /// ```
    /// # let lock = cotenant::sync::RwLock::<_>::new(5);
    /// let (one, two) = (lock.read().expect("no writer died"), lock.read().expect("no writer died"));
    /// assert_eq!(*one + *two, 10);
    /// ```
    ///
    /// # Errors
    /// See [`LockError`]. `OwnerDied`: a writer died or panicked; it is the lock, for writing. `WouldDeadlock`: this
    /// thread writes, or holds all the cells.
    #[inline]
    pub fn read(&self) -> ReadResult<'_, T, READERS> {
        match self.raw.read_at_once() {
            Ok(Some(claimed)) => Ok(self.read_guard(claimed)),
            Ok(None) => self.read_slowly(|| Patience::Endless).map_err(TryLockError::of_one_who_waits),
            Err(why) => Err(LockError::from(why)),
        }
    }

    /// As [`read`](RwLock::read), without waiting.
    ///
    /// ```
    /// # let lock = cotenant::sync::RwLock::<_>::new(5);
    /// assert_eq!(*lock.try_read().expect("no writer died"), 5);
    /// ```
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if it would wait: for a writer, for a cell, or for another reader that came while a
    /// writer was there and is about to enter; else as `read`.
    #[inline]
    pub fn try_read(&self) -> TryReadResult<'_, T, READERS> {
        self.read_within(|| Patience::None)
    }

    /// As [`read`](RwLock::read), waiting at most `timeout`.
    ///
    /// ```
    /// # let lock = cotenant::sync::RwLock::<_>::new(5);
    /// assert_eq!(*lock.read_timeout(std::time::Duration::from_millis(100)).expect("no writer died"), 5);
    /// ```
    ///
    /// # Errors
    /// [`TryLockError::TimedOut`] after `timeout`; else as `read`.
    #[inline]
    pub fn read_timeout(&self, timeout: Duration) -> TryReadResult<'_, T, READERS> {
        self.read_within(|| Patience::of(timeout))
    }

    /// As [`read`](RwLock::read); has `repair` put the value right if a writer died, or if another repairer gave up.
    ///
    /// ```
    /// # let lock = cotenant::sync::RwLock::<_>::new(5);
    /// assert_eq!(*lock.read_or_repair(|value| *value = 0), 5);
    /// ```
    ///
    /// # Panics
    /// If this thread writes, or if the process cannot become a participant ([`LockError`]). If `repair` panics, the
    /// next one gets `OwnerDied` again.
    #[track_caller]
    pub fn read_or_repair(&self, repair: impl FnOnce(&mut T)) -> RwLockReadGuard<'_, T, READERS> {
        match self.read() {
            Ok(guard) => guard,
            Err(LockError::OwnerDied(died)) => died.repair(repair).downgrade(),
            Err(LockError::NotRecoverable) => self.write_or_repair(repair).downgrade(),
            Err(error) => panic!("cannot lock the shared value for reading: {error}"),
        }
    }

    /// Waits until nobody reads or writes.
    ///
    /// ```
    /// # let lock = cotenant::sync::RwLock::<_>::new(5);
    /// *lock.write().expect("no writer died") += 1;
    /// ```
    ///
    /// # Errors
    /// See [`LockError`]. `OwnerDied`: a writer died or panicked; it is the lock, for writing. `WouldDeadlock`: this
    /// thread reads or writes.
    pub fn write(&self) -> WriteResult<'_, T, READERS> {
        self.write_within(Patience::Endless).map_err(TryLockError::of_one_who_waits)
    }

    /// As [`write`](RwLock::write), without waiting.
    ///
    /// ```
    /// # let lock = cotenant::sync::RwLock::<_>::new(5);
    /// *lock.try_write().expect("no writer died") += 1;
    /// ```
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if it would wait; else as `write`.
    pub fn try_write(&self) -> TryWriteResult<'_, T, READERS> {
        self.write_within(Patience::None)
    }

    /// As [`write`](RwLock::write), waiting at most `timeout`.
    ///
    /// ```
    /// # let lock = cotenant::sync::RwLock::<_>::new(5);
    /// *lock.write_timeout(std::time::Duration::from_millis(100)).expect("no writer died") += 1;
    /// ```
    ///
    /// # Errors
    /// [`TryLockError::TimedOut`] after `timeout`; else as `write`.
    pub fn write_timeout(&self, timeout: Duration) -> TryWriteResult<'_, T, READERS> {
        match self.write_within(Patience::None) {
            Err(TryLockError::WouldBlock) => self.write_within(Patience::of(timeout)),
            other => other,
        }
    }

    /// As [`write`](RwLock::write); has `repair` put the value right if a writer died, or if another repairer gave up.
    ///
    /// ```
    /// # let lock = cotenant::sync::RwLock::<_>::new(5);
    /// *lock.write_or_repair(|value| *value = 0) += 1;
    /// ```
    ///
    /// # Panics
    /// As [`read_or_repair`](RwLock::read_or_repair).
    #[track_caller]
    pub fn write_or_repair(&self, repair: impl FnOnce(&mut T)) -> RwLockWriteGuard<'_, T, READERS> {
        let locked = match self.write() {
            Err(LockError::NotRecoverable) => self.entered_for_writing(self.raw.write_given_up()),
            other => other.map_err(TryLockError::Lock),
        };
        match locked.map_err(TryLockError::of_one_who_waits) {
            Ok(guard) => guard,
            Err(LockError::OwnerDied(died)) => died.repair(repair),
            Err(error) => panic!("cannot lock the shared value for writing: {error}"),
        }
    }

    /// Waits until nobody reads or writes and stores `value`, whatever state the lock was in: also after a death, or
    /// when a repairer gave up.
    ///
    /// ```
    /// # let lock = cotenant::sync::RwLock::<_>::new(5);
    /// lock.reset(7).expect("no writer died");
    /// assert_eq!(*lock.read().expect("no writer died"), 7);
    /// ```
    ///
    /// # Errors
    /// `WouldDeadlock` if this thread reads or writes, `NotParticipant` if it cannot lock at all.
    pub fn reset(&self, value: T) -> Result<(), LockError> {
        match self.raw.write_given_up().map_err(LockError::from)? {
            Write::In(ticket) => *self.write_guard(ticket) = value,
            Write::WriterDied(ticket, owner_half) => drop(self.died(ticket, owner_half).repair(|it| *it = value)),
        }
        Ok(())
    }

    /// The value, without locking: nobody else has the lock.
    ///
    /// ```
    /// # let mut lock = cotenant::sync::RwLock::<_>::new(5);
    /// *lock.get_mut().expect("whole") = 6;
    /// assert_eq!(lock.into_inner().expect("whole"), 6);
    /// ```
    ///
    /// # Errors
    /// [`LockError::OwnerDied`] with the value if a thread panicked while it wrote, or [`LockError::NotRecoverable`].
    pub fn get_mut(&mut self) -> Result<&mut T, LockError<&mut T>> {
        let left = self.raw.left();
        let value = self.value.get_mut();
        match left {
            Ok(Locked::Clean) => Ok(value),
            Ok(Locked::Inconsistent(_)) => Err(LockError::OwnerDied(value)),
            Err(why) => Err(why.into()),
        }
    }

    /// The value out of the lock.
    ///
    /// # Errors
    /// As [`get_mut`](RwLock::get_mut).
    pub fn into_inner(self) -> Result<T, LockError<T>> {
        let left = self.raw.left();
        let value = self.value.into_inner();
        match left {
            Ok(Locked::Clean) => Ok(value),
            Ok(Locked::Inconsistent(_)) => Err(LockError::OwnerDied(value)),
            Err(why) => Err(why.into()),
        }
    }

    #[inline]
    fn read_within(&self, patience: impl FnOnce() -> Patience) -> TryReadResult<'_, T, READERS> {
        match self.raw.read_at_once() {
            Ok(Some(claimed)) => Ok(self.read_guard(claimed)),
            Ok(None) => self.read_slowly(patience),
            Err(why) => Err(why.into()),
        }
    }

    #[cold]
    fn read_slowly(&self, patience: impl FnOnce() -> Patience) -> TryReadResult<'_, T, READERS> {
        match self.raw.read(patience())? {
            Read::In(claimed) => Ok(self.read_guard(claimed)),
            Read::WriterDied(ticket, owner_half) => {
                Err(TryLockError::Lock(LockError::OwnerDied(self.died(ticket, owner_half))))
            }
        }
    }

    fn write_within(&self, patience: Patience) -> TryWriteResult<'_, T, READERS> {
        self.entered_for_writing(self.raw.write(patience))
    }

    fn entered_for_writing(&self, entered: Result<Write, NotLocked>) -> TryWriteResult<'_, T, READERS> {
        match entered? {
            Write::In(ticket) => Ok(self.write_guard(ticket)),
            Write::WriterDied(ticket, owner_half) => {
                Err(TryLockError::Lock(LockError::OwnerDied(self.died(ticket, owner_half))))
            }
        }
    }

    #[inline]
    fn read_guard(&self, claimed: Claimed) -> RwLockReadGuard<'_, T, READERS> {
        RwLockReadGuard { lock: self, claimed, not_send: PhantomData }
    }

    fn write_guard(&self, ticket: Ticket) -> RwLockWriteGuard<'_, T, READERS> {
        RwLockWriteGuard { lock: self, ticket, panicking_before: std::thread::panicking(), not_send: PhantomData }
    }

    fn died(&self, ticket: Ticket, owner_half: u32) -> WriterDied<'_, T, READERS> {
        WriterDied { lock: self, ticket, owner_half, noticed_at: SystemTime::now(), not_send: PhantomData }
    }

    fn writer(&self) -> &RawLock {
        &self.raw.head.writer
    }
}

impl<'a, T, const READERS: usize> WriterDied<'a, T, READERS> {
    /// Puts the value right; the lock is held for writing then, as an ordinary one. If `repair` panics or the process
    /// is killed in it, the next one gets `OwnerDied` again.
    ///
    /// ```
    /// # use cotenant::sync::{LockError, RwLock};
    /// # let lock = RwLock::<_>::new(5);
    /// match lock.read() {
    ///     Ok(value) => println!("{value}"),
    ///     Err(LockError::OwnerDied(died)) => {
    ///         let value = died.repair(|value| *value = 0).downgrade(); // goes on reading
    ///         println!("{value}");
    ///     }
    ///     Err(error) => panic!("{error}"),
    /// }
    /// ```
    pub fn repair(self, repair: impl FnOnce(&mut T)) -> RwLockWriteGuard<'a, T, READERS> {
        let mut guard = self.lock.write_guard(self.ticket);
        std::mem::forget(self);
        repair(&mut guard);
        guard.lock.writer().mark_consistent(guard.ticket);
        guard
    }

    /// The value as the writer left it.
    pub fn value(&self) -> &T {
        // SAFETY: the lock is held for writing, so nobody changes the value.
        unsafe { &*self.lock.value.get() }
    }

    /// Says that the value cannot be repaired: everybody gets [`LockError::NotRecoverable`] from then on, until
    /// [`write_or_repair`](RwLock::write_or_repair), [`read_or_repair`](RwLock::read_or_repair) or
    /// [`reset`](RwLock::reset) is called.
    pub fn give_up(self) {
        self.lock.writer().give_up(self.ticket);
        std::mem::forget(self);
    }

    /// Who died, if that is still known: another process may have taken its slot.
    pub fn owner(&self) -> Option<DeadOwner> {
        let (pid, program) = self.lock.writer().describe_owner(self.owner_half)?;
        Some(DeadOwner { pid, program })
    }

    /// When this call noticed it.
    pub fn noticed_at(&self) -> SystemTime {
        self.noticed_at
    }
}

impl<'a, T, const READERS: usize> RwLockWriteGuard<'a, T, READERS> {
    /// Goes on with reading; no other writer comes in between.
    ///
    /// ```
    /// # let lock = cotenant::sync::RwLock::<_>::new(5);
    /// let mut value = lock.write().expect("no writer died");
    /// *value += 1;
    /// let value = value.downgrade();
    /// assert_eq!(*value + *lock.read().expect("no writer died"), 12);
    /// ```
    ///
    /// # Panics
    /// In a child of a fork that holds a copy of the guard.
    pub fn downgrade(self) -> RwLockReadGuard<'a, T, READERS> {
        let (lock, ticket) = (self.lock, self.ticket);
        std::mem::forget(self);
        lock.read_guard(lock.raw.downgrade(ticket))
    }
}

impl<T, const READERS: usize> Deref for RwLockReadGuard<'_, T, READERS> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: our cell keeps writers out; docs/safety.md says what is asked of other processes.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T, const READERS: usize> Deref for RwLockWriteGuard<'_, T, READERS> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held for writing, so nobody else changes the value.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T, const READERS: usize> DerefMut for RwLockWriteGuard<'_, T, READERS> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held for writing, by this guard, which is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T, const READERS: usize> Drop for RwLockReadGuard<'_, T, READERS> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.leave_reading(self.claimed);
    }
}

impl<T, const READERS: usize> Drop for RwLockWriteGuard<'_, T, READERS> {
    #[inline]
    fn drop(&mut self) {
        let panics = !self.panicking_before && std::thread::panicking();
        self.lock.raw.leave_writing(self.ticket, !panics);
    }
}

impl<T, const READERS: usize> Drop for WriterDied<'_, T, READERS> {
    fn drop(&mut self) {
        self.lock.writer().leave(self.ticket, self.owner_half);
    }
}

impl<T, const READERS: usize> fmt::Display for WriterDied<'_, T, READERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lock_error::describe(self.owner(), f)
    }
}

impl<T, const READERS: usize> Awaited for WriterDied<'_, T, READERS> {}

impl<T, const READERS: usize> fmt::Debug for WriterDied<'_, T, READERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterDied").field("owner", &self.owner()).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug, const READERS: usize> fmt::Debug for RwLockReadGuard<'_, T, READERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug, const READERS: usize> fmt::Debug for RwLockWriteGuard<'_, T, READERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display, const READERS: usize> fmt::Display for RwLockReadGuard<'_, T, READERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display, const READERS: usize> fmt::Display for RwLockWriteGuard<'_, T, READERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug, const READERS: usize> fmt::Debug for RwLock<T, READERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_read() {
            Ok(guard) => f.debug_struct("RwLock").field("value", &*guard).finish(),
            Err(error) => write!(f, "RwLock {{ <{error}> }}"),
        }
    }
}

impl<T, const READERS: usize> From<T> for RwLock<T, READERS> {
    fn from(value: T) -> Self {
        RwLock::new(value)
    }
}

impl<T: Default, const READERS: usize> Default for RwLock<T, READERS> {
    fn default() -> Self {
        RwLock::new(T::default())
    }
}
