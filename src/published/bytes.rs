//! `PublishedBytes`: bytes, as many as there are each time, that are published as a whole.
//!
//! ```text
//! 0          128            256                                   384
//! | head     | lock, bell   | number of buffers                   |     an area's head (`segment/area.rs`)
//! | stamp, length, bytes ...      | stamp, length, bytes ...      | ... the bytes behind it, in equal parts
//! ```
//!
//! The protocol is in `ring.rs`, the same as of `Published`. What is read of the geometry is checked once, against the
//! directory's size of the area, and then used; a length is cut to the buffer that it lies in.

#![allow(unsafe_code)]

use std::fmt;
use std::mem::offset_of;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::time::Duration;

use super::copy::{into_shared, out_of_shared};
use super::ring::{Head, Loaded, Publishing, Ring, Writers};
use super::snapshot::{HistoryEntry, Snapshot};
use super::stamp::STAMP_BYTES;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::atomic::AtomicU64;
use crate::lock::atomic::Ordering::Relaxed;
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};
use crate::segment::area::Area;
use crate::segment::reader::SegmentReader;
use crate::segment::segment::Segment;

/// The head of the area.
#[repr(C)]
struct BytesHead {
    head: Head,
    writers: Writers,
    /// Written by who makes it.
    buffers: Buffers,
}

#[repr(C, align(128))]
struct Buffers {
    count: AtomicU64,
}

/// A stamp, and the length of what follows.
pub(super) const BUFFER_HEAD_BYTES: usize = STAMP_BYTES + 8;
/// Buffers begin on lines of their own.
const BUFFER_ALIGN_BYTES: usize = 64;
/// Buffers of bytes that this library makes.
const BUFFERS: usize = 8;
/// Buffers that a damaged head may claim.
pub(super) const BUFFERS_MAX: u64 = 1 << 16;

const _: () = assert!(BUFFER_HEAD_BYTES == 64 && size_of::<BytesHead>() == 384);
const _: () = assert!(offset_of!(BytesHead, writers) == 128 && offset_of!(BytesHead, buffers) == 256);

// SAFETY: atomics.
unsafe impl ProcessSync for BytesHead {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "PublishedBytes",
        Kind::PublishedBytes,
        &[
            Part { name: "head", at: 0, doc: "", schema: Some(u64::SCHEMA) },
            Part {
                name: "lock",
                at: (offset_of!(Self, writers) + offset_of!(Writers, lock)) as u64,
                doc: "",
                schema: Some(u64::SCHEMA),
            },
            Part {
                name: "bell",
                at: (offset_of!(Self, writers) + offset_of!(Writers, bell)) as u64,
                doc: "",
                schema: Some(u32::SCHEMA),
            },
            Part { name: "buffers", at: offset_of!(Self, buffers) as u64, doc: "", schema: Some(u64::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = false;
    const IS_STABLE_LAYOUT: bool = true;
}

/// Bytes that one publishes and all see: a whole configuration as one atomic snapshot, of any length up to a maximum.
///
/// An object of a [`Segment`], made by [`Segment::published_bytes`], or by name with
/// [`SegmentOptions::published_bytes`](crate::SegmentOptions::published_bytes). It keeps the promises of
/// [`Published`](super::Published); all that only reads is in [`BytesReader`], which it dereferences to. Number 0,
/// before the first publish, has no bytes.
///
/// With the feature `json` it publishes and loads whatever `serde` can write as JSON.
///
/// ```
/// use cotenant::Segment;
///
/// # let name = &format!("example.published-bytes.{}", std::process::id());
/// let segment = Segment::options().max_bytes(1 << 20).create(name)?;
/// let config = segment.published_bytes("config", 4096)?;
/// config.publish(b"workers = 4")?;
/// assert_eq!(config.load()?.value, b"workers = 4");
/// # Ok::<(), cotenant::Error>(())
/// ```
pub struct PublishedBytes<'a> {
    reader: BytesReader<'a>,
    /// Of one that was opened by its name: what keeps its memory.
    pub(super) segment: Option<Segment>,
}

/// [`PublishedBytes`] as those see them who may not write: it stores nothing.
///
/// Of a [`SegmentReader`], by [`SegmentReader::published_bytes`], or by name with
/// [`SegmentOptions::published_bytes_reader`](crate::SegmentOptions::published_bytes_reader).
pub struct BytesReader<'a> {
    ring: Ring<'a>,
    max_bytes: usize,
    /// Of one that was opened by its name: what keeps its memory.
    pub(super) segment: Option<SegmentReader>,
}

impl Segment {
    /// The published bytes of that name; if there are none they are made, with room for `max_bytes` in each of 8
    /// buffers. Who comes later finds the maker's size.
    ///
    /// # Errors
    ///
    /// As of [`get_or_init`](Segment::get_or_init).
    pub fn published_bytes(&self, name: &str, max_bytes: usize) -> Result<PublishedBytes<'_>> {
        let stride = (BUFFER_HEAD_BYTES as u64).saturating_add(max_bytes as u64);
        let stride = stride.checked_next_multiple_of(BUFFER_ALIGN_BYTES as u64).unwrap_or(u64::MAX);
        let area = self.get_or_init_area(name, stride.saturating_mul(BUFFERS as u64), |_, _| BytesHead {
            head: Head::new(),
            writers: Writers::new(),
            buffers: Buffers { count: AtomicU64::new(BUFFERS as u64) },
        })?;
        Ok(PublishedBytes { reader: BytesReader::of(&area, name)?, segment: None })
    }

