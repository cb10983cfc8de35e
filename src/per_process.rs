//! `PerProcess<T>`: cells that each count for themselves, and are merged when somebody reads.
//!
//! ```text
//! shared   | T | T | T | ... | T |     found by the thread's number; two may meet, so they change it by atomic adds
//! own      | T | T | T | ... | T |     claimed by one thread: nobody else changes it, so it may load and store
//! owners   | o | - | o | ... | - |     who has claimed which: a lock word names its owner, alive or dead
//! ```
//!
//! No cell is ever reset or emptied into another: who takes a dead one's cell adds on to what is there. So a total is
//! the sum over all cells at any time, whoever was killed at whatever instruction, and never goes backwards; and memory
//! is bounded by the cells, not by the processes that ever lived.

#![allow(unsafe_code)]

pub(crate) mod striped;

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::{MaybeUninit, offset_of};
use std::ops::Deref;
use std::sync::atomic;

use crate::lock::atomic::AtomicU32;
use crate::lock::{RawLock, owner};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};
use crate::segment::reader::ReadOnly;
use crate::sync::cells::{Claimed, claim_or_take_over};

/// What a cell of [`PerProcess`] holds, and how the cells make a whole.
///
/// `T` is changed through shared references by several threads at a time, so it is made of atomics. All-zero bytes are
/// its empty value.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use cotenant::{ProcessSync, per_process::Merge};
///
/// #[derive(ProcessSync)]
/// #[repr(C)]
/// struct Traffic {
///     requests: AtomicU64,
///     largest_bytes: AtomicU64,
/// }
///
/// impl Merge for Traffic {
///     type Total = (u64, u64);
///
///     fn merge_into(&self, (requests, largest): &mut (u64, u64)) {
///         *requests += self.requests.load(Relaxed);
///         *largest = (*largest).max(self.largest_bytes.load(Relaxed));
///     }
/// }
/// ```
pub trait Merge: ProcessSync {
    /// What all cells together are; its default is what no cells are.
    type Total: Default;

    /// Adds this cell to `total`. A reader calls it for each cell while others change it; each cell once. It must not
    /// matter in which order.
    fn merge_into(&self, total: &mut Self::Total);
}

macro_rules! sums {
    ($($atomic:ident $number:ty),*) => {$(
        /// The sum.
        impl Merge for atomic::$atomic {
            type Total = $number;

            fn merge_into(&self, total: &mut $number) {
                *total = total.wrapping_add(self.load(atomic::Ordering::Relaxed));
            }
        }
    )*};
}

sums! { AtomicU32 u32, AtomicU64 u64, AtomicUsize usize, AtomicI32 i32, AtomicI64 i64, AtomicIsize isize }

/// The sums, each for itself.
impl<T: Merge, const N: usize> Merge for [T; N]
where
    [T::Total; N]: Default,
{
    type Total = [T::Total; N];

    fn merge_into(&self, total: &mut Self::Total) {
        self.iter().zip(total).for_each(|(cell, total)| cell.merge_into(total));
    }
}

/// A cell on a cache line of its own.
#[repr(C, align(64))]
struct Line<T>(T);

// SAFETY: `T` and padding.
unsafe impl<T: ProcessSync> ProcessSync for Line<T> {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Cell",
        Kind::Struct,
        &[Part { name: "value", at: 0, doc: "", schema: Some(T::SCHEMA) }],
    );
    const ZERO_IS_VALID: bool = T::ZERO_IS_VALID;
    const IS_STABLE_LAYOUT: bool = T::IS_STABLE_LAYOUT;
}

