//! Gauges: values that go up and down, each process's own, told as one.
//!
//! ```text
//! one for all   | value |                                          the last one who sets it is right
//! processes     | tenant, value | tenant, value | ... |            the k-th is slot k's, from 1
//! ```
//!
//! What a process says must vanish with it. So a cell carries its tenant: slot and generation, as lock words do. A
//! reader leaves out cells whose tenant is not alive; the slot's next tenant finds another name there, and begins anew.
//! Nobody cleans up, so there is no clean-up that a death could cut.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64, fence};

use crate::lock::{owner, ranges};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};
use crate::segment::reader::{ReadOnly, SegmentReader};

/// How the values of several processes make one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[non_exhaustive]
pub enum Across {
    /// There is one value for all, and it is what the last one has set. It outlives who set it.
    Last = 1,
    /// The sum over the processes that live: jobs in flight, open connections.
    Sum = 2,
    /// The smallest of the processes that live.
    Min = 3,
    /// The largest of the processes that live.
    Max = 4,
    /// A value of each process that lives, with its process id and slot as labels.
    EachProcess = 5,
}

impl Across {
    pub(crate) fn from_byte(byte: u8) -> Option<Across> {
        [Across::Last, Across::Sum, Across::Min, Across::Max, Across::EachProcess]
            .into_iter()
            .find(|across| *across as u8 == byte)
    }

    /// What the values make; `None`: there is none. Not for `EachProcess`, where it is their sum.
    pub(crate) fn merge(self, values: impl Iterator<Item = f64>) -> Option<f64> {
        values.reduce(|a, b| match self {
            Across::Min => a.min(b),
            Across::Max => a.max(b),
            _ => a + b,
        })
    }
}

/// The bits of "not set": one of the many that are no number. Stored as 0.
const UNSET: u64 = 0x7ff8_5e70_0000_0001;

/// A value as it is stored for a tenant. Two tenants store the same value differently: an exchange of what an earlier
/// one left cannot take it for what was set since.
fn encode(value: f64, tenant: u32) -> u64 {
    // A NaN is stored as the usual one.
    let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
    bits ^ unset(tenant) ^ UNSET
}

fn unset(tenant: u32) -> u64 {
    u64::from(tenant).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn decode(stored: u64, tenant: u32) -> Option<f64> {
    let bits = stored ^ unset(tenant) ^ UNSET;
    (bits != UNSET).then(|| f64::from_bits(bits))
}

/// Which of the cells is a tenant's. Slots are counted from 1; memory of no segment has the first cell.
fn place_of(tenant: u32) -> u32 {
    (tenant >> 20).saturating_sub(1)
}

/// Adds to a stored value; one that is not set counts as 0. In memory that a few processes share, so it ends.
fn add(word: &AtomicU64, tenant: u32, number: f64) {
    let mut seen = word.load(Relaxed);
    loop {
        let sum = decode(seen, tenant).unwrap_or(0.0) + number;
        match word.compare_exchange_weak(seen, encode(sum, tenant), Release, Relaxed) {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}

/// Where a gauge lies: one word, or a cell of two for each slot.
#[derive(Clone, Copy)]
pub(crate) struct GaugeWords<'a> {
    pub(crate) across: Across,
    first: NonNull<AtomicU64>,
    /// From one slot's cell to the next, in words.
    stride: usize,
    slots: u32,
    /// Counts what could not be stored.
    missed: &'a AtomicU64,
    lifetime: PhantomData<&'a AtomicU64>,
}

// SAFETY: all access goes through atomics.
unsafe impl Send for GaugeWords<'_> {}
// SAFETY: as above.
unsafe impl Sync for GaugeWords<'_> {}

/// What a process has set.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Held {
    /// Slot and generation, as the high half of a lock word; 0 in memory of no segment.
    pub(crate) tenant: u32,
    pub(crate) value: f64,
}

impl Held {
    /// Of the words in the cell `place`: any bytes may stand there.
    fn of(tenant: u64, value: u64, place: u32) -> Option<Held> {
        let tenant = u32::try_from(tenant).ok().filter(|tenant| place_of(*tenant) == place)?;
        Some(Held { tenant, value: decode(value, tenant)? })
    }
}

impl<'a> GaugeWords<'a> {
    /// # Safety
    /// For `Last` a word lies at `first`, else two every `stride` words, `slots` times: mapped for `'a`, aligned, only
    /// ever used as atomics.
    pub(crate) unsafe fn new(
        across: Across,
        first: NonNull<AtomicU64>,
        (stride, slots): (usize, u32),
        missed: &'a AtomicU64,
    ) -> GaugeWords<'a> {
        GaugeWords { across, first, stride, slots, missed, lifetime: PhantomData }
    }

    fn word(&self, at: usize) -> &'a AtomicU64 {
        // SAFETY: 0, or a word of a cell: see the callers.
        let address = unsafe { self.first.add(at) };
        // SAFETY: mapped for `'a`, by the promise of `new`.
        unsafe { address.as_ref() }
    }

    /// This process's cell; `None`: it has no slot, or one that there is no cell for.
    fn mine(&self) -> Option<(u32, &'a AtomicU64)> {
        let tenant = owner::tenant(self.word(0))?;
        let place = place_of(tenant);
        if place >= self.slots {
            return None;
        }
        let (name, value) = (self.word(place as usize * self.stride), self.word(place as usize * self.stride + 1));
        if name.load(Relaxed) != u64::from(tenant) {
            // The slot is ours, so only threads and signal handlers of this process come here. Each may be interrupted
            // between these steps by another that does them all, and sets a value: the exchange fails then.
            // Killed between them: the cell has a dead tenant's name, or ours and no value; neither is told.
            // Acquire pairs with the Release of `set` and `add`: who sees their value sees the name before it.
            let left = value.load(Acquire);
            if name.load(Acquire) != u64::from(tenant) {
                let _ = value.compare_exchange(left, unset(tenant), Relaxed, Relaxed);
                // Release pairs with the Acquire in `held`: who sees the name does not see the value before.
                name.store(tenant.into(), Release);
            }
        }
        Some((tenant, value))
    }

    pub(crate) fn set(&self, value: f64) {
        match self.across {
            Across::Last => self.word(0).store(encode(value, 0), Relaxed),
            _ => match self.mine() {
                Some((tenant, word)) => word.store(encode(value, tenant), Release),
                None => self.miss(),
            },
        }
    }

    pub(crate) fn add(&self, number: f64) {
        match self.across {
            Across::Last => add(self.word(0), 0, number),
            _ => match self.mine() {
                Some((tenant, word)) => add(word, tenant, number),
                None => self.miss(),
            },
        }
    }

    #[cold]
    fn miss(&self) {
        self.missed.fetch_add(1, Relaxed);
    }

    /// The one value of `Last`, if it was set.
    pub(crate) fn last(&self) -> Option<f64> {
        decode(self.word(0).load(Relaxed), 0)
    }

    /// What processes have set, the dead included.
    pub(crate) fn held(self) -> impl Iterator<Item = Held> + use<'a> {
        (0..self.slots).filter_map(move |place| {
            let at = place as usize * self.stride;
            // Acquire pairs with the Release in `mine`.
            let tenant = self.word(at).load(Acquire);
            Held::of(tenant, self.word(at + 1).load(Relaxed), place)
        })
    }

    /// What processes have set that live.
    pub(crate) fn of_the_living(self) -> impl Iterator<Item = Held> + use<'a> {
        let place = self.word(0);
        self.held().filter(move |held| held.tenant == 0 || !ranges::is_dead(place, held.tenant, false))
    }

    pub(crate) fn value(&self) -> Option<f64> {
        match self.across {
            Across::Last => self.last(),
            across => across.merge(self.of_the_living().map(|held| held.value)),
        }
    }
}