    /// The published bytes of that name; `None` if there are none, or if they are being made.
    ///
    /// # Errors
    ///
    /// As of [`get`](Segment::get).
    pub fn get_published_bytes(&self, name: &str) -> Result<Option<PublishedBytes<'_>>> {
        let Some(area) = self.get_area::<BytesHead>(name)? else { return Ok(None) };
        Ok(Some(PublishedBytes { reader: BytesReader::of(&area, name)?, segment: None }))
    }
}

impl SegmentReader {
    /// The published bytes of that name, to read; `None` if there are none, or if they are being made.
    ///
    /// # Errors
    ///
    /// As of [`get`](SegmentReader::get).
    pub fn published_bytes(&self, name: &str) -> Result<Option<BytesReader<'_>>> {
        self.get_area::<BytesHead>(name)?.map(|area| BytesReader::of(&area, name)).transpose()
    }
}

impl<'a> BytesReader<'a> {
    fn of(area: &Area<'a, BytesHead>, name: &str) -> Result<BytesReader<'a>> {
        let count = area.head.buffers.count.load(Relaxed);
        let is_possible = count.is_power_of_two() && (2..=BUFFERS_MAX).contains(&count);
        let stride = if is_possible { area.byte_count / count as usize } else { 0 };
        let stride = stride / BUFFER_ALIGN_BYTES * BUFFER_ALIGN_BYTES;
        let Some(max_bytes) = stride.checked_sub(BUFFER_HEAD_BYTES) else {
            let what =
                format!("the published bytes `{name}` are damaged: {count} buffers in {} bytes", area.byte_count);
            return Err(Error::new(ErrorKind::Corrupt, what).hint("remove the object, or end its segment's programs"));
        };
        // SAFETY: `count` buffers of `stride` bytes lie in the area, which is mapped as long as `'a` and begins on a
        // multiple of 64; this module and `copy` access it atomically.
        let ring = unsafe { Ring::new(&area.head.head, &area.head.writers, area.bytes, stride, count as usize) };
        Ok(BytesReader { ring, max_bytes, segment: None })
    }

    /// The longest that can be published, in bytes: what its maker asked for, rounded up.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// The newest snapshot. Waits for nobody.
    ///
    /// # Errors
    /// As of [`Published::load`](super::Published::load).
    pub fn load(&self) -> Result<Snapshot<Vec<u8>>> {
        let mut value = Vec::new();
        let loaded = self.copy_into(&mut value)?;
        Ok(Snapshot { value, sequence: loaded.sequence, repeats: loaded.repeats })
    }

    /// As [`load`](BytesReader::load), into a vector that is used again. Gives the snapshot's number. After an error
    /// the vector holds anything.
    ///
    /// # Errors
    /// As of `load`.
    pub fn load_into(&self, bytes: &mut Vec<u8>) -> Result<u64> {
        self.copy_into(bytes).map(|loaded| loaded.sequence)
    }

    /// As [`load`](BytesReader::load), to the beginning of a slice, without a vector. Gives the length and the
    /// snapshot's number. After an error the slice holds anything.
    ///
    /// # Errors
    /// `NoSpace`: it is longer than the slice ([`max_bytes`](BytesReader::max_bytes) never is). Else as of `load`.
    pub fn load_into_slice(&self, bytes: &mut [u8]) -> Result<(usize, u64)> {
        let (length, sequence) = self.load_beginning(bytes)?;
        if length <= bytes.len() {
            return Ok((length, sequence));
        }
        let what = format!("the newest snapshot has {length} bytes, and there is room for {}", bytes.len());
        Err(Error::new(ErrorKind::NoSpace, what).hint("`max_bytes` is always enough"))
    }

    /// As [`load_into_slice`](BytesReader::load_into_slice), and of a longer one as much as there is room for. For C.
    #[doc(hidden)]
    pub fn load_beginning(&self, bytes: &mut [u8]) -> Result<(usize, u64)> {
        let mut length = 0;
        let loaded = self.ring.load(|buffer| {
            length = self.length(buffer);
            // SAFETY: `max_bytes`, a multiple of 64, lie in each buffer behind its head.
            unsafe { out_of_shared(first_byte(buffer), bytes.as_mut_ptr(), length.min(bytes.len())) };
        })?;
        Ok((length, loaded.sequence))
    }

    /// The newest snapshot, if it is newer than the one of number `seen`; else nothing is copied: one load.
    ///
    /// # Errors
    /// As of [`load`](BytesReader::load).
    pub fn load_if_newer(&self, seen: u64) -> Result<Option<Snapshot<Vec<u8>>>> {
        if self.sequence() > seen { self.load().map(Some) } else { Ok(None) }
    }

    /// The number of the newest snapshot: how often was published. One load.
    pub fn sequence(&self) -> u64 {
        self.ring.sequence()
    }

    /// Waits until there is a newer snapshot than the one of number `seen`, at most `timeout`; `None`: the time was up.
    ///
    /// It looks: after 50 us, doubling to 10 ms. [`PublishedBytes::wait_newer`] sleeps instead.
    ///
    /// # Errors
    /// As of [`load`](BytesReader::load).
    pub fn wait_newer(&self, seen: u64, timeout: Duration) -> Result<Option<Snapshot<Vec<u8>>>> {
        if self.ring.look_for_newer(seen, timeout) { self.load().map(Some) } else { Ok(None) }
    }

    /// As [`wait_newer`](BytesReader::wait_newer), and loads nothing: whether there is a newer one. For C.
    #[doc(hidden)]
    pub fn is_newer_within(&self, seen: u64, timeout: Duration) -> bool {
        self.ring.look_for_newer(seen, timeout)
    }

    /// The last snapshots, as of [`Published::history`](super::Published::history): all that is kept is copied.
    pub fn history(&self) -> Vec<HistoryEntry<Vec<u8>>> {
        self.ring.history(|sequence, stamp, buffer| {
            let mut value = Vec::new();
            self.copy_bytes(buffer, &mut value);
            HistoryEntry { value, sequence, published_at: stamp.published_at(), publisher: stamp.publisher() }
        })
    }

    fn copy_into(&self, bytes: &mut Vec<u8>) -> Result<Loaded> {
        self.ring.load(|buffer| self.copy_bytes(buffer, bytes))
    }

    /// How long what lies in a buffer is, no longer than the buffer.
    fn length(&self, buffer: NonNull<u8>) -> usize {
        length_of(buffer).load(Relaxed).min(self.max_bytes as u64) as usize
    }

    /// What lies in a buffer, or a mixture, no longer than the buffer.
    fn copy_bytes(&self, buffer: NonNull<u8>, bytes: &mut Vec<u8>) {
        let length = self.length(buffer);
        bytes.clear();
        bytes.reserve(length);
        // SAFETY: `max_bytes`, a multiple of 64, lie in each buffer behind its head; so much was reserved.
        unsafe { out_of_shared(first_byte(buffer), bytes.as_mut_ptr(), length) };
        // SAFETY: reserved, and written by the copy.
        unsafe { bytes.set_len(length) };
    }
}

#[cfg(test)]
impl BytesReader<'_> {
    pub(super) fn head_for_tests(&self) -> *const u8 {
        self.ring.head_for_tests()
    }
}

