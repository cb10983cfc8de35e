//! `Array<T, N>`: a `Vec<T>` of at most `N` items that lies where it is put.
//!
//! ```text
//! 0     4, or the alignment of T
//! | len | item 0 | .. | item len-1 | places that hold nothing yet, each some valid T |
//! ```
//!
//! Invariant: *all* `N` places hold valid items, so that a length read from memory needs only to be clamped, and a
//! killed writer cannot show a place that was never written. What grows writes the item, then the length; what shrinks
//! or moves copies forward first, so that a kill leaves an item twice rather than not at all.
#![allow(unsafe_code)] // the implementation of `ProcessSync`

#[cfg(test)]
mod tests;
mod traits;

use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};
use crate::value::write::{capacity_fits, overwrite, publish_len, zeroed};
use crate::value::{Full, TooLong};

/// At most `N` items in a row, for use instead of `Vec<T>` in shared memory.
///
/// Never blocks and never allocates. It is a plain value: put it under a [`Mutex`](crate::sync::Mutex). A process
/// killed inside a change leaves valid items: [`push`](Array::push) adds the item or does not, and
/// [`insert`](Array::insert), [`remove`](Array::remove) and [`retain`](Array::retain) may leave one item twice, but
/// lose none that was to stay. An item of several fields that was just being moved may have old and new fields.
///
/// There is no `Extend` and no `FromIterator`: they have no way to say that it does not fit.
///
/// ```
/// use cotenant::value::Array;
///
/// static PRIMES: Array<u32, 8> = Array::from_array([2, 3, 5]);
/// assert_eq!(PRIMES[..], [2, 3, 5]);
///
/// let mut open_ports = Array::<u16, 4>::new();
/// open_ports.extend_from_slice(&[443, 80])?;
/// open_ports.sort(); // all methods of slices
/// assert_eq!(open_ports, [80, 443]);
/// # Ok::<(), cotenant::value::TooLong>(())
/// ```
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Array<T, const N: usize> {
    /// Items in use. Anything may stand here; read as at most `N`.
    len: u32,
    /// All of them valid values; the first `len` are the items.
    items: [T; N],
}

const _: () = assert!(size_of::<Array<u64, 2>>() == 24 && std::mem::offset_of!(Array<u64, 2>, items) == 8);

// SAFETY: no pointers, and no destructor if `T` has none. Any length is a value, and every place holds a valid `T` from
// the start and is changed as a `T`, which survives a kill by its own promise. A length at offset 0 and `N` items are
// what `Kind::List` describes (`docs/format.md`, "Schema node").
unsafe impl<T: ProcessSync, const N: usize> ProcessSync for Array<T, N> {
    const SCHEMA: &'static Schema = &{
        let items = const {
            &[Part { name: "", at: std::mem::offset_of!(Array<T, N>, items) as u64, doc: "", schema: Some(T::SCHEMA) }]
        };
        let mut schema = Schema::compound::<Array<T, N>>("Array", Kind::List, items);
        schema.array_len = N;
        schema
    };
    const ZERO_IS_VALID: bool = T::ZERO_IS_VALID;
    const IS_STABLE_LAYOUT: bool = T::IS_STABLE_LAYOUT;
}

impl<T: ProcessSync, const N: usize> Array<T, N> {
    /// An empty array.
    ///
    /// Does not compile for a `T` that cannot be zero, like an enum without a 0: the places that hold
    /// nothing yet must hold some value. For those there is [`Array::empty_with`].
    ///
    /// ```
    /// assert!(cotenant::value::Array::<u64, 4>::new().is_empty());
    /// ```
    ///
    /// ```compile_fail
    /// #[derive(Clone, Copy, cotenant::ProcessSync)]
    /// #[repr(u8)]
    /// enum Level { Low = 1, High = 2 }
    ///
    /// let _ = cotenant::value::Array::<Level, 4>::new();
    /// ```
    pub const fn new() -> Array<T, N> {
        capacity_fits::<N>();
        // Not `zeroed::<[T; N]>()`: the message should be about `T`, and hold for `N` of zero as well.
        Array { len: 0, items: [const { zeroed::<T>() }; N] }
    }

    /// The items.
    ///
    /// ```
    /// assert_eq!(cotenant::value::Array::<u8, 4>::from_array([1, 2]).as_slice(), &[1, 2]);
    /// ```
    pub const fn as_slice(&self) -> &[T] {
        self.items.split_at(self.used()).0
    }