/// A cell for each process, on a cache line of its own.
#[repr(C, align(64))]
struct Cell([AtomicU64; 2]);

// SAFETY: two atomics and padding.
unsafe impl ProcessSync for Cell {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Cell",
        Kind::Struct,
        &[
            Part { name: "tenant", at: 0, doc: "", schema: Some(AtomicU64::SCHEMA) },
            Part { name: "value", at: 8, doc: "", schema: Some(AtomicU64::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

/// A number that goes up and down, told as one for all processes: [`Across`] says how.
///
/// ```
/// use cotenant::{metrics::{Across, Gauge}, shared};
///
/// shared! {
///     /// Requests being served.
///     static IN_FLIGHT: Gauge = Gauge::new(Across::Sum);
/// }
///
/// IN_FLIGHT.add(1.0);
/// assert_eq!(IN_FLIGHT.value(), Some(1.0));
/// IN_FLIGHT.add(-1.0);
/// ```
///
/// Except of [`Across::Last`], each process has a value of its own, which its threads share, and which is left out from
/// the moment that it is dead: a worker that is killed with ten requests in flight has none any more. The value of a
/// child of a fork is its own, not set at first.
///
/// There are cells of 64 bytes for the slots up to `N`, which is a multiple of 64: slots of killed processes are given
/// out again when a page of 64 is used up, so that with `N` processes at a time none has a higher slot (pages of 4 KiB;
/// kernels with larger ones use up more). What one with a higher
/// slot sets is not kept, and counted: [`missed`](Gauge::missed).
#[repr(C)]
pub struct Gauge<const N: usize = 256> {
    across: AtomicU32,
    reserved: u32,
    missed: AtomicU64,
    last: AtomicU64,
    processes: [Cell; N],
}

const _: () = assert!(size_of::<Gauge<64>>() == 64 + 64 * 64);

// SAFETY: atomics; what they hold is checked by who reads it.
unsafe impl<const N: usize> ProcessSync for Gauge<N> {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Gauge",
        Kind::Gauge,
        &[
            Part { name: "across", at: 0, doc: "", schema: Some(u32::SCHEMA) },
            Part { name: "missed", at: 8, doc: "", schema: Some(AtomicU64::SCHEMA) },
            Part { name: "last", at: 16, doc: "", schema: Some(AtomicU64::SCHEMA) },
            Part { name: "processes", at: 64, doc: "", schema: Some(<[Cell; N]>::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

impl<const N: usize> Gauge<N> {
    /// Not set.
    pub const fn new(across: Across) -> Gauge<N> {
        const { assert!(N > 0 && N % 64 == 0, "a gauge has a multiple of 64 cells") };
        Gauge {
            across: AtomicU32::new(across as u32),
            reserved: 0,
            missed: AtomicU64::new(0),
            last: AtomicU64::new(0),
            processes: [const { Cell([AtomicU64::new(0), AtomicU64::new(0)]) }; N],
        }
    }

    /// How the values of several processes make one.
    pub fn across(&self) -> Across {
        // Shared bytes: a zeroed gauge, or damage, is the simplest one.
        u8::try_from(self.across.load(Relaxed)).ok().and_then(Across::from_byte).unwrap_or(Across::Last)
    }

    /// Sets this process's value (of [`Across::Last`], the value). In a child of a fork, the first call takes a slot:
    /// some ten system calls. For signal handlers, too.
    pub fn set(&self, value: f64) {
        self.words().set(value);
    }

    /// Adds to this process's value (of [`Across::Last`], to the value); not set counts as 0. As [`set`](Gauge::set) in
    /// all else.
    pub fn add(&self, number: f64) {
        self.words().add(number);
    }

    /// The value, of the processes that live; `None`: none of them has set it. Asks the system about each.
    /// For [`Across::EachProcess`] the sum.
    pub fn value(&self) -> Option<f64> {
        self.words().value()
    }

    /// How often a value was not kept because its process has a slot above `N`.
    pub fn missed(&self) -> u64 {
        self.missed.load(Relaxed)
    }

    pub(crate) fn words(&self) -> GaugeWords<'_> {
        let across = self.across();
        let at = if across == Across::Last { 2 } else { std::mem::offset_of!(Self, processes) / 8 };
        // SAFETY: inside `self`.
        let first = unsafe { NonNull::from(self).cast::<AtomicU64>().add(at) };
        // SAFETY: `last`, or `N` cells of 64 bytes.
        unsafe { GaugeWords::new(across, first, (8, N as u32), &self.missed) }
    }
}

impl<const N: usize> ReadOnly<'_, Gauge<N>> {
    /// The value of an [`Across::Last`] gauge; `None` if it was not set, and of all others: see
    /// [`value`](ReadOnly::value).
    pub fn last(&self) -> Option<f64> {
        let (across, last) = self.head();
        decode(last, 0).filter(|_| across == Some(Across::Last))
    }

    /// As [`Gauge::value`], of a gauge of that reader's segment. Asks the system who lives, as
    /// [`SegmentReader::metrics`] does.
    pub fn value(&self, reader: &SegmentReader) -> Option<f64> {
        let across = match self.head() {
            (Some(Across::Last) | None, _) => return self.last(),
            (Some(across), _) => across,
        };
        let living = reader.living();
        let held = (0..N).filter_map(|place| {
            let at = std::mem::offset_of!(Gauge<N>, processes) + place * size_of::<Cell>();
            // SAFETY: a cell's first word.
            let tenant = unsafe { self.part::<u64>(at) };
            // Acquire pairs with the Release in `mine`, as in `held`.
            fence(Acquire);
            // SAFETY: its second word.
            let value = unsafe { self.part::<u64>(at + 8) };
            Held::of(tenant, value, place as u32)
        });
        across.merge(held.filter(|held| living(held.tenant).is_some()).map(|held| held.value))
    }

    /// How the values make one, and the word of the last.
    fn head(&self) -> (Option<Across>, u64) {
        // SAFETY: a gauge holds no lock, and a copy of these words is what they are.
        let [across, _, last] = unsafe { self.part::<[u64; 3]>(0) };
        (u8::try_from(across as u32).ok().and_then(Across::from_byte), last)
    }
}

impl<const N: usize> fmt::Debug for Gauge<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauge").field("across", &self.across()).field("value", &self.value()).finish()
    }
}

/// A gauge in a [`Metrics`](super::Metrics), found by its name and labels. As [`Gauge`] in all else.
#[derive(Clone, Copy)]
pub struct NamedGauge<'a> {
    words: GaugeWords<'a>,
}

impl<'a> NamedGauge<'a> {
    pub(super) fn new(words: GaugeWords<'a>) -> NamedGauge<'a> {
        NamedGauge { words }
    }

    /// How the values of several processes make one.
    pub fn across(&self) -> Across {
        self.words.across
    }

    /// Sets this process's value (of [`Across::Last`], the value).
    pub fn set(&self, value: f64) {
        self.words.set(value);
    }

    /// Adds to this process's value (of [`Across::Last`], to the value); not set counts as 0.
    pub fn add(&self, number: f64) {
        self.words.add(number);
    }

    /// The value, of the processes that live; `None`: none of them has set it. Asks the system about each.
    pub fn value(&self) -> Option<f64> {
        self.words.value()
    }
}

impl fmt::Debug for NamedGauge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedGauge").field("across", &self.across()).field("value", &self.value()).finish()
    }
}