impl PublishedBytes<'_> {
    /// Makes `bytes` the newest snapshot and wakes those who wait for it. Gives its number.
    /// [`Published::publish`](super::Published::publish) says what it waits for, and what a death leaves.
    ///
    /// # Errors
    /// `NoSpace`: more than [`max_bytes`](BytesReader::max_bytes). Else as of `Published::publish`.
    pub fn publish(&self, bytes: &[u8]) -> Result<u64> {
        self.publish_within(bytes, None)
    }

    /// As [`publish`](PublishedBytes::publish), but waits at most `timeout` for others who publish.
    ///
    /// # Errors
    /// `TimedOut`; else as of `publish`.
    pub fn publish_timeout(&self, bytes: &[u8], timeout: Duration) -> Result<u64> {
        self.publish_within(bytes, Some(timeout))
    }

    /// Publishes what `change` makes of the newest snapshot; nobody else publishes in between. Gives its number.
    ///
    /// `change` must not publish here itself. If it panics, nothing is published.
    ///
    /// # Errors
    /// As of [`publish`](PublishedBytes::publish).
    pub fn update(&self, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<u64> {
        self.try_update(|old| Ok(change(old)))
    }

    /// As [`update`](PublishedBytes::update), with a change that may be refused: then nothing is published. For C, and
    /// for JSON.
    #[doc(hidden)]
    pub fn try_update<E: From<Error>>(
        &self,
        change: impl FnOnce(&[u8]) -> std::result::Result<Vec<u8>, E>,
    ) -> std::result::Result<u64, E> {
        let publishing = self.ring.lock(None)?;
        // Nobody publishes meanwhile: not repeated.
        let new = change(&self.load()?.value)?;
        publishing.is_still_ours()?;
        Ok(self.write(publishing, &new)?)
    }

    /// As [`BytesReader::wait_newer`], but sleeps, and is woken by the next publish.
    ///
    /// # Errors
    /// As of [`load`](BytesReader::load).
    pub fn wait_newer(&self, seen: u64, timeout: Duration) -> Result<Option<Snapshot<Vec<u8>>>> {
        if self.ring.wait_newer(seen, timeout) { self.load().map(Some) } else { Ok(None) }
    }

    /// As [`wait_newer`](PublishedBytes::wait_newer), and loads nothing: whether there is a newer one. For C.
    #[doc(hidden)]
    pub fn is_newer_within(&self, seen: u64, timeout: Duration) -> bool {
        self.ring.wait_newer(seen, timeout)
    }

    fn publish_within(&self, bytes: &[u8], timeout: Option<Duration>) -> Result<u64> {
        self.check_length(bytes)?;
        self.write(self.ring.lock(timeout)?, bytes)
    }

    fn check_length(&self, bytes: &[u8]) -> Result<()> {
        if bytes.len() <= self.max_bytes {
            return Ok(());
        }
        let what = format!("cannot publish {} bytes: there is room for {}", bytes.len(), self.max_bytes);
        Err(Error::new(ErrorKind::NoSpace, what).hint("publish less, or remove it and make it anew with more"))
    }

    fn write(&self, publishing: Publishing<'_>, bytes: &[u8]) -> Result<u64> {
        self.check_length(bytes)?;
        publishing.publish(|buffer| {
            length_of(buffer).store(bytes.len() as u64, Relaxed);
            // SAFETY: checked to fit behind the buffer's head; the lock is held, so nobody else writes.
            unsafe { into_shared(bytes.as_ptr(), first_byte(buffer), bytes.len()) };
        })
    }
}

