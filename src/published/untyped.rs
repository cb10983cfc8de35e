//! A published value whose type is known while running only: for tools, which change it as its programs would.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::time::Duration;

use super::bytes::{BUFFER_HEAD_BYTES, BUFFERS_MAX, length_of};
use super::copy::{into_shared, out_of_shared};
use super::ring::{Head, Ring, Writers};
use super::stamp::STAMP_BYTES;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::atomic::Ordering::Relaxed;

/// Where the parts of a published value lie, in an object of so many bytes. Of a schema, and so distrusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) buffers_at: u64,
    pub(crate) buffers: u64,
    pub(crate) stride_bytes: u64,
    /// In each buffer.
    pub(crate) value_at: u64,
    /// The size of a value; of bytes, the most that there is room for.
    pub(crate) value_bytes: u64,
    /// Whether a length stands before the value.
    pub(crate) has_length: bool,
}

/// Where participants' words begin: behind the head.
const WRITERS_AT: usize = size_of::<Head>();

impl Shape {
    /// Whether that is a shape that this library makes, and the object is as large.
    pub(crate) fn is_possible(&self, object_bytes: u64) -> bool {
        let value_at = if self.has_length { BUFFER_HEAD_BYTES as u64 } else { STAMP_BYTES as u64 };
        let value_end = self.value_at.checked_add(self.value_bytes.next_multiple_of(8));
        let buffers_end = self.stride_bytes.checked_mul(self.buffers).and_then(|all| all.checked_add(self.buffers_at));
        (2..=BUFFERS_MAX).contains(&self.buffers)
            && self.buffers.is_power_of_two()
            && self.buffers_at >= (WRITERS_AT + size_of::<Writers>()) as u64
            && self.buffers_at % 64 == 0
            && self.stride_bytes % 64 == 0
            && self.value_at >= value_at
            && self.value_at % 8 == 0
            && value_end.is_some_and(|end| end <= self.stride_bytes)
            && buffers_end.is_some_and(|end| end <= object_bytes)
    }
}

/// Publishes what `change` makes of the bytes of the newest snapshot, as [`Published::update`](super::Published) does.
///
/// # Errors
/// As of `Published::update`; and what `change` says, which publishes nothing.
///
/// # Safety
/// `object` is a published value of that shape, which [is possible](Shape::is_possible), on a multiple of 128 in memory
/// that is mapped shared and writable for so long.
pub(crate) unsafe fn update(
    object: NonNull<u8>,
    shape: &Shape,
    timeout: Duration,
    change: impl FnOnce(Vec<u8>) -> Result<Vec<u8>>,
) -> Result<u64> {
    // SAFETY: the head lies there, all atomics, says the caller.
    let head = unsafe { object.cast::<Head>().as_ref() };
    let writers = object.as_ptr().wrapping_add(WRITERS_AT).cast::<Writers>();
    // SAFETY: as above.
    let writers = unsafe { &*writers };
    // SAFETY: inside of the object, by its shape.
    let first = unsafe { object.add(shape.buffers_at as usize) };
    // SAFETY: the buffers lie there, by the shape; `copy` accesses them atomically.
    let ring = unsafe { Ring::new(head, writers, first, shape.stride_bytes as usize, shape.buffers as usize) };
    let value_of = |buffer: NonNull<u8>| buffer.as_ptr().wrapping_add(shape.value_at as usize);
    let publishing = ring.lock(Some(timeout))?;
    let mut old = Vec::new();
    ring.load(|buffer| {
        let bytes = if shape.has_length { length_of(buffer).load(Relaxed) } else { shape.value_bytes };
        old.clear();
        old.resize(bytes.min(shape.value_bytes) as usize, 0);
        // SAFETY: a value lies there, by the shape, and as much room was made.
        unsafe { out_of_shared(value_of(buffer), old.as_mut_ptr(), old.len()) };
    })?;
    let new = change(old)?;
    let is_fitting = new.len() as u64 <= shape.value_bytes;
    if !is_fitting || !shape.has_length && new.len() as u64 != shape.value_bytes {
        let what = format!("cannot publish {} bytes: there is room for {}", new.len(), shape.value_bytes);
        return Err(Error::new(ErrorKind::NoSpace, what));
    }
    publishing.publish(|buffer| {
        if shape.has_length {
            length_of(buffer).store(new.len() as u64, Relaxed);
        }
        // SAFETY: as above, and the lock is held.
        unsafe { into_shared(new.as_ptr(), value_of(buffer), new.len()) };
    })
}
