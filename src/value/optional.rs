//! `Optional<T>`: an `Option<T>` whose flag has a place of its own.
//!
//! ```text
//! 0         1, or the alignment of T
//! | is_some | value: always some valid T |
//! ```
//!
//! Rust lays `Option<T>` out as it likes, and a writer killed between tag and value would leave a tag without a value.
//! Here the value is always valid, and every flag byte means something: zero is none, all others are some.
#![allow(unsafe_code)] // the implementation of `ProcessSync`

#[cfg(test)]
mod tests;
mod traits;

use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};
use crate::value::write::{overwrite, publish_flag, retract_flag, zeroed};

/// A value or none, for use instead of `Option<T>` in shared memory.
///
/// Never blocks. It is a plain value: put it under a [`Mutex`](crate::sync::Mutex). A process killed inside
/// [`set`](Optional::set) leaves the old value, none, or the new one, never a mixture of two values.
///
/// ```
/// use cotenant::value::Optional;
///
/// let mut leader = Optional::<u32>::none();
/// assert_eq!(leader.get(), None);
/// leader.set(Some(7));
/// assert_eq!(leader.get(), Some(7));
/// assert_eq!(leader.take(), Some(7));
/// assert!(leader.is_none());
/// ```
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Optional<T> {
    /// 0 is none, 1 is some; read as some if it is not 0. Not a `bool`, which 7 would not be.
    is_some: u8,
    /// Always a valid value; of interest only if there is some.
    value: T,
}

const _: () = assert!(size_of::<Optional<u64>>() == 16 && std::mem::offset_of!(Optional<u64>, value) == 8);

// SAFETY: no pointers, and no destructor if `T` has none. Any flag is a value, and `value` holds a valid `T` from the
// start and is changed as a `T`, which survives a kill by its own promise. A flag at offset 0 and a value are what
// `Kind::Optional` describes (`docs/format.md`, "Schema node").
unsafe impl<T: ProcessSync> ProcessSync for Optional<T> {
    const SCHEMA: &'static Schema = &{
        let value = const {
            let at = std::mem::offset_of!(Optional<T>, value) as u64;
            &[Part { name: "value", at, doc: "", schema: Some(T::SCHEMA) }]
        };
        Schema::compound::<Optional<T>>("Optional", Kind::Optional, value)
    };
    const ZERO_IS_VALID: bool = T::ZERO_IS_VALID;
    const IS_STABLE_LAYOUT: bool = T::IS_STABLE_LAYOUT;
}

impl<T: ProcessSync> Optional<T> {
    /// No value.
    ///
    /// Does not compile for a `T` that cannot be zero, like an enum without a 0: the place must hold
    /// some value even so. For those there is [`Optional::none_with`].
    ///
    /// ```
    /// assert!(cotenant::value::Optional::<u64>::none().is_none());
    /// ```
    ///
    /// ```compile_fail
    /// #[derive(Clone, Copy, cotenant::ProcessSync)]
    /// #[repr(u8)]
    /// enum Level { Low = 1, High = 2 }
    ///
    /// let _ = cotenant::value::Optional::<Level>::none();
    /// ```
    pub const fn none() -> Optional<T> {
        Optional { is_some: 0, value: zeroed() }
    }

    /// No value, with `filler` in its place: for types that cannot be zero.
    ///
    /// ```
    /// use cotenant::value::Optional;
    ///
    /// #[derive(Clone, Copy, cotenant::ProcessSync)]
    /// #[repr(u8)]
    /// enum Level { Low = 1, High = 2 }
    ///
    /// assert!(Optional::none_with(Level::Low).is_none());
    /// ```
    pub const fn none_with(filler: T) -> Optional<T> {
        Optional { is_some: 0, value: filler }
    }

    /// This value.
    ///
    /// ```
    /// assert!(cotenant::value::Optional::some(5).is_some());
    /// ```
    pub const fn some(value: T) -> Optional<T> {
        Optional { is_some: 1, value }
    }

    /// Whether there is a value.
    ///
    /// ```
    /// assert!(cotenant::value::Optional::some(5).is_some());
    /// ```
    pub const fn is_some(&self) -> bool {
        self.is_some != 0
    }

    /// Whether there is none.
    ///
    /// ```
    /// assert!(cotenant::value::Optional::<u8>::none().is_none());
    /// ```
    pub const fn is_none(&self) -> bool {
        !self.is_some()
    }

    /// A reference to the value, if there is one: the way to all methods of `Option`.
    ///
    /// ```
    /// assert_eq!(cotenant::value::Optional::some(5).as_ref(), Some(&5));
    /// ```
    pub const fn as_ref(&self) -> Option<&T> {
        if self.is_some() { Some(&self.value) } else { None }
    }

    /// A reference to change the value by, if there is one.
    ///
    /// ```
    /// let mut score = cotenant::value::Optional::some(5);
    /// if let Some(score) = score.as_mut() {
    ///     *score += 1;
    /// }
    /// assert_eq!(score.get(), Some(6));
    /// ```
    pub fn as_mut(&mut self) -> Option<&mut T> {
        if self.is_some() { Some(&mut self.value) } else { None }
    }
}

impl<T: ProcessSync + Copy> Optional<T> {
    /// A copy of the value, if there is one.
    ///
    /// ```
    /// assert_eq!(cotenant::value::Optional::some(5).get(), Some(5));
    /// ```
    pub const fn get(&self) -> Option<T> {
        if self.is_some() { Some(self.value) } else { None }
    }

    /// Sets or removes the value. A process killed meanwhile leaves the old one, none, or the new one.
    ///
    /// ```
    /// let mut score = cotenant::value::Optional::<u8>::none();
    /// score.set(Some(5));
    /// assert_eq!(score.get(), Some(5));
    /// ```
    pub fn set(&mut self, value: Option<T>) {
        retract_flag(&mut self.is_some);
        if let Some(value) = value {
            overwrite(&mut self.value, value);
            publish_flag(&mut self.is_some);
        }
    }

    /// Sets the value and gives the one before.
    ///
    /// ```
    /// let mut score = cotenant::value::Optional::some(5);
    /// assert_eq!(score.replace(6), Some(5));
    /// ```
    pub fn replace(&mut self, value: T) -> Option<T> {
        let before = self.get();
        self.set(Some(value));
        before
    }

    /// Removes the value and gives it.
    ///
    /// ```
    /// let mut score = cotenant::value::Optional::some(5);
    /// assert_eq!(score.take(), Some(5));
    /// assert_eq!(score.take(), None);
    /// ```
    pub fn take(&mut self) -> Option<T> {
        let before = self.get();
        retract_flag(&mut self.is_some);
        before
    }
}
