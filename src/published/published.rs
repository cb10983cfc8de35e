//! `Published<T>`: a value of fixed size that is published as a whole.
//!
//! ```text
//! 0          128            256
//! | head     | lock, bell   | stamp, value | stamp, value | ...      BUFFERS of them, whole cache lines each
//!   readers    participants
//! ```
//!
//! The protocol is in `ring.rs`. A snapshot of up to 200 bytes takes four cache lines, its stamp included.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fmt;
use std::mem::{MaybeUninit, offset_of};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::time::Duration;

use super::copy::{into_shared, out_of_shared};
use super::ring::{Head, Publishing, Ring, Writers};
use super::snapshot::{HistoryEntry, Snapshot};
use super::stamp::{STAMP_PARTS, Stamp};
use crate::error::Result;
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// A value that one publishes and all see: every load gives a whole snapshot, of the newest publish.
///
/// Usable in a [`shared!`](crate::shared!) block and in a segment. For small values that are read often and changed
/// seldom: limits, routing tables, model parameters; a feature flag is a [`Flag`](super::Flag). `T` is copied by each
/// load and each publish, hence `Copy`; what has no fixed size is for [`PublishedBytes`](super::PublishedBytes).
///
/// [`load`](Published::load) waits for nobody and writes nothing: it is repeated only if `BUFFERS` publishes happen
/// during one copy. [`publish`](Published::publish) waits for others who publish. One that is killed in the middle
/// leaves the snapshot before; the next one goes on at once, there is nothing to repair.
///
/// `BUFFERS` is a power of two, at least 2. It is also how many snapshots [`history`](Published::history) can show.
/// The size: 256 bytes, and `BUFFERS` times `T` with 56 bytes, in whole cache lines.
///
/// ```
/// use cotenant::published::Published;
///
/// let limits = Published::new([100_u32, 20]);
/// assert_eq!(limits.publish(&[200, 40])?, 1);
/// assert_eq!(*limits.load()?, [200, 40]);
/// # Ok::<(), cotenant::Error>(())
/// ```
#[repr(C)]
pub struct Published<T, const BUFFERS: usize = 8> {
    head: Head,
    writers: Writers,
    buffers: [Buffer<T>; BUFFERS],
}

#[repr(C, align(64))]
struct Buffer<T> {
    stamp: Stamp,
    value: UnsafeCell<MaybeUninit<T>>,
}

const _: () = assert!(offset_of!(Published<[u8; 200]>, writers) == 128);
const _: () = assert!(offset_of!(Published<[u8; 200]>, buffers) == 256);
const _: () = assert!(offset_of!(Buffer<[u8; 200]>, value) == 56 && size_of::<Buffer<[u8; 200]>>() == 256);

// SAFETY: the buffers are accessed atomically only; a `T` goes from thread to thread, as copies.
unsafe impl<T: Copy + Send, const BUFFERS: usize> Sync for Published<T, BUFFERS> {}

// SAFETY: atomics; a buffer that a killed process has half written is not read as a value, by its stamp.
unsafe impl<T: ProcessSync + Copy + Send, const BUFFERS: usize> ProcessSync for Published<T, BUFFERS> {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Published",
        Kind::Published,
        &[
            Part { name: "head", at: offset_of!(Self, head) as u64, doc: "", schema: Some(u64::SCHEMA) },
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
            Part {
                name: "buffers",
                at: offset_of!(Self, buffers) as u64,
                doc: "",
                schema: Some(&Schema::array::<[Buffer<T>; BUFFERS]>(
                    "array",
                    BUFFERS,
                    &[Part { name: "", at: 0, doc: "", schema: Some(Buffer::<T>::SCHEMA) }],
                )),
            },
        ],
    );
    const ZERO_IS_VALID: bool = T::ZERO_IS_VALID;
    const IS_STABLE_LAYOUT: bool = T::IS_STABLE_LAYOUT;
}

impl<T: ProcessSync> Buffer<T> {
    const PARTS: [Part; 6] = {
        let [stamp, publisher, unix_ns, pid, program] = STAMP_PARTS;
        let value = Part { name: "value", at: offset_of!(Self, value) as u64, doc: "", schema: Some(T::SCHEMA) };
        [stamp, publisher, unix_ns, pid, program, value]
    };
    const SCHEMA: &'static Schema = &Schema::compound::<Self>("Buffer", Kind::Struct, &Self::PARTS);
}

impl<T> Buffer<T> {
    /// A buffer that no publish has reached: its stamp is that of publish 0, which lies in the first one only.
    const fn empty() -> Buffer<T> {
        Buffer { stamp: Stamp::new(), value: UnsafeCell::new(MaybeUninit::zeroed()) }
    }
}

impl<T: ProcessSync + Copy + Send> Published<T> {
    /// Published is `value`, as number 0. With 8 buffers.
    pub const fn new(value: T) -> Self {
        Published::with_buffers(value)
    }
}

