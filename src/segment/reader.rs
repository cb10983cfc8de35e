//! `SegmentReader`: a look at the values of a segment for whoever may not write it.
//!
//! The segment is mapped read-only. A reader takes no lock and writes nothing, so it can hold nobody up, and is held up
//! by nobody; it cannot be given references either, because what it looks at changes under its eyes. It gets copies:
//!
//! ```text
//! shared   | word 0 | word 1 | word 2 | ...     written by others at any moment
//!              |        |        |
//! copy     | word 0 | word 1 | word 2 | ...     read one after the other, each whole
//! ```
//!
//! A scalar lies in one aligned word, so each is one that somebody wrote; two of them may be of different moments.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::directory::{Directory, check_name};
use super::header::object_state;
use super::object::{Objects, TypeLayout, holds_lock};
use super::options::SegmentOptions;
use crate::error::Result;
use crate::process_sync::ProcessSync;
use crate::sys;

/// A segment that this process only reads. Made by [`SegmentOptions::open_reader`].
///
/// It holds no slot: any number of readers may be attached. As long as one is, the values stay, also when all
/// participants have ended. A process that is killed while it reads leaves nothing behind.
///
/// ```
/// use std::sync::atomic::AtomicU64;
/// use cotenant::Segment;
///
/// # let name = &format!("example.reader.{}", std::process::id());
/// let segment = Segment::options().max_bytes(1 << 20).create(name)?; // in one process
/// segment.get_or_init("done", || AtomicU64::new(5))?;
///
/// let reader = Segment::options().open_reader(name)?; // in another
/// if let Some(done) = reader.get::<AtomicU64>("done")? {
///     println!("{} done", done.snapshot().into_inner());
/// #   assert_eq!(done.snapshot().into_inner(), 5);
/// }
/// # Ok::<(), cotenant::Error>(())
/// ```
pub struct SegmentReader {
    attached: sys::segment::Reading,
    directory: Directory,
}

/// An object that can be read, and not written or referred to. Of [`SegmentReader::get`].
///
/// A type that holds a lock has no snapshot as a whole: copies of locks mean nothing. Of a
/// [`Mutex`](crate::sync::Mutex) there is `snapshot_value`.
pub struct ReadOnly<'a, T> {
    address: NonNull<u8>,
    reader: PhantomData<&'a SegmentReader>,
    value: PhantomData<fn() -> T>,
}

// SAFETY: it is only read from, by atomic loads.
unsafe impl<T> Send for ReadOnly<'_, T> {}
// SAFETY: as above.
unsafe impl<T> Sync for ReadOnly<'_, T> {}

// Nothing is changed through a reader, so a panic leaves nothing half changed.
impl UnwindSafe for SegmentReader {}
impl RefUnwindSafe for SegmentReader {}
impl<T> UnwindSafe for ReadOnly<'_, T> {}
impl<T> RefUnwindSafe for ReadOnly<'_, T> {}

impl<T> Clone for ReadOnly<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ReadOnly<'_, T> {}

impl<T> fmt::Debug for ReadOnly<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadOnly").field("type", &std::any::type_name::<T>()).finish_non_exhaustive()
    }
}

impl SegmentReader {
    pub(crate) fn new(attached: sys::segment::Reading) -> SegmentReader {
        // SAFETY: the header was checked when it was opened, and all `max_bytes` are mapped for reading as long as
        // `attached` lives, which is in the same value; a reader writes nothing.
        let directory = unsafe { Directory::new(attached.live(), attached.header(), attached.path().to_owned()) };
        SegmentReader { attached, directory }
    }

    /// The object of that name; `None` if there is none, or if its value is still being made. Looks through the table
    /// each time: keep what it gives. Waits for nobody.
    ///
    /// What it gives stays the same object, also when its name is taken from it and another one gets it.
    ///
    /// # Errors
    ///
    /// - `Mismatch`: the object has another type; the message tells the difference field by field.
    /// - `InvalidInput`: a name that an object cannot have.
    /// - `Corrupt`: the segment's own bytes make no sense.
    pub fn get<T: ProcessSync>(&self, name: &str) -> Result<Option<ReadOnly<'_, T>>> {
        let found = self.find(name, const { &TypeLayout::of::<T>() })?;
        Ok(found.map(|(address, _)| ReadOnly { address, reader: PhantomData, value: PhantomData }))
    }

    /// The object of that name, if it is there and of that layout: where it lies, and its size.
    pub(crate) fn find(&self, name: &str, layout: &TypeLayout) -> Result<Option<(NonNull<u8>, u64)>> {
        check_name(name)?;
        let Some(found) = self.directory.find(name)?.filter(|found| found.entry.state == object_state::READY) else {
            return Ok(None);
        };
        if found.entry.fingerprint != layout.fingerprint {
            return Err(layout
                .mismatch(&self.directory, &found.entry, name)
                .line("to go on: read it with a program of the same version as those that write it"));
        }
        let address = self.directory.place(&found.entry, layout)?;
        // Writers cannot be asked to reserve it: damaged bytes may name a place behind the end of the file.
        let end = self.directory.data_at + found.entry.data_at + found.entry.bytes;
        if !self.attached.has_bytes(end) {
            return Err(self.directory.corrupt("an object lies behind the end of the file"));
        }
        Ok(Some((address, found.entry.bytes)))
    }

    /// This run of the machine; 0: not known. What lies in a file may be of an earlier one, as long as nobody has
    /// attached to it who may write.
    pub(crate) fn this_boot(&self) -> u64 {
        self.attached.this_boot()
    }

    /// As [`Segment::objects`](crate::Segment::objects).
    pub fn objects(&self) -> Objects<'_> {
        Objects::new(&self.directory)
    }

    /// Where the segment is found, for people.
    pub fn path(&self) -> &str {
        self.directory.path()
    }

    /// Bytes that objects can take, as the creator chose it.
    pub fn max_bytes(&self) -> u64 {
        self.directory.data_max_bytes
    }

    /// Bytes that objects take, those whose names were removed included.
    pub fn used_bytes(&self) -> u64 {
        self.directory.live().data_bytes().load(Acquire)
    }

    /// Tells of tenants, as the high halves of lock words name them, which process each is, if it lives.
    pub(crate) fn living(&self) -> Box<dyn Fn(u32) -> Option<u32> + '_> {
        self.attached.living()
    }

    /// Whether the segment's name is gone: processes that start now share with each other, and what is read here is
    /// what the former ones left or still do. Asks the system.
    pub fn is_unlinked(&self) -> bool {
        self.attached.is_unlinked()
    }
}

