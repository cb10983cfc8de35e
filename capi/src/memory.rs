//! What C passes as a pointer, or a pointer and a number: null, memory to read, or places to write.

use std::ffi::c_void;
use std::slice;

use crate::status::{Failure, Result, invalid};

/// As many values as memory can have: no slice of Rust may be longer, and sums of two lengths fit into a `usize`.
const fn most<T>() -> usize {
    isize::MAX as usize / size_of::<T>()
}

/// Most often the -1 of a call that failed.
fn too_many(count: usize) -> Failure {
    invalid(&format!("a length of {count} is longer than memory can be"))
}

/// # Safety
/// Null and 0, or so many values that nobody changes during the call. `what` tells of a null pointer: "the bytes are".
pub(crate) unsafe fn given<'a, T>(first: *const T, count: usize, what: &str) -> Result<&'a [T]> {
    match (first.is_null(), count) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(invalid(&format!("{what} a null pointer"))),
        _ if count > most::<T>() => Err(too_many(count)),
        // SAFETY: the caller's promise.
        (false, _) => Ok(unsafe { slice::from_raw_parts(first, count) }),
    }
}

/// # Safety
/// As of [`given`].
pub(crate) unsafe fn bytes<'a>(bytes: *const c_void, length: usize) -> Result<&'a [u8]> {
    // SAFETY: the caller's promise.
    unsafe { given(bytes.cast(), length, "the bytes are") }
}

/// # Safety
/// As of [`given`].
pub(crate) unsafe fn key<'a>(key: *const c_void, length: usize) -> Result<&'a [u8]> {
    // SAFETY: the caller's promise.
    unsafe { given(key.cast(), length, "the key is") }
}

/// # Safety
/// Null and 0, or memory of that size, which is this call's for its time.
pub(crate) unsafe fn room<'a>(buffer: *mut c_void, capacity: usize) -> Result<&'a mut [u8]> {
    match (buffer.is_null(), capacity) {
        (_, 0) => Ok(&mut []),
        (true, _) => Err(invalid("the buffer is a null pointer")),
        _ if capacity > most::<u8>() => Err(too_many(capacity)),
        // SAFETY: the caller's promise.
        (false, _) => Ok(unsafe { slice::from_raw_parts_mut(buffer.cast(), capacity) }),
    }
}

/// # Safety
/// Null, or a place for a value, which is written only.
pub(crate) unsafe fn say<T>(place: *mut T, what: T) {
    if !place.is_null() {
        // SAFETY: the caller's promise.
        unsafe { place.write(what) };
    }
}