impl<T: ProcessSync + Copy + Send, const BUFFERS: usize> Published<T, BUFFERS> {
    /// As [`new`](Published::new), with as many buffers as the type says.
    ///
    /// ```
    /// use cotenant::published::Published;
    ///
    /// static ROUTES: Published<[u32; 1024], 16> = Published::with_buffers([0; 1024]);
    /// # assert_eq!(ROUTES.sequence(), 0);
    /// ```
    pub const fn with_buffers(value: T) -> Self {
        const {
            assert!(BUFFERS.is_power_of_two() && BUFFERS >= 2, "the number of buffers is a power of two, at least 2");
        }
        let mut buffers = [const { Buffer::empty() }; BUFFERS];
        buffers[0].value = UnsafeCell::new(MaybeUninit::new(value));
        Published { head: Head::new(), writers: Writers::new(), buffers }
    }

    /// The newest snapshot. Waits for nobody.
    ///
    /// # Errors
    /// - `Corrupt`: the memory is damaged; the next publish may mend it.
    /// - `Busy`: during each of 1,000 copies, `BUFFERS` publishes happened.
    #[inline]
    pub fn load(&self) -> Result<Snapshot<T>> {
        let mut value = MaybeUninit::<T>::uninit();
        let loaded = self.ring().load(|buffer| copy_value(buffer, &mut value))?;
        // SAFETY: copied from a whole buffer, so it is a `T`: whoever wrote it ran sound code of its fingerprint
        // (docs/safety.md).
        let value = unsafe { value.assume_init() };
        Ok(Snapshot { value, sequence: loaded.sequence, repeats: loaded.repeats })
    }

    /// The newest snapshot, if it is newer than the one of number `seen`; else nothing is copied: one load. Waits for
    /// nobody.
    ///
    /// ```
    /// # use cotenant::published::Published;
    /// let limit = Published::new(100);
    /// let mut mine = limit.load()?;
    /// // again and again:
    /// if let Some(newer) = limit.load_if_newer(mine.sequence)? {
    ///     mine = newer;
    /// }
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`load`](Published::load).
    #[inline]
    pub fn load_if_newer(&self, seen: u64) -> Result<Option<Snapshot<T>>> {
        if self.sequence() > seen { self.load().map(Some) } else { Ok(None) }
    }

    /// The number of the newest snapshot: how often was published. One load.
    #[inline]
    pub fn sequence(&self) -> u64 {
        self.ring().sequence()
    }

    /// Waits until there is a newer snapshot than the one of number `seen`, at most `timeout`, and gives it; `None`:
    /// the time was up. Returns at once if there is one already; snapshots in between are not seen.
    ///
    /// Whoever waits is woken by the next publish; if the publisher is killed just before it wakes the others, they
    /// see the snapshot within 0.1 s.
    ///
    /// ```
    /// # use cotenant::published::Published;
    /// # use std::time::Duration;
    /// let limit = Published::new(100);
    /// assert_eq!(limit.wait_newer(0, Duration::from_millis(1))?, None);
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| limit.publish(&200));
    ///     let newer = limit.wait_newer(0, Duration::from_secs(60))?;
    ///     assert_eq!(newer.map(|newer| newer.value), Some(200));
    /// #   Ok::<(), cotenant::Error>(())
    /// })?;
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`load`](Published::load).
    pub fn wait_newer(&self, seen: u64, timeout: Duration) -> Result<Option<Snapshot<T>>> {
        if self.ring().wait_newer(seen, timeout) { self.load().map(Some) } else { Ok(None) }
    }

    /// Makes `value` the newest snapshot and wakes those who wait for it. Gives its number.
    ///
    /// Waits while others publish, at most for as long as they copy (and, in an [`update`](Published::update),
    /// compute). One that is killed while it publishes is found dead as by [`Mutex`](crate::sync::Mutex); what it
    /// published half is never seen. Once it returns, every load that begins sees this snapshot or a newer one, whoever
    /// is killed.
    ///
    /// # Errors
    /// - `WouldDeadlock`: this thread publishes already: from within an `update`.
    /// - `Full`, `PermissionDenied`: a child of a fork could not become a participant.
    /// - `Corrupt`: the memory is damaged.
    #[inline]
    pub fn publish(&self, value: &T) -> Result<u64> {
        publish(self.ring().lock(None)?, value)
    }

    /// As [`publish`](Published::publish), but waits at most `timeout` for others who publish: one of them may be
    /// stopped.
    ///
    /// # Errors
    /// `TimedOut`; else as `publish`.
    pub fn publish_timeout(&self, value: &T, timeout: Duration) -> Result<u64> {
        publish(self.ring().lock(Some(timeout))?, value)
    }

    /// Publishes what `change` makes of the newest snapshot; nobody else publishes in between. Gives its number.
    ///
    /// `change` runs under the lock of those who publish: it must not publish here itself. If it panics, nothing is
    /// published.
    ///
    /// ```
    /// # use cotenant::published::Published;
    /// let limit = Published::new(100);
    /// limit.update(|old| old + 1)?;
    /// assert_eq!(*limit.load()?, 101);
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`publish`](Published::publish).
    #[inline]
    pub fn update(&self, change: impl FnOnce(T) -> T) -> Result<u64> {
        self.update_locked(self.ring().lock(None)?, change)
    }

    /// As [`update`](Published::update), but waits at most `timeout` for others who publish.
    ///
    /// # Errors
    /// `TimedOut`; else as `publish`.
    pub fn update_timeout(&self, timeout: Duration, change: impl FnOnce(T) -> T) -> Result<u64> {
        self.update_locked(self.ring().lock(Some(timeout))?, change)
    }

    #[inline]
    fn update_locked(&self, publishing: Publishing<'_>, change: impl FnOnce(T) -> T) -> Result<u64> {
        // Nobody publishes meanwhile: not repeated.
        let new = change(self.load()?.value);
        publishing.is_still_ours()?;
        publish(publishing, &new)
    }

    /// The last snapshots, from the newest to the oldest, with who published them and when: at most `BUFFERS`, one
    /// less while somebody publishes or was killed at it. For people and tools. Waits for nobody.
    ///
    /// ```
    /// # use cotenant::published::Published;
    /// let limit = Published::new(100);
    /// limit.publish(&200)?;
    /// for entry in limit.history() {
    ///     println!("{}: {}, by {:?}", entry.sequence, entry.value, entry.publisher.map(|by| by.pid));
    /// }
    /// # assert_eq!(limit.history().iter().map(|it| it.value).collect::<Vec<_>>(), [200, 100]);
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    pub fn history(&self) -> Vec<HistoryEntry<T>> {
        let found = self.ring().history(|sequence, stamp, buffer| {
            let mut value = MaybeUninit::<T>::uninit();
            copy_value(buffer, &mut value);
            (sequence, stamp.published_at(), stamp.publisher(), value)
        });
        let entry = |(sequence, published_at, publisher, value): (_, _, _, MaybeUninit<T>)| {
            // SAFETY: the buffer was whole, so it is a `T`.
            HistoryEntry { value: unsafe { value.assume_init() }, sequence, published_at, publisher }
        };
        found.into_iter().map(entry).collect()
    }

    #[inline(always)]
    pub(super) fn ring(&self) -> Ring<'_> {
        let first = NonNull::from(&self.buffers).cast();
        // SAFETY: as many buffers of that size lie there, each with its stamp first, borrowed as long as the ring; they
        // are in cells, and this module and `copy` access them atomically.
        unsafe { Ring::new(&self.head, &self.writers, first, size_of::<Buffer<T>>(), BUFFERS) }
    }
}