impl fmt::Debug for SegmentReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentReader").field("path", &self.path()).finish_non_exhaustive()
    }
}

/// The end of the options for readers.
impl SegmentOptions {
    /// Attaches to a segment to read it: a segment of this user, or, with [`user`](SegmentOptions::user), another's
    /// whose mode allows it.
    ///
    /// # Errors
    ///
    /// - `NotFound`: there is none of that name, or nobody is attached to it and it is not kept.
    /// - `Unsupported`: a backing that cannot be read without being written.
    /// - `PermissionDenied`, `System`: what the system said.
    /// - `Foreign`, `Mismatch`, `Corrupt`: it is not a segment of objects of this version.
    pub fn open_reader(&self, name: &str) -> Result<SegmentReader> {
        self.attach_reader(name).map(SegmentReader::new)
    }
}

impl<T: ProcessSync> ReadOnly<'_, T> {
    /// The value as it is. Copied word by word while others may write: each number, flag and enum is one that somebody
    /// wrote (integers of 128 bits excepted, which have two halves); fields may be of different moments.
    ///
    /// A type that holds a lock is refused while compiling: of a lock itself there is `snapshot_value`.
    pub fn snapshot(&self) -> T {
        const {
            assert!(
                !holds_lock(T::SCHEMA, 0),
                "a copy of a lock means nothing: of a `Mutex` use `snapshot_value()`, or keep what is to be read in an \
                 object of its own"
            );
        }
        // SAFETY: the object is a `T`, by its fingerprint.
        unsafe { self.part(0) }
    }

    /// Where the object lies, in memory that can only be read.
    pub(crate) fn address(&self) -> NonNull<u8> {
        self.address
    }

    /// The part of the object that begins at `at`, a multiple of 64.
    ///
    /// # Safety
    /// A `U` lies there.
    pub(crate) unsafe fn at<U: ProcessSync>(&self, at: usize) -> ReadOnly<'_, U> {
        debug_assert!(at % 64 == 0);
        // SAFETY: inside the object, by the caller's promise.
        let address = unsafe { self.address.add(at) };
        ReadOnly { address, reader: PhantomData, value: PhantomData }
    }

    /// A copy of the part of the object that begins at `at`.
    ///
    /// # Safety
    /// A `U` that holds no lock lies there.
    pub(crate) unsafe fn part<U: ProcessSync>(&self, at: usize) -> U {
        const WORD_BYTES: usize = 8;
        let mut copy = MaybeUninit::<U>::uninit();
        let to: *mut u8 = copy.as_mut_ptr().cast();
        let mut done = 0;
        while done < size_of::<U>() {
            // Objects begin on 64 bytes, so words are counted from there, and the last one lies in the object's room.
            let (first, skip) = ((at + done) / WORD_BYTES * WORD_BYTES, (at + done) % WORD_BYTES);
            let bytes = (WORD_BYTES - skip).min(size_of::<U>() - done);
            // SAFETY: inside the object, as `place` checked it with the whole lines that belong to it.
            let address = unsafe { self.address.add(first) };
            // SAFETY: mapped as long as the reader, which `'a` borrows; aligned; only loaded, as the mapping allows.
            let word = unsafe { address.cast::<AtomicU64>().as_ref() }.load(Relaxed).to_ne_bytes();
            // SAFETY: `bytes` bytes from `skip` on lie within the word, and from `done` on within `copy`.
            unsafe { to.wrapping_add(done).copy_from_nonoverlapping(word.as_ptr().wrapping_add(skip), bytes) };
            done += bytes;
        }
        // SAFETY: every byte was copied. Each scalar of `U` is one that was written, since none crosses a word (but for
        // those of 128 bits, of which every pattern is a value); any scalars make a `U`, by the rule of `ProcessSync`.
        unsafe { copy.assume_init() }
    }
}