    /// The items, to be changed in place.
    ///
    /// ```
    /// let mut scores = cotenant::value::Array::<u8, 4>::from_array([1, 2]);
    /// scores.as_mut_slice().reverse();
    /// assert_eq!(scores, [2, 1]);
    /// ```
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        let used = self.used();
        &mut self.items[..used]
    }

    /// The number of items that there is room for.
    ///
    /// ```
    /// assert_eq!(cotenant::value::Array::<u8, 4>::new().capacity(), 4);
    /// ```
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Whether there is room for no further item.
    ///
    /// ```
    /// assert!(cotenant::value::Array::<u8, 2>::from_array([1, 2]).is_full());
    /// ```
    pub const fn is_full(&self) -> bool {
        self.used() == N
    }

    /// Whether the length is as a sound writer leaves it: within the capacity.
    ///
    /// ```
    /// assert!(cotenant::value::Array::<u8, 2>::new().is_intact());
    /// ```
    pub const fn is_intact(&self) -> bool {
        self.len as usize <= N
    }

    /// Drops the items from `len` on; does nothing if there are no more than `len`.
    ///
    /// ```
    /// let mut scores = cotenant::value::Array::<u8, 4>::from_array([1, 2, 3]);
    /// scores.truncate(1);
    /// assert_eq!(scores, [1]);
    /// ```
    pub fn truncate(&mut self, len: usize) {
        if len < self.used() {
            publish_len(&mut self.len, len);
        }
    }

    /// Drops all items.
    ///
    /// ```
    /// let mut scores = cotenant::value::Array::<u8, 4>::from_array([1, 2, 3]);
    /// scores.clear();
    /// assert!(scores.is_empty());
    /// ```
    pub fn clear(&mut self) {
        publish_len(&mut self.len, 0);
    }

    /// The length as it may be used, whatever stands in memory.
    const fn used(&self) -> usize {
        let len = self.len as usize;
        if len < N { len } else { N }
    }
}

/// What moves items about, which needs items that may be in two places for a moment.
impl<T: ProcessSync + Copy, const N: usize> Array<T, N> {
    /// An empty array whose `N` places hold `filler` as long as they hold no item. For types that cannot be zero.
    ///
    /// ```
    /// use cotenant::value::Array;
    ///
    /// #[derive(Clone, Copy, cotenant::ProcessSync)]
    /// #[repr(u8)]
    /// enum Level { Low = 1, High = 2 }
    ///
    /// static LEVELS: Array<Level, 4> = Array::empty_with(Level::Low);
    /// assert!(LEVELS.is_empty());
    /// ```
    pub const fn empty_with(filler: T) -> Array<T, N> {
        capacity_fits::<N>();
        Array { len: 0, items: [filler; N] }
    }

    /// An array of these items, for the initial value of a static. Does not compile if they do not fit, or are none.
    ///
    /// ```
    /// use cotenant::value::Array;
    /// static PRIMES: Array<u32, 8> = Array::from_array([2, 3, 5]);
    /// assert_eq!(PRIMES, [2, 3, 5]);
    /// ```
    ///
    /// ```compile_fail
    /// let _ = cotenant::value::Array::<u32, 2>::from_array([2, 3, 5]);
    /// ```
    pub const fn from_array<const LEN: usize>(items: [T; LEN]) -> Array<T, N> {
        const {
            assert!(LEN <= N, "there are more items than `Array<T, N>` has room for: choose a larger `N`");
            assert!(LEN > 0, "for an array without items use `Array::new()` or `Array::empty_with(filler)`");
        }
        // The first item fills the other places: zero need not be a value.
        let mut array = Array::empty_with(items[0]);
        let mut i = 1;
        while i < LEN {
            array.items[i] = items[i];
            i += 1;
        }
        array.len = LEN as u32;
        array
    }

    /// Adds `item` at the end. A process killed meanwhile has added it or not.
    ///
    /// # Errors
    ///
    /// [`Full`] with the item, if there is no room.
    ///
    /// ```
    /// use cotenant::value::{Array, Full};
    /// let mut ports = Array::<u16, 1>::new();
    /// assert_eq!(ports.push(80), Ok(()));
    /// assert_eq!(ports.push(443), Err(Full(443)));
    /// ```
    pub fn push(&mut self, item: T) -> Result<(), Full<T>> {
        let len = self.used();
        let Some(place) = self.items.get_mut(len) else {
            return Err(Full(item));
        };
        overwrite(place, item);
        publish_len(&mut self.len, len + 1);
        Ok(())
    }

