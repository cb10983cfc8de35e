//! Who this thread is to a lock at a given address: slot, generation and thread id, found in a few loads.
//!
//! ```text
//! thread-local: epoch, thread id, last range, pointer to its owner word
//!                                                         |
//!                       MADV_WIPEONFORK page:  epoch | slot, generation     one word for each attached segment
//! ```
//!
//! A child of any kind of fork finds zeros in the page, and so takes the slow way: a slot and a thread id of its own.
//! The epoch tells a thread whose thread-local memory was copied by a fork that its thread id is its parent's; a new
//! epoch is also begun when a range is attached, so that nobody goes on with "this address is private".

#![allow(unsafe_code)]

use std::cell::Cell;
use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64};

use super::attached::Attached;
use super::mapping::{Mapping, page_bytes};
use super::process;
use crate::error::Result;

/// Addresses that are shared, and with whom.
pub(crate) struct Range {
    start: usize,
    bytes: usize,
    segment: &'static Attached,
    next: *const Range,
}

// SAFETY: immutable after publication; `next` points to a leaked value of the same kind.
unsafe impl Sync for Range {}

static RANGES: AtomicPtr<Range> = AtomicPtr::new(null_mut());
/// The page of owner words in use. The first word of the first one is the process's own and carries only the epoch.
static OWNER_WORDS: AtomicPtr<AtomicU64> = AtomicPtr::new(null_mut());
/// Words handed out from the current page.
static OWNER_WORDS_USED: AtomicU32 = AtomicU32::new(0);
/// The process's own word: the first of the first page.
static PROCESS_WORD: AtomicPtr<AtomicU64> = AtomicPtr::new(null_mut());
/// Epochs begun by this process and its forebears; ordinary memory, so a child goes on counting.
static EPOCHS: AtomicU32 = AtomicU32::new(0);
static NO_WORD: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy)]
struct Me {
    epoch: u32,
    thread_id: u32,
    start: usize,
    bytes: usize,
    owner: *const AtomicU64,
}

impl Me {
    const NOBODY: Me = Me { epoch: 0, thread_id: 0, start: 0, bytes: 0, owner: &raw const NO_WORD };
}

thread_local! {
    static ME: Cell<Me> = const { Cell::new(Me::NOBODY) };
}

/// This thread's owner word for a lock at `address`: slot and generation in the high half (0: memory that no segment
/// of ours holds), thread id in the low half.
#[inline]
pub(crate) fn mine(address: usize) -> Result<u64> {
    match remembered(address) {
        Some(mine) => Ok(mine),
        None => mine_slow(address),
    }
}

/// As [`mine`], but `None` instead of taking a slot: for asking "is this lock mine", which it is not without one.
#[inline]
pub(crate) fn mine_if_known(address: usize) -> Option<u64> {
    remembered(address).or_else(|| match segment_at(address) {
        Some(segment) if segment.slot() == 0 => None,
        _ => mine_slow(address).ok(),
    })
}

/// The answer for the range that this thread asked about last, if it still holds in this process and epoch.
#[inline]
fn remembered(address: usize) -> Option<u64> {
    let me = ME.get();
    if address.wrapping_sub(me.start) >= me.bytes {
        return None;
    }
    // SAFETY: points to `NO_WORD` or into a page of owner words, which is never unmapped.
    let word = unsafe { &*me.owner }.load(Relaxed);
    ((word >> 32) as u32 == me.epoch).then_some(word << 32 | u64::from(me.thread_id))
}

#[cold]
fn mine_slow(address: usize) -> Result<u64> {
    let process_word = process_word();
    let epoch = epoch(process_word);
    let mut me = ME.get();
    if me.epoch != epoch {
        me.thread_id = process::thread_id();
        me.epoch = epoch;
    }
    match find(address) {
        Some(range) => {
            process::watch_for_end_before_locking();
            range.segment.ensure_slot(epoch)?;
            range.segment.tell_pid_namespace();
            (me.start, me.bytes, me.owner) = (range.start, range.bytes, range.segment.owner());
        }
        None => (me.start, me.bytes, me.owner) = (address, 1, process_word),
    }
    ME.set(me);
    // SAFETY: as in `remembered`.
    let word = unsafe { &*me.owner }.load(Relaxed);
    Ok(word << 32 | u64::from(me.thread_id))
}