/// A value in parts: many threads of many processes each change one, and whoever reads merges them all.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use cotenant::{per_process::PerProcess, shared};
///
/// shared! {
///     /// Bytes sent by all processes, those that have ended included.
///     static SENT: PerProcess<AtomicU64> = PerProcess::new();
/// }
///
/// SENT.local().fetch_add(1500, Relaxed);
/// assert_eq!(SENT.total(), 1500);
/// ```
///
/// `N` cells, a power of two, of at least 64 bytes each are for [`local`](PerProcess::local), and as many for
/// [`claim`](PerProcess::claim); 32 if nothing is said. More are of use where more threads run at the same time.
///
/// A process that is killed leaves what it has added; cells are never reset, and the next ones add on. In memory that
/// is not shared it works between the threads of one process.
#[repr(C)]
pub struct PerProcess<T, const N: usize = 32> {
    owners: [RawLock; N],
    /// The cell from which on owners are asked about next.
    asked: AtomicU32,
    reserved: u32,
    shared: [Line<T>; N],
    own: [Line<T>; N],
}

const _: () = assert!(offset_of!(PerProcess<u64, 32>, asked) == 256 && size_of::<PerProcess<u64, 32>>() == 320 + 4096);

// SAFETY: lock words, an index that is checked, and cells of `T`, which processes may share; there is no destructor
// unless `T` has one, which is refused where it is shared.
unsafe impl<T: ProcessSync, const N: usize> ProcessSync for PerProcess<T, N> {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "PerProcess",
        Kind::PerProcess,
        &[
            Part { name: "owners", at: 0, doc: "", schema: Some(<[u64; N]>::SCHEMA) },
            Part { name: "asked", at: offset_of!(Self, asked) as u64, doc: "", schema: Some(u32::SCHEMA) },
            Part { name: "shared", at: offset_of!(Self, shared) as u64, doc: "", schema: Some(<[Line<T>; N]>::SCHEMA) },
            Part { name: "own", at: offset_of!(Self, own) as u64, doc: "", schema: Some(<[Line<T>; N]>::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = T::ZERO_IS_VALID;
    const IS_STABLE_LAYOUT: bool = T::IS_STABLE_LAYOUT;
}

impl<T, const N: usize> PerProcess<T, N> {
    /// Where the shared cells begin; the own ones follow.
    pub(crate) const SHARED_AT: usize = offset_of!(Self, shared);
}

impl<T: ProcessSync, const N: usize> PerProcess<T, N> {
    /// All cells zero. That zero bytes are a value of `T`, and `N` a power of two, is checked while compiling.
    #[allow(clippy::new_without_default)] // As for locks: a value that is moved is a new one.
    pub const fn new() -> PerProcess<T, N> {
        const {
            assert!(T::ZERO_IS_VALID, "zero bytes are no value of this type, and cells begin as zero");
            assert!(N.is_power_of_two() && N <= 1 << 12, "the number of cells is a power of two, at most 4,096");
        }
        // SAFETY: zero is a free lock word, an index, and by the check above a `T`.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }

    /// The cell for this thread to change, of `N`. Another thread or process may be given the same one at the same
    /// time, so change it by atomic operations that add to what is there (`fetch_add`, `fetch_max`).
    ///
    /// Some loads, no system call from the second time on; right in a signal handler and in a child of a fork, before
    /// that shares anything else. Keep the reference for the one change only: threads are spread over the cells by who
    /// asks.
    #[inline]
    pub fn local(&self) -> &T {
        &self.shared[owner::thread_number() as usize % N].0
    }

    /// A cell that this thread alone changes, until the result is dropped or its process ends. Asks, if all are taken,
    /// whether their owners live (of 32 processes at most); waits for nobody. If the living have them all, the result
    /// works with [`local`](PerProcess::local).
    pub fn claim(&self) -> OwnCell<'_, T, N> {
        OwnCell { cells: self, claimed: claim_or_take_over(&self.owners, &self.asked), one_thread: PhantomData }
    }

    /// All cells, those that nobody has used included.
    pub fn cells(&self) -> impl Iterator<Item = &T> {
        self.shared.iter().chain(&self.own).map(|line| &line.0)
    }
}

impl<T: Merge, const N: usize> PerProcess<T, N> {
    /// All cells merged, while others may change them. What was added before the call is in it.
    pub fn total(&self) -> T::Total {
        let mut total = T::Total::default();
        self.cells().for_each(|cell| cell.merge_into(&mut total));
        total
    }
}

impl<T: Merge, const N: usize> ReadOnly<'_, PerProcess<T, N>> {
    /// All cells merged, as [`PerProcess::total`]. A cell is copied word by word first.
    pub fn total(&self) -> T::Total {
        let mut total = T::Total::default();
        for first in [offset_of!(PerProcess<T, N>, shared), offset_of!(PerProcess<T, N>, own)] {
            for index in 0..N {
                // SAFETY: a cell of the array that begins at `first`; a `T` is no lock, or its owner has said so.
                let cell: T = unsafe { self.part(first + index * size_of::<Line<T>>()) };
                cell.merge_into(&mut total);
            }
        }
        total
    }
}

impl<T: fmt::Debug + Merge<Total: fmt::Debug>, const N: usize> fmt::Debug for PerProcess<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerProcess").field("total", &self.total()).finish_non_exhaustive()
    }
}

