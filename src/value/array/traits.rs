//! What `Array` has in common with `Vec`: it reads, compares, hashes and prints as the slice of its items.

use std::array;
use std::borrow::{Borrow, BorrowMut};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::iter::Take;
use std::ops::{Deref, DerefMut};
use std::slice;

use crate::process_sync::ProcessSync;
use crate::value::write::capacity_fits;
use crate::value::{Array, TooLong};

impl<T: ProcessSync, const N: usize> Default for Array<T, N> {
    fn default() -> Array<T, N> {
        Array::new()
    }
}

impl<T: ProcessSync, const N: usize> Deref for Array<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T: ProcessSync, const N: usize> DerefMut for Array<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.as_mut_slice()
    }
}

impl<T: ProcessSync, const N: usize> AsRef<[T]> for Array<T, N> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<T: ProcessSync, const N: usize> AsMut<[T]> for Array<T, N> {
    fn as_mut(&mut self) -> &mut [T] {
        self
    }
}

impl<T: ProcessSync, const N: usize> Borrow<[T]> for Array<T, N> {
    fn borrow(&self) -> &[T] {
        self
    }
}

impl<T: ProcessSync, const N: usize> BorrowMut<[T]> for Array<T, N> {
    fn borrow_mut(&mut self) -> &mut [T] {
        self
    }
}

impl<T: ProcessSync, const N: usize> IntoIterator for Array<T, N> {
    type Item = T;
    type IntoIter = Take<array::IntoIter<T, N>>;

    fn into_iter(self) -> Take<array::IntoIter<T, N>> {
        let len = self.used();
        self.items.into_iter().take(len)
    }
}

impl<'a, T: ProcessSync, const N: usize> IntoIterator for &'a Array<T, N> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> slice::Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T: ProcessSync, const N: usize> IntoIterator for &'a mut Array<T, N> {
    type Item = &'a mut T;
    type IntoIter = slice::IterMut<'a, T>;

    fn into_iter(self) -> slice::IterMut<'a, T> {
        self.iter_mut()
    }
}

/// A full array. Of fewer items than it has room for: [`Array::from_array`].
impl<T: ProcessSync, const N: usize> From<[T; N]> for Array<T, N> {
    fn from(items: [T; N]) -> Array<T, N> {
        capacity_fits::<N>();
        Array { len: N as u32, items }
    }
}

/// Does not compile where `T` cannot be zero: there, start with [`Array::empty_with`] and extend.
impl<T: ProcessSync + Copy, const N: usize> TryFrom<&[T]> for Array<T, N> {
    type Error = TooLong;

    fn try_from(items: &[T]) -> Result<Array<T, N>, TooLong> {
        let mut array = Array::new();
        array.extend_from_slice(items)?;
        Ok(array)
    }
}

impl<T: ProcessSync + fmt::Debug, const N: usize> fmt::Debug for Array<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_slice(), f)
    }
}

impl<T: ProcessSync + Eq, const N: usize> Eq for Array<T, N> {}

impl<T: ProcessSync + PartialEq, const N: usize> PartialEq for Array<T, N> {
    fn eq(&self, other: &Array<T, N>) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: ProcessSync + PartialEq, const N: usize> PartialEq<[T]> for Array<T, N> {
    fn eq(&self, other: &[T]) -> bool {
        self.as_slice() == other
    }
}

impl<T: ProcessSync + PartialEq, const N: usize> PartialEq<&[T]> for Array<T, N> {
    fn eq(&self, other: &&[T]) -> bool {
        self.as_slice() == *other
    }
}

impl<T: ProcessSync + PartialEq, const N: usize, const LEN: usize> PartialEq<[T; LEN]> for Array<T, N> {
    fn eq(&self, other: &[T; LEN]) -> bool {
        self.as_slice() == other
    }
}

impl<T: ProcessSync + PartialOrd, const N: usize> PartialOrd for Array<T, N> {
    fn partial_cmp(&self, other: &Array<T, N>) -> Option<Ordering> {
        self.as_slice().partial_cmp(other.as_slice())
    }
}

impl<T: ProcessSync + Ord, const N: usize> Ord for Array<T, N> {
    fn cmp(&self, other: &Array<T, N>) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl<T: ProcessSync + Hash, const N: usize> Hash for Array<T, N> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.as_slice().hash(hasher);
    }
}
