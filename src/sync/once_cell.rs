//! `OnceCell<T>`: a value that is made once, in its place, and read from then on without a lock.
//!
//! ```text
//! +-----------+------------------+
//! |   Once    |  value, or zeros |     killed while it is written: not completed, so the next one writes it anew
//! +-----------+------------------+
//! ```

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fmt;
use std::mem::{MaybeUninit, needs_drop, offset_of};
use std::time::Duration;

use super::event::TimedOut;
use super::lock_error::{LockError, OnceWait, TryLockError};
use super::once::Once;
use super::patience::Patience;
use crate::lock::NotLocked;
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// A value that one thread of all processes that share it makes, once; the others read it.
///
/// If whoever makes it is killed or panics half-way, the next one makes it anew. Reading takes one load and no lock,
/// and needs no slot. `T` has no destructor. 16 bytes and the value.
///
/// ```
/// use cotenant::{shared, sync::OnceCell};
///
/// shared! {
///     static STARTED_BY: OnceCell<u32> = OnceCell::new();
/// }
///
/// let first = STARTED_BY.get_or_init(|| std::process::id())?;
/// assert_eq!(STARTED_BY.get(), Some(first));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(C)]
pub struct OnceCell<T> {
    once: Once,
    /// A value if `once` is completed.
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is written under the lock of `once`, before it is completed, and only read from then on.
unsafe impl<T: Send + Sync> Sync for OnceCell<T> {}

// SAFETY: atomic words, and a value that is not looked at before it is whole; all bytes zero is "not set".
unsafe impl<T: ProcessSync + Send> ProcessSync for OnceCell<T> {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "OnceCell",
        Kind::OnceCell,
        &[
            Part { name: "completed", at: offset_of!(Once, completed) as u64, doc: "", schema: Some(u32::SCHEMA) },
            Part { name: "lock", at: offset_of!(Once, lock) as u64, doc: "", schema: Some(u64::SCHEMA) },
            Part { name: "value", at: offset_of!(Self, value) as u64, doc: "", schema: Some(T::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = T::IS_STABLE_LAYOUT;
}

const _: () = assert!(offset_of!(OnceCell<u8>, once) == 0);

/// Why [`OnceCell::set`] did not set the value.
#[derive(Debug)]
pub enum SetError<T> {
    /// There is a value already. Here is the other one back.
    AlreadySet(T),
    /// The cell could not be locked.
    Lock(LockError<OnceWait>),
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetError::AlreadySet(_) => f.write_str("the cell has a value already"),
            SetError::Lock(error) => error.fmt(f),
        }
    }
}

impl<T: fmt::Debug> std::error::Error for SetError<T> {}

impl<T> OnceCell<T> {
    /// Without a value.
    pub const fn new() -> OnceCell<T> {
        const { assert!(!needs_drop::<T>(), "the value of a shared OnceCell is never dropped: use plain values") };
        // Zeros and not indeterminate bytes: initial values are compared and copied byte by byte.
        OnceCell { once: Once::new(), value: UnsafeCell::new(MaybeUninit::zeroed()) }
    }

    /// The value, if there is one. One load; never waits.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if !self.once.is_completed() {
            return None;
        }
        // SAFETY: completed, which is seen with Acquire: the value was written before, and nobody writes it again.
        let value = unsafe { &*self.value.get() };
        // SAFETY: completed, so it was written.
        Some(unsafe { value.assume_init_ref() })
    }

    /// The value; made by `init` if there is none. Waits for whoever is making it.
    ///
    /// # Errors
    /// `WouldDeadlock` inside of `init`, `NotParticipant` if the process cannot lock.
    ///
    /// # Panics
    /// If `init` does; then the next one makes the value.
    #[inline]
    pub fn get_or_init(&self, init: impl FnOnce() -> T) -> Result<&T, LockError<OnceWait>> {
        match self.get() {
            Some(value) => Ok(value),
            None => self.init(Patience::Endless, init).map_err(LockError::from),
        }
    }

    /// As [`get_or_init`](OnceCell::get_or_init), without waiting for somebody else who is making it.
    ///
    /// ```
    /// # let cell = cotenant::sync::OnceCell::new();
    /// assert_eq!(cell.try_get_or_init(|| 5)?, &5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if somebody is making it; else as `get_or_init`.
    pub fn try_get_or_init(&self, init: impl FnOnce() -> T) -> Result<&T, TryLockError<OnceWait>> {
        self.get().map_or_else(|| self.init(Patience::None, init).map_err(TryLockError::from), Ok)
    }

    /// As [`get_or_init`](OnceCell::get_or_init), waiting at most `timeout` for somebody else who is making it.
    ///
    /// # Errors
    /// [`TryLockError::TimedOut`] after `timeout`; else as `get_or_init`.
    pub fn get_or_init_timeout(
        &self,
        timeout: Duration,
        init: impl FnOnce() -> T,
    ) -> Result<&T, TryLockError<OnceWait>> {
        self.get().map_or_else(|| self.init(Patience::of(timeout), init).map_err(TryLockError::from), Ok)
    }

    /// Sets the value if there is none. Waits for whoever is making one.
    ///
    /// ```
    /// # let cell = cotenant::sync::OnceCell::new();
    /// cell.set(5)?;
    /// assert!(cell.set(6).is_err());
    /// assert_eq!(cell.get(), Some(&5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SetError::AlreadySet`] with `value`, if there is one; [`SetError::Lock`] as for `get_or_init`.
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        let mut value = Some(value);
        if !self.once.is_completed() {
            let written = self.once.call_slowly(Patience::Endless, || (), |()| self.write(value.take()));
            written.map_err(|why| SetError::Lock(why.into()))?;
        }
        value.map_or(Ok(()), |value| Err(SetError::AlreadySet(value)))
    }

    /// Waits until there is a value; does not make it.
    ///
    /// ```
    /// # let cell = cotenant::sync::OnceCell::new();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| cell.set(5));
    ///     assert_eq!(cell.wait(), &5);
    /// });
    /// ```
    pub fn wait(&self) -> &T {
        loop {
            self.once.wait();
            // A wait that was over is over for good: nobody resets the flag.
            if let Some(value) = self.get() {
                return value;
            }
        }
    }

    /// As [`wait`](OnceCell::wait), at most `timeout`.
    ///
    /// # Errors
    /// [`TimedOut`] if there was no value within `timeout`.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<&T, TimedOut> {
        self.once.wait_timeout(timeout)?;
        self.get().ok_or(TimedOut)
    }

    #[cold]
    fn init(&self, patience: Patience, init: impl FnOnce() -> T) -> Result<&T, NotLocked> {
        self.once.call_slowly(patience, init, |value| self.write(Some(value)))?;
        match self.get() {
            Some(value) => Ok(value),
            None => unreachable!("a cell whose making succeeded has a value"),
        }
    }

    /// Stores the value. Only under the lock of `once`, and before it is completed.
    fn write(&self, value: Option<T>) {
        if let Some(value) = value {
            // SAFETY: the lock keeps other writers out, and nobody reads before it is completed.
            let place = unsafe { &mut *self.value.get() };
            place.write(value);
        }
    }
}

/// With its value, which nobody has to make any more.
impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> OnceCell<T> {
        let mut cell = OnceCell::new();
        cell.value.get_mut().write(value);
        // Nobody else has it: nobody is to be woken.
        cell.once.completed.set();
        cell
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> OnceCell<T> {
        OnceCell::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(value) => f.debug_tuple("OnceCell").field(value).finish(),
            None => f.write_str("OnceCell(<not set>)"),
        }
    }
}