/// The segment that holds `address`, if one does.
pub(crate) fn segment_at(address: usize) -> Option<&'static Attached> {
    find(address).map(|range| range.segment)
}

fn find(address: usize) -> Option<&'static Range> {
    // Acquire pairs with the Release in `publish`.
    let mut next = RANGES.load(Acquire).cast_const();
    loop {
        // SAFETY: ranges are leaked and never changed after they were published.
        let range = unsafe { next.as_ref() }?;
        if address.wrapping_sub(range.start) < range.bytes {
            return Some(range);
        }
        next = range.next;
    }
}

/// Makes a range known, and every thread look again.
pub(crate) fn publish(start: usize, bytes: usize, segment: &'static Attached) {
    let range = Box::leak(Box::new(Range { start, bytes, segment, next: std::ptr::null() }));
    let mut head = RANGES.load(Relaxed);
    loop {
        range.next = head;
        match RANGES.compare_exchange_weak(head, range, Release, Relaxed) {
            Ok(_) => break,
            Err(now) => head = now,
        }
    }
    // A thread that read "private" before sees another epoch at its next lock.
    process_word().store(0, Release);
}

/// [`epoch`] of this process.
pub(crate) fn current_epoch() -> u32 {
    epoch(process_word())
}

/// The current epoch; begins one in a fresh process, in a child of a fork, and after `publish`.
fn epoch(process_word: &AtomicU64) -> u32 {
    let now = process_word.load(Acquire);
    if now != 0 {
        return (now >> 32) as u32;
    }
    let fresh = EPOCHS.fetch_add(1, AcqRel).wrapping_add(1).max(1);
    match process_word.compare_exchange(0, u64::from(fresh) << 32, AcqRel, Acquire) {
        Ok(_) => fresh,
        Err(theirs) => (theirs >> 32) as u32,
    }
}

fn process_word() -> &'static AtomicU64 {
    let word = PROCESS_WORD.load(Acquire);
    // SAFETY: set once, to a word of a page that is never unmapped.
    if let Some(word) = unsafe { word.as_ref() } {
        return word;
    }
    // Without the page (a kernel before 4.14, no memory) forks go unnoticed by locks in private memory only: no
    // segment is attached then, because `new_owner_word` fails too.
    let page = new_page();
    let fresh = match &page {
        Ok(page) => *page,
        Err(_) => std::ptr::from_ref(Box::leak(Box::new(AtomicU64::new(0)))).cast_mut(),
    };
    let word = match PROCESS_WORD.compare_exchange(null_mut(), fresh, AcqRel, Acquire) {
        Ok(_) => fresh,
        Err(theirs) => theirs,
    };
    if word == fresh && page.is_ok() {
        OWNER_WORDS_USED.store(1, Relaxed);
        OWNER_WORDS.store(fresh, Release);
    }
    // SAFETY: never unmapped or freed.
    unsafe { &*word }
}

fn new_page() -> io::Result<*mut AtomicU64> {
    let page = Mapping::wiped_on_fork(page_bytes())?;
    let base: NonNull<AtomicU64> = page.base().cast();
    std::mem::forget(page); // Threads keep pointers into it.
    Ok(base.as_ptr())
}

/// A word for one more segment. Called under the lock of `image::attach` only.
pub(crate) fn new_owner_word() -> io::Result<&'static AtomicU64> {
    process_word();
    let words_in_page = (page_bytes() / 8) as u32;
    let mut used = OWNER_WORDS_USED.load(Relaxed);
    if OWNER_WORDS.load(Acquire).is_null() || used >= words_in_page {
        OWNER_WORDS.store(new_page()?, Relaxed);
        used = 0;
    }
    OWNER_WORDS_USED.store(used + 1, Relaxed);
    let word = OWNER_WORDS.load(Relaxed).wrapping_add(used as usize);
    // SAFETY: inside the page, which is never unmapped.
    Ok(unsafe { &*word })
}