impl<'a> Deref for PublishedBytes<'a> {
    type Target = BytesReader<'a>;

    fn deref(&self) -> &BytesReader<'a> {
        &self.reader
    }
}

fn first_byte(buffer: NonNull<u8>) -> *mut u8 {
    buffer.as_ptr().wrapping_add(BUFFER_HEAD_BYTES)
}

/// The length of what lies in a buffer.
pub(super) fn length_of<'a>(buffer: NonNull<u8>) -> &'a AtomicU64 {
    // SAFETY: behind the stamp, inside of each buffer.
    let place = unsafe { buffer.add(STAMP_BYTES) };
    // SAFETY: aligned, mapped as long as the ring that gave the buffer, and only accessed atomically.
    unsafe { place.cast::<AtomicU64>().as_ref() }
}

// What one panics in is copies.
impl UnwindSafe for BytesReader<'_> {}
impl RefUnwindSafe for BytesReader<'_> {}

impl fmt::Debug for BytesReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sequence, max_bytes) = (self.sequence(), self.max_bytes);
        f.debug_struct("BytesReader").field("sequence", &sequence).field("max_bytes", &max_bytes).finish()
    }
}

impl fmt::Debug for PublishedBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sequence, max_bytes) = (self.sequence(), self.max_bytes);
        f.debug_struct("PublishedBytes").field("sequence", &sequence).field("max_bytes", &max_bytes).finish()
    }
}