#[inline(always)]
fn value_of<T>(buffer: NonNull<u8>) -> *mut u8 {
    buffer.as_ptr().wrapping_add(offset_of!(Buffer<T>, value))
}

/// Copies what lies in a buffer: a value, or a mixture of values if it is being written.
#[inline(always)]
fn copy_value<T>(buffer: NonNull<u8>, to: &mut MaybeUninit<T>) {
    // SAFETY: buffers of this type have their value there, on a multiple of 8, and room for whole words.
    unsafe { out_of_shared(value_of::<T>(buffer), to.as_mut_ptr().cast(), size_of::<T>()) };
}

#[inline(always)]
fn publish<T>(publishing: Publishing<'_>, value: &T) -> Result<u64> {
    publishing.publish(|buffer| {
        let from = std::ptr::from_ref(value).cast();
        // SAFETY: as in `copy_value`; the lock is held, so nobody else writes.
        unsafe { into_shared(from, value_of::<T>(buffer), size_of::<T>()) };
    })
}

// A panic in `update` publishes nothing.
impl<T, const BUFFERS: usize> UnwindSafe for Published<T, BUFFERS> {}
impl<T, const BUFFERS: usize> RefUnwindSafe for Published<T, BUFFERS> {}

impl<T: ProcessSync + Copy + Send + Default, const BUFFERS: usize> Default for Published<T, BUFFERS> {
    fn default() -> Self {
        Published::with_buffers(T::default())
    }
}

impl<T: ProcessSync + Copy + Send + fmt::Debug, const BUFFERS: usize> fmt::Debug for Published<T, BUFFERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.load() {
            Ok(newest) => {
                f.debug_struct("Published").field("sequence", &newest.sequence).field("value", &newest.value).finish()
            }
            Err(error) => write!(f, "Published {{ <{error}> }}"),
        }
    }
}