/// As [`PerProcess::local`] spreads threads. For C.
#[doc(hidden)]
pub fn thread_number() -> u32 {
    owner::thread_number()
}

/// A cell of one's own, given by [`PerProcess::claim`]. Dropping it leaves the value and lets the next one have the
/// cell.
///
/// It dereferences to the cell, for atomic operations; where nobody else has the cell, [`own`](OwnCell::own) gives it
/// for plain loads and stores, which cost a fifth of an atomic addition.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// # use cotenant::per_process::PerProcess;
/// # static SENT: PerProcess<AtomicU64> = PerProcess::new();
/// let cell = SENT.claim();
/// match cell.own() {
///     Some(mine) => mine.store(mine.load(Relaxed) + 1500, Relaxed), // nobody else stores here
///     None => drop(cell.fetch_add(1500, Relaxed)),
/// }
/// assert_eq!(SENT.total(), 1500);
/// ```
///
/// It may go to another thread, but threads cannot share it. In a child of a fork the copy is not the child's: it gives
/// a shared cell there. A signal handler that interrupts a load and store on the same `OwnCell` loses what it
/// interrupts or adds; it should use [`local`](PerProcess::local). Killed, its process leaves the value; the cell goes
/// to whoever claims one when all are taken.
pub struct OwnCell<'a, T, const N: usize = 32> {
    cells: &'a PerProcess<T, N>,
    claimed: Option<Claimed>,
    /// Not `Sync`.
    one_thread: PhantomData<Cell<()>>,
}

// SAFETY: a cell may be released by any thread of the process, and is used by one at a time.
unsafe impl<T: ProcessSync, const N: usize> Send for OwnCell<'_, T, N> {}

impl<'a, T: ProcessSync, const N: usize> OwnCell<'a, T, N> {
    /// The cell, if nobody else changes it: neither another thread or process, nor this process's parent.
    #[inline]
    pub fn own(&self) -> Option<&'a T> {
        let claimed = self.claimed.as_ref()?;
        claimed.ticket.still_this_process().then(|| &self.cells.own[claimed.index as usize].0)
    }
}

impl<T: ProcessSync, const N: usize> Deref for OwnCell<'_, T, N> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.own().unwrap_or_else(|| self.cells.local())
    }
}

impl<T, const N: usize> Drop for OwnCell<'_, T, N> {
    fn drop(&mut self) {
        if let Some(claimed) = self.claimed {
            // Release pairs with the Acquire of the next one's claim: it sees the value to add on to.
            self.cells.owners[claimed.index as usize].release(claimed.ticket);
        }
    }
}

impl<T, const N: usize> fmt::Debug for OwnCell<'_, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnCell").field("is_claimed", &self.claimed.is_some()).finish_non_exhaustive()
    }
}
