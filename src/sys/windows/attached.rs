//! A segment that this process is attached to, and which addresses lie in one.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU32};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::file_mapping::FileMapping;
use super::kernel_mutex::KernelMutex;
use super::participants::{self, OwnerHalf};
use super::raw_lock;
use crate::attachment::Participant;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::Header;
use crate::segment::live::Live;

/// What the process keeps of an attached segment. It lives as long as the process, or until its image is unloaded.
pub(crate) struct Attached {
    pub(crate) path: String,
    pub(crate) created: bool,
    pub(crate) live: Live,
    /// What the names of the segment's kernel objects begin with.
    objects: String,
    /// As in [`OwnerHalf`]; 0 after `detach`.
    owner: AtomicU32,
    /// Where a lock's place is counted from.
    base: usize,
    /// Keeps the view and the name; `None` for the section of the image.
    mapping: Mutex<Option<FileMapping>>,
    mutexes: Mutex<BTreeMap<usize, Arc<KernelMutex>>>,
    header: OnceLock<Header>,
}

/// Addresses that are shared, and with whom.
pub(crate) struct Range {
    start: usize,
    bytes: usize,
    pub(crate) segment: &'static Attached,
    next: *const Range,
}

// SAFETY: immutable after publication; `next` points to a leaked value of the same kind.
unsafe impl Sync for Range {}

static RANGES: AtomicPtr<Range> = AtomicPtr::new(null_mut());

impl Attached {
    pub(crate) fn new(
        names: (String, String),
        live: Live,
        (owner, created): (OwnerHalf, bool),
        base: usize,
        mapping: Option<FileMapping>,
    ) -> Attached {
        let (path, objects) = names;
        let mutexes = Mutex::new(BTreeMap::new());
        let (owner, mapping) = (AtomicU32::new(owner.0), Mutex::new(mapping));
        Attached { path, created, live, objects, owner, base, mapping, mutexes, header: OnceLock::new() }
    }

    /// The segment's first byte.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.live.base()
    }

    pub(crate) fn live(&self) -> Live {
        self.live
    }

    /// A copy of the fixed fields; of segments of objects only.
    pub(crate) fn header(&self) -> &Header {
        self.header.get_or_init(|| unreachable!("{} is no segment of objects", self.path))
    }

    /// Makes sure that there is memory behind the `bytes` bytes at `at`, counted from the first byte of the segment.
    pub(crate) fn reserve(&self, _at: u64, _bytes: u64) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "segments of objects are not to be had on Windows yet"))
    }

    /// As [`Attached::reserve`], counted from the start of the data.
    pub(crate) fn reserve_data(&self, at: u64, bytes: u64) -> Result<()> {
        self.reserve(at, bytes)
    }

    pub(crate) fn owner(&self) -> OwnerHalf {
        OwnerHalf(self.owner.load(Relaxed))
    }

    /// This process's slot number.
    pub(crate) fn slot(&self) -> u32 {
        self.owner().slot()
    }

    /// Whether the owner that a lock word names in its high half is dead; counts deaths.
    pub(crate) fn owner_is_dead(&self, owner_half: u32) -> bool {
        let is_dead = participants::is_dead(self.live, OwnerHalf(owner_half));
        if is_dead {
            self.live.deaths().fetch_add(1, Relaxed);
        }
        is_dead
    }

    /// Process id and program of an owner, if its slot has no later tenant.
    pub(crate) fn describe_owner(&self, owner: OwnerHalf) -> Option<(u32, String)> {
        participants::describe(self.live, owner)
    }

    /// Never: a name lives as long as the object, and the object as long as this process has it open.
    pub(crate) fn is_unlinked(&self) -> bool {
        false
    }

    /// The participants that live now.
    pub(crate) fn participants(&self) -> Vec<Participant> {
        participants::list(self.live)
    }

    /// The process is ending: liveness is the process's own here, there is no hint to clear.
    pub(crate) fn announce_end(&self) {}

    /// Gives the slot back: the image that holds the blocks is being unloaded, and nobody uses its values any more.
    pub(crate) fn detach(&self) {
        let owner = OwnerHalf(self.owner.swap(0, Relaxed));
        if owner.slot() == 0 {
            return;
        }
        participants::give_back(self.live, owner);
        self.mutexes.lock().unwrap_or_else(PoisonError::into_inner).clear();
        drop(self.mapping.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Range {
    /// The kernel's mutex of the lock at `address`, opened once.
    pub(crate) fn mutex(&self, address: usize) -> Result<Arc<KernelMutex>> {
        let mut mutexes = self.segment.mutexes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mutex) = mutexes.get(&address) {
            return Ok(mutex.clone());
        }
        let at = address.wrapping_sub(self.segment.base);
        let mutex = Arc::new(raw_lock::open_mutex(&self.segment.objects, at)?);
        mutexes.insert(address, mutex.clone());
        Ok(mutex)
    }
}

/// The range that holds `address`, if one does.
pub(crate) fn range_at(address: usize) -> Option<&'static Range> {
    ranges().find(|range| address.wrapping_sub(range.start) < range.bytes)
}

fn ranges() -> impl Iterator<Item = &'static Range> {
    // SAFETY: ranges are leaked and never changed after they were published.
    let at = |range: *const Range| unsafe { range.as_ref() };
    // Acquire pairs with the Release in `publish`.
    std::iter::successors(at(RANGES.load(Acquire)), move |range| at(range.next))
}

/// Makes a range known. Called before anybody gets an address in it.
pub(crate) fn publish(start: usize, bytes: usize, segment: &'static Attached) {
    let range = Box::leak(Box::new(Range { start, bytes, segment, next: std::ptr::null() }));
    let mut head = RANGES.load(Relaxed);
    loop {
        range.next = head;
        match RANGES.compare_exchange_weak(head, range, Release, Relaxed) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}

/// Detaches every segment of this image.
pub(crate) fn detach_all() {
    for range in ranges() {
        range.segment.detach();
    }
}
