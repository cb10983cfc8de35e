//! What is said when something does not fit: [`Full`] gives a value back, [`TooLong`] names the sizes.

use std::error::Error;
use std::fmt;

/// There is no room left; holds what did not fit, so that nothing is lost.
///
/// ```
/// use cotenant::value::{Array, Full};
///
/// let mut ports = Array::<u16, 1>::new();
/// assert_eq!(ports.push(80), Ok(()));
/// assert_eq!(ports.push(443), Err(Full(443)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<T>(
    /// What did not fit.
    pub T,
);

impl<T> Full<T> {
    /// What did not fit.
    ///
    /// ```
    /// assert_eq!(cotenant::value::Full(443).into_inner(), 443);
    /// ```
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Full(..)")
    }
}

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("full: there is no room for another value")
    }
}

impl<T> Error for Full<T> {}

/// A text has more bytes, or a slice more items, than there is room for. Nothing was changed.
///
/// ```
/// use cotenant::value::{Text, TooLong};
///
/// let error = Text::<4>::try_from("hello").unwrap_err();
/// assert_eq!(error, TooLong { len: 5, capacity: 4 });
/// assert_eq!(error.to_string(), "too long: a length of 5 where 4 fit");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// The length that was needed: bytes of a text, items of an array.
    pub len: usize,
    /// The length that there is room for.
    pub capacity: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too long: a length of {} where {} fit", self.len, self.capacity)
    }
}

impl Error for TooLong {}