    /// Takes the last item off.
    ///
    /// ```
    /// let mut scores = cotenant::value::Array::<u8, 4>::from_array([1, 2]);
    /// assert_eq!(scores.pop(), Some(2));
    /// ```
    pub fn pop(&mut self) -> Option<T> {
        let last = *self.as_slice().last()?;
        let len = self.used() - 1;
        publish_len(&mut self.len, len);
        Some(last)
    }

    /// Puts `item` before the one at `index`, or at the end. A process killed meanwhile may leave an item twice.
    ///
    /// # Errors
    ///
    /// [`Full`] with the item, if there is no room.
    ///
    /// # Panics
    ///
    /// If `index` is over the length.
    ///
    /// ```
    /// let mut scores = cotenant::value::Array::<u8, 4>::from_array([1, 3]);
    /// assert!(scores.insert(1, 2).is_ok());
    /// assert_eq!(scores, [1, 2, 3]);
    /// ```
    pub fn insert(&mut self, index: usize, item: T) -> Result<(), Full<T>> {
        let len = self.used();
        assert!(index <= len, "cannot insert at {index}: the array has {len} items");
        if index == len || len == N {
            return self.push(item);
        }
        // The last item first gets a second place that counts; after that, no step loses an item.
        self.copy_item(len - 1, len);
        publish_len(&mut self.len, len + 1);
        for i in (index + 1..len).rev() {
            self.copy_item(i - 1, i);
        }
        overwrite(&mut self.items[index], item);
        Ok(())
    }

    /// Takes the item at `index` out and closes the gap. A process killed meanwhile may leave another item twice.
    ///
    /// # Panics
    ///
    /// If there is no item at `index`.
    ///
    /// ```
    /// let mut scores = cotenant::value::Array::<u8, 4>::from_array([1, 2, 3]);
    /// assert_eq!(scores.remove(0), 1);
    /// assert_eq!(scores, [2, 3]);
    /// ```
    pub fn remove(&mut self, index: usize) -> T {
        let removed = self.as_slice()[index];
        let last = self.used() - 1;
        for i in index..last {
            self.copy_item(i + 1, i);
        }
        publish_len(&mut self.len, last);
        removed
    }

    /// Takes the item at `index` out and puts the last one there. A process killed meanwhile may leave the last twice.
    ///
    /// # Panics
    ///
    /// If there is no item at `index`.
    ///
    /// ```
    /// let mut scores = cotenant::value::Array::<u8, 4>::from_array([1, 2, 3]);
    /// assert_eq!(scores.swap_remove(0), 1);
    /// assert_eq!(scores, [3, 2]);
    /// ```
    pub fn swap_remove(&mut self, index: usize) -> T {
        let removed = self.as_slice()[index];
        let last = self.used() - 1;
        self.copy_item(last, index);
        publish_len(&mut self.len, last);
        removed
    }

    /// Keeps the items that `keep` says `true` of, in their order. A process killed meanwhile, and a panic in `keep`,
    /// may leave items twice and items that were to go, but all that were to stay.
    ///
    /// ```
    /// let mut scores = cotenant::value::Array::<u8, 4>::from_array([1, 2, 3, 4]);
    /// scores.retain(|score| score % 2 == 0);
    /// assert_eq!(scores, [2, 4]);
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let mut kept = 0;
        for i in 0..self.used() {
            if keep(&self.items[i]) {
                if kept < i {
                    self.copy_item(i, kept);
                }
                kept += 1;
            }
        }
        self.truncate(kept);
    }

    /// Both places must exist, whether they count or not.
    fn copy_item(&mut self, from: usize, to: usize) {
        let item = self.items[from];
        overwrite(&mut self.items[to], item);
    }

    /// Adds copies of all `items` at the end. A process killed meanwhile has added all or none.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if they do not fit; none is added.
    ///
    /// ```
    /// let mut scores = cotenant::value::Array::<u8, 4>::from_array([1, 2]);
    /// assert!(scores.extend_from_slice(&[3, 4]).is_ok());
    /// assert!(scores.extend_from_slice(&[5]).is_err());
    /// assert_eq!(scores, [1, 2, 3, 4]);
    /// ```
    pub fn extend_from_slice(&mut self, items: &[T]) -> Result<(), TooLong> {
        let start = self.used();
        let end = start.saturating_add(items.len());
        let Some(places) = self.items.get_mut(start..end) else {
            return Err(TooLong { len: end, capacity: N });
        };
        for (place, item) in places.iter_mut().zip(items) {
            overwrite(place, *item);
        }
        publish_len(&mut self.len, end);
        Ok(())
    }
}
