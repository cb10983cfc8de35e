//! `Fixed`: a [`Published`](super::Published) whose type C declares: of the value only the size is known here.
//!
//! ```text
//! head (256 bytes) | stamp, value | stamp, value | ...      8 of them, whole cache lines each
//! ```
//!
//! The layout is that of `Published<T>` with its 8 buffers, for every `T` that is aligned to 8 bytes at most; whether
//! an object is one was found by its fingerprint, from the table that `cotenant.h` made.

#![allow(unsafe_code)]
#![allow(missing_docs)] // Hidden: the header's names are in docs/c.md.

use std::ptr::NonNull;
use std::time::Duration;

use super::copy::{into_shared, out_of_shared};
use super::ring::{Head, Publishing, Ring, Writers};
use super::stamp::STAMP_BYTES;
use crate::error::Result;

/// Bytes before the buffers.
const HEAD_BYTES: usize = size_of::<Head>() + size_of::<Writers>();
/// Buffers of a value that C declares.
const BUFFERS: usize = 8;
/// Buffers begin on lines of their own.
const LINE_BYTES: usize = 64;

const _: () = assert!(HEAD_BYTES == 256);

/// A published value of so many bytes.
#[derive(Clone, Copy)]
pub struct Fixed<'a> {
    ring: Ring<'a>,
    value_bytes: usize,
}

impl<'a> Fixed<'a> {
    /// Bytes before the buffers.
    pub const HEAD_BYTES: usize = HEAD_BYTES;

    /// # Safety
    /// `object` is a published value of `BUFFERS` buffers and a type of `value_bytes`, mapped as long as `'a` and
    /// accessed by functions of this library alone. To load and to look, the mapping need only be readable.
    pub unsafe fn at(object: NonNull<u8>, value_bytes: usize) -> Fixed<'a> {
        // SAFETY: the head lies there, all atomics, says the caller.
        let head = unsafe { object.cast::<Head>().as_ref() };
        // SAFETY: inside of the object.
        let writers = unsafe { object.add(size_of::<Head>()) };
        // SAFETY: as the head.
        let writers = unsafe { writers.cast::<Writers>().as_ref() };
        // SAFETY: inside of the object.
        let first = unsafe { object.add(HEAD_BYTES) };
        let stride_bytes = (STAMP_BYTES + value_bytes).next_multiple_of(LINE_BYTES);
        // SAFETY: the buffers of the type lie there, each with its stamp first, says the caller.
        Fixed { ring: unsafe { Ring::new(head, writers, first, stride_bytes, BUFFERS) }, value_bytes }
    }

    /// As [`Published::load`](super::Published::load). Gives the snapshot's number; after an error `to` holds anything.
    ///
    /// # Safety
    /// `to` has room for a value, and nobody else uses it.
    pub unsafe fn load(&self, to: *mut u8) -> Result<u64> {
        let copy = |buffer: NonNull<u8>| {
            // SAFETY: a value lies there, on a multiple of 8, with room for whole words; `to` has as much room.
            unsafe { out_of_shared(value_of(buffer), to, self.value_bytes) }
        };
        Ok(self.ring.load(copy)?.sequence)
    }

    /// As [`Published::publish`](super::Published::publish); with a timeout, `publish_timeout`.
    ///
    /// # Safety
    /// At `from` lies a value that nobody changes meanwhile.
    pub unsafe fn publish(&self, from: *const u8, timeout: Option<Duration>) -> Result<u64> {
        let publishing = self.ring.lock(timeout)?;
        // SAFETY: the caller's promise.
        unsafe { self.write(publishing, from) }
    }

    /// As [`Published::update`](super::Published::update): `change` gets the newest value, in memory of its own, to
    /// change it there. If it says `false`, nothing is published, and there is no number.
    pub fn update(&self, timeout: Option<Duration>, change: impl FnOnce(NonNull<u8>) -> bool) -> Result<Option<u64>> {
        // Words, so that it is aligned as values are.
        let mut value = vec![0_u64; self.value_bytes.div_ceil(8).max(1)];
        let place = NonNull::from(&mut value[..]).cast::<u8>();
        let publishing = self.ring.lock(timeout)?;
        // SAFETY: as many bytes, and more, of this call's own.
        unsafe { self.load(place.as_ptr()) }?;
        if !change(place) {
            return Ok(None);
        }
        publishing.is_still_ours()?;
        // SAFETY: as above; `change` has returned.
        unsafe { self.write(publishing, place.as_ptr()) }.map(Some)
    }

    /// The number of the newest snapshot. One load.
    pub fn sequence(&self) -> u64 {
        self.ring.sequence()
    }

    /// Sleeps until there is a newer snapshot than `seen`, at most `timeout`. Whether there is one.
    pub fn wait_newer(&self, seen: u64, timeout: Duration) -> bool {
        self.ring.wait_newer(seen, timeout)
    }

    /// As [`wait_newer`](Fixed::wait_newer) for who may only read: looks again and again.
    pub fn look_for_newer(&self, seen: u64, timeout: Duration) -> bool {
        self.ring.look_for_newer(seen, timeout)
    }

    /// # Safety
    /// As of [`publish`](Fixed::publish).
    unsafe fn write(&self, publishing: Publishing<'_>, from: *const u8) -> Result<u64> {
        publishing.publish(|buffer| {
            // SAFETY: there is room for a value, and the lock is held, so nobody else writes; the caller's promise.
            unsafe { into_shared(from, value_of(buffer), self.value_bytes) };
        })
    }
}

fn value_of(buffer: NonNull<u8>) -> *mut u8 {
    buffer.as_ptr().wrapping_add(STAMP_BYTES)
}
