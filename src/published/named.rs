//! Published values by name: each in a segment of its own, as its only object.

#![allow(unsafe_code)]

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;

use super::bytes::{BytesReader, PublishedBytes};
use super::published::Published;
use crate::error::{Error, ErrorKind, Result};
use crate::process_sync::ProcessSync;
use crate::segment::options::SegmentOptions;
use crate::segment::reader::{ReadOnly, SegmentReader};
use crate::segment::segment::Segment;

/// The name of the only object in a segment that one of [`SegmentOptions::published`] and its kin made.
pub const OBJECT_NAME: &str = "published";

/// A [`Published`] that was opened by its name, and its segment. Dereferences to it.
pub struct Named<T, const BUFFERS: usize = 8> {
    value: NonNull<Published<T, BUFFERS>>,
    segment: Segment,
}

// SAFETY: a reference to a value that is `Sync`, and a segment, which may go to other threads.
unsafe impl<T: Copy + Send, const BUFFERS: usize> Send for Named<T, BUFFERS> {}
// SAFETY: as above.
unsafe impl<T: Copy + Send, const BUFFERS: usize> Sync for Named<T, BUFFERS> {}

/// A [`Published`] that was opened by its name to be read.
pub struct NamedReader<T, const BUFFERS: usize = 8> {
    value: ReadOnly<'static, Published<T, BUFFERS>>,
    segment: SegmentReader,
}

/// The ends of the options for what one publishes and all see.
impl SegmentOptions {
    /// The published value of that name; if there is none it is made, in a segment of that name, with `init`.
    ///
    /// ```
    /// use cotenant::Segment;
    ///
    /// # let name = &format!("example.published.named.{}", std::process::id());
    /// let limit = Segment::options().max_bytes(1 << 20).published(name, || 100_u32)?;
    /// limit.publish(&200)?;
    /// assert_eq!(*Segment::options().published(name, || 100_u32)?.load()?, 200);
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`open_or_create`](SegmentOptions::open_or_create) and [`Segment::get_or_init`].
    pub fn published<T: ProcessSync + Copy + Send>(&self, name: &str, init: impl FnOnce() -> T) -> Result<Named<T>> {
        let segment = self.open_or_create(name)?;
        let value = NonNull::from(segment.get_or_init(OBJECT_NAME, || Published::new(init()))?);
        Ok(Named { value, segment })
    }

    /// The published value of that name, to read.
    ///
    /// ```
    /// use cotenant::Segment;
    ///
    /// # if cfg!(target_os = "linux") {
    /// # let name = &format!("example.published.reader.{}", std::process::id());
    /// let limit = Segment::options().max_bytes(1 << 20).published(name, || 100_u32)?;
    /// let reader = Segment::options().published_reader::<u32>(name)?; // usually in another program
    /// assert_eq!(*reader.value().load()?, 100);
    /// # }
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`open_reader`](SegmentOptions::open_reader) and [`SegmentReader::get`]; `NotFound`, too, if there is such
    /// a segment without a published value.
    pub fn published_reader<T: ProcessSync + Copy + Send>(&self, name: &str) -> Result<NamedReader<T>> {
        let segment = self.open_reader(name)?;
        let found = segment.get::<Published<T>>(OBJECT_NAME)?.ok_or_else(|| none(name))?;
        // SAFETY: the segment is kept beside it, and only `value` gives it out, for as long as that is borrowed.
        let value = unsafe { std::mem::transmute::<ReadOnly<'_, _>, ReadOnly<'static, _>>(found) };
        Ok(NamedReader { value, segment })
    }

    /// The published bytes of that name; if there are none they are made, in a segment of that name, with room for
    /// `max_bytes` in each of 8 buffers.
    ///
    /// ```
    /// use cotenant::Segment;
    ///
    /// # let name = &format!("example.published-bytes.named.{}", std::process::id());
    /// let config = Segment::options().max_bytes(1 << 20).published_bytes(name, 4096)?;
    /// config.publish(b"workers = 4")?;
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`open_or_create`](SegmentOptions::open_or_create) and [`Segment::published_bytes`].
    pub fn published_bytes(&self, name: &str, max_bytes: usize) -> Result<PublishedBytes<'static>> {
        let segment = self.open_or_create(name)?;
        let bytes = segment.published_bytes(OBJECT_NAME, max_bytes)?;
        // SAFETY: only the lifetime is forgotten. What is borrowed is the segment's mapping, which stays where it is
        // until the segment is dropped, together with this value; no reference into it is given out.
        let mut bytes = unsafe { std::mem::transmute::<PublishedBytes<'_>, PublishedBytes<'static>>(bytes) };
        bytes.segment = Some(segment);
        Ok(bytes)
    }

    /// The published bytes of that name, to read.
    ///
    /// # Errors
    ///
    /// As of [`open_reader`](SegmentOptions::open_reader); `NotFound`, too, if there is such a segment without
    /// published bytes.
    pub fn published_bytes_reader(&self, name: &str) -> Result<BytesReader<'static>> {
        let segment = self.open_reader(name)?;
        let bytes = segment.published_bytes(OBJECT_NAME)?.ok_or_else(|| none(name))?;
        // SAFETY: as of `published_bytes`.
        let mut bytes = unsafe { std::mem::transmute::<BytesReader<'_>, BytesReader<'static>>(bytes) };
        bytes.segment = Some(segment);
        Ok(bytes)
    }
}

impl<T, const BUFFERS: usize> Named<T, BUFFERS> {
    /// The segment that it lies in.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }
}

impl<T, const BUFFERS: usize> Deref for Named<T, BUFFERS> {
    type Target = Published<T, BUFFERS>;

    #[inline]
    fn deref(&self) -> &Published<T, BUFFERS> {
        // SAFETY: an object of the segment, which is attached as long as `self`.
        unsafe { self.value.as_ref() }
    }
}

impl<T, const BUFFERS: usize> NamedReader<T, BUFFERS> {
    /// What is read.
    #[inline]
    pub fn value(&self) -> ReadOnly<'_, Published<T, BUFFERS>> {
        self.value
    }

    /// The segment that it lies in.
    pub fn segment(&self) -> &SegmentReader {
        &self.segment
    }
}

impl<T, const BUFFERS: usize> fmt::Debug for Named<T, BUFFERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named").field("segment", &self.segment).finish_non_exhaustive()
    }
}

impl<T, const BUFFERS: usize> fmt::Debug for NamedReader<T, BUFFERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedReader").field("segment", &self.segment).finish_non_exhaustive()
    }
}

#[cold]
fn none(name: &str) -> Error {
    let what = format!("nothing is published in the segment `{name}`");
    Error::new(ErrorKind::NotFound, what).hint("start the program that publishes it; `cotenant show` lists its objects")
}
