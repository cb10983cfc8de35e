//! Who this thread is to a lock word: slot, generation and thread id, found in a few loads.
//!
//! ```text
//! thread-local: address range, owner word and the value seen there, robust list head
//!                                  |
//!          MADV_WIPEONFORK page:  epoch | slot, generation     one word for each attached segment
//! ```
//!
//! A child of any kind of fork finds zeros in the page, and so takes the slow way: a slot and a thread id of its own.
//! The epoch tells a thread whose thread-local memory was copied by a fork that its thread id is its parent's; a new
//! epoch is also begun when a range is published or withdrawn, so that nobody goes on with "this address is private",
//! or with the owner word of a segment that is gone.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, fence};

use super::mapping::{Mapping, page_bytes};
use super::thread_cell::own_cell;
use super::{process, robust};
use crate::error::Error;
use crate::sys::ranges;

/// Owner words of one page: those in use have their bit set.
struct WordPage {
    base: NonNull<AtomicU64>,
    used: [AtomicU64; WORDS_IN_PAGE / 64],
    next: AtomicPtr<WordPage>,
}

/// Words that are handed out of each page.
const WORDS_IN_PAGE: usize = 512;

static WORD_PAGES: AtomicPtr<WordPage> = AtomicPtr::new(null_mut());
/// The process's own word, the first of the first page: it carries only the epoch.
static PROCESS_WORD: AtomicPtr<AtomicU64> = AtomicPtr::new(null_mut());
/// Epochs begun by this process and its forebears; ordinary memory, so a child goes on counting.
static EPOCHS: AtomicU32 = AtomicU32::new(0);
static NO_WORD: AtomicU64 = AtomicU64::new(0);

/// Who this thread is to the locks in one range of addresses.
#[derive(Clone, Copy)]
pub(crate) struct Mine {
    /// Slot and generation in the high half (0: memory that no segment of ours holds), thread id in the low half.
    word: u64,
    /// Slot and generation of this process; zero in a child of a fork until it has its own. Never null or dangling; a
    /// reference would make of every `Option<Mine>` a question whether it is null.
    owner: *const AtomicU64,
    robust: robust::Head,
}

/// What a thread remembers of a range that it asked about.
#[derive(Clone, Copy)]
struct Known {
    start: usize,
    bytes: usize,
    /// What `mine.owner` held: it holds only while this is the same process and epoch.
    owner_value: u64,
    mine: Mine,
}

#[derive(Clone, Copy)]
struct Me {
    last: Known,
    /// The one before: a thread goes to and fro between two segments, or a segment and private memory.
    other: Known,
    epoch: u32,
    thread_id: u32,
    robust: robust::Head,
}

impl Known {
    const NONE: Known = Known {
        start: 0,
        bytes: 0,
        owner_value: 0,
        mine: Mine { word: 0, owner: &raw const NO_WORD, robust: robust::Head::OFF },
    };

    #[inline(always)]
    fn holds(&self, address: usize) -> bool {
        address.wrapping_sub(self.start) < self.bytes && self.mine.owner().load(Relaxed) == self.owner_value
    }
}

impl Me {
    const NOBODY: Me = Me { last: Known::NONE, other: Known::NONE, epoch: 0, thread_id: 0, robust: robust::Head::OFF };
}

// All zero is nobody, too: a range of no bytes, of which nothing is followed.
own_cell!(fn own() -> Me = Me::NOBODY);

impl Mine {
    /// The word that names this thread.
    #[inline(always)]
    pub(crate) fn word(self) -> u64 {
        self.word
    }

    /// Whether this is the process that the value was made in, and not a child of its forks. In private memory always:
    /// a fork copies the lock together with the guard.
    #[inline(always)]
    pub(crate) fn still_this_process(self) -> bool {
        self.owner().load(Relaxed) as u32 == (self.word >> 32) as u32
    }

    #[inline(always)]
    fn owner(&self) -> &AtomicU64 {
        // SAFETY: a static, or a word of a page that is never unmapped.
        unsafe { &*self.owner }
    }

    /// Has the kernel look after `word`, which this thread is about to take. `false`: it does not.
    #[inline(always)]
    pub(crate) fn announce(self, word: &AtomicU64) -> bool {
        self.robust.announce(word)
    }

    /// Ends what `announce` began, if the kernel still looks after `word`.
    #[inline(always)]
    pub(crate) fn withdraw(self, word: &AtomicU64) {
        self.robust.withdraw(word);
    }

    /// For a word that the kernel does not look after: the value may go to another thread then.
    pub(crate) fn unannounced(self) -> Mine {
        Mine { robust: robust::Head::OFF, ..self }
    }

    /// For a word that another thread of this process took.
    pub(crate) fn with_word(self, word: u64) -> Mine {
        Mine { word, ..self }
    }
}

/// Who this thread is to the lock at `word`, if that is what it asked last.
#[inline(always)]
pub(crate) fn remembered(word: &AtomicU64) -> Option<Mine> {
    let last = own().get().last;
    last.holds(std::ptr::from_ref(word) as usize).then_some(last.mine)
}

/// Who this thread is to the lock at `word`. Takes a slot of the segment if this process has none yet.
#[inline]
pub(crate) fn mine(word: &AtomicU64) -> Result<Mine, Box<Error>> {
    let address = std::ptr::from_ref(word) as usize;
    if !own().get().last.holds(address) {
        look_again(address)?;
    }
    Ok(own().get().last.mine)
}

/// Has what this thread remembers be about `address`.
#[cold]
#[inline(never)]
fn look_again(address: usize) -> Result<(), Box<Error>> {
    let mut me = own().get();
    std::mem::swap(&mut me.last, &mut me.other);
    if !me.last.holds(address) {
        let process_word = process_word();
        let epoch = epoch(process_word);
        if me.epoch != epoch {
            let thread_id = process::thread_id();
            if me.thread_id != 0 && me.thread_id != thread_id {
                me.robust.forget();
            }
            me.robust = robust::of_this_thread();
            (me.epoch, me.thread_id) = (epoch, thread_id);
        }
        me.last = ask(address, process_word, epoch, &me)?;
    }
    own().set(me);
    Ok(())
}

fn ask(address: usize, process_word: &'static AtomicU64, epoch: u32, me: &Me) -> Result<Known, Error> {
    let (start, bytes, owner, owner_value, robust) = match ranges::find(address) {
        Some(range) => {
            process::watch_for_end_before_locking();
            // SAFETY: the caller borrows the lock at `address`, which lies in the segment.
            let segment = unsafe { range.segment() };
            segment.ensure_slot(epoch)?;
            segment.tell_pid_namespace();
            // Before any lock word that names the slot: pairs with the Acquire fence in `slot::is_dead`.
            fence(Release);
            // Who cannot say which its PID namespace is could be taken for another's owner: see `kernel_is_right`.
            let robust = if process::pid_namespace() == 0 { robust::Head::OFF } else { me.robust };
            (range.start, range.bytes, segment.owner(), segment.owner().load(Relaxed), robust)
        }
        // The kernel need not look after what dies with the process. Remembered for the epoch that was read before the
        // look: another thread may publish the range meanwhile, and with it begin another one.
        None => (address, 1, process_word, u64::from(epoch) << 32, robust::Head::OFF),
    };
    let mine = Mine { word: owner_value << 32 | u64::from(me.thread_id), owner, robust };
    Ok(Known { start, bytes, owner_value, mine })
}

/// A thread ends: it may have leaked a guard, which its process keeps.
pub(super) fn forget_robust_list() {
    own().set(Me::NOBODY);
}

/// A number that threads which run at the same time, of whatever process, rarely share: for spreading them over cells.
/// A child of a fork has another one than its parent. Only loads from the second time on; for signal handlers, too.
#[inline]
pub(crate) fn thread_number() -> u32 {
    thread_local! {
        /// The epoch in which it was asked for, and the number. No epoch has the initial one.
        static NUMBER: Cell<u64> = const { Cell::new(u64::MAX) };
    }
    // SAFETY: null, or a word of a page that is never unmapped. Null: nothing is shared, so forks do not matter.
    let epoch = unsafe { PROCESS_WORD.load(Acquire).as_ref() }.map_or(0, |word| word.load(Relaxed) >> 32);
    let known = NUMBER.get();
    if known >> 32 == epoch { known as u32 } else { NUMBER.with(ask_thread_number) }
}

#[cold]
fn ask_thread_number(remembered: &Cell<u64>) -> u32 {
    let epoch = if PROCESS_WORD.load(Acquire).is_null() { 0 } else { current_epoch() };
    // Ids of threads that were started together follow one another; those of two PID namespaces would coincide.
    let namespace = (process::pid_namespace() as u32).wrapping_mul(0x9e37_79b1) >> 16;
    let number = process::thread_id().wrapping_add(namespace);
    remembered.set(u64::from(epoch) << 32 | u64::from(number));
    number
}

/// This process in the segment that holds `place`: slot and generation, as in the high half of a lock word; 0 in memory
/// of no segment. Takes a slot if there is none yet (in a child of a fork); `None`: there is none to be had. Remembers
/// nothing of the thread, so a signal handler may ask in the middle of a lock's asking.
pub(crate) fn tenant<T>(place: &T) -> Option<u32> {
    let Some(segment) = ranges::segment_at(place) else { return Some(0) };
    if segment.owner().load(Acquire) as u32 == 0 {
        segment.ensure_slot(current_epoch()).ok()?;
    }
    segment.tell_pid_namespace();
    // Before any store that names the slot: pairs with the Acquire fence in `slot::is_dead`.
    fence(Release);
    Some(segment.owner().load(Acquire) as u32).filter(|half| *half != 0)
}

/// [`epoch`] of this process.
pub(crate) fn current_epoch() -> u32 {
    epoch(process_word())
}

/// Makes every thread of this process look again, at its next lock, who it is.
pub(crate) fn begin_epoch() {
    robust::prepare();
    process_word().store(0, Release);
}

/// Switches the kernel's robust list off or on for locks taken from here on, to measure what it is worth.
#[doc(hidden)]
#[allow(unreachable_pub)] // `__private` exports it.
pub fn use_robust_list(on: bool) {
    robust::switch(on);
    begin_epoch();
}

/// The current epoch; begins one in a fresh process, in a child of a fork, and after `begin_epoch`.
fn epoch(process_word: &AtomicU64) -> u32 {
    let known = process_word.load(Acquire);
    if known != 0 {
        return (known >> 32) as u32;
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
    let fresh = new_owner_word().unwrap_or_else(|_| Box::leak(Box::new(AtomicU64::new(0))));
    match PROCESS_WORD.compare_exchange(null_mut(), std::ptr::from_ref(fresh).cast_mut(), AcqRel, Acquire) {
        Ok(_) => fresh,
        Err(theirs) => {
            give_back_owner_word(fresh);
            // SAFETY: as above.
            unsafe { &*theirs }
        }
    }
}

fn word_pages() -> impl Iterator<Item = &'static WordPage> {
    // SAFETY: null, or a leaked value.
    let at = |page: *mut WordPage| unsafe { page.as_ref() };
    // Acquire pairs with the Release in `new_owner_word`.
    std::iter::successors(at(WORD_PAGES.load(Acquire)), move |page| at(page.next.load(Relaxed)))
}

/// A word, zero, for one more segment: see [`give_back_owner_word`].
pub(crate) fn new_owner_word() -> io::Result<&'static AtomicU64> {
    loop {
        if let Some(word) = word_pages().find_map(WordPage::claim) {
            return Ok(word);
        }
        let page = Mapping::wiped_on_fork(page_bytes())?;
        let base: NonNull<AtomicU64> = page.base().cast();
        std::mem::forget(page); // Threads keep pointers into it.
        let used = [const { AtomicU64::new(0) }; WORDS_IN_PAGE / 64];
        let page = Box::leak(Box::new(WordPage { base, used, next: AtomicPtr::new(null_mut()) }));
        let mut head = WORD_PAGES.load(Relaxed);
        loop {
            page.next.store(head, Relaxed);
            match WORD_PAGES.compare_exchange_weak(head, page, Release, Relaxed) {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
    }
}

#[cfg(test)]
pub(crate) fn words_in_use() -> u32 {
    word_pages().flat_map(|page| &page.used).map(|used| used.load(Relaxed).count_ones()).sum()
}

/// Lets another segment have the word. Threads that remember it find another value there: zero, or a later epoch.
pub(crate) fn give_back_owner_word(word: &'static AtomicU64) {
    word.store(0, Relaxed);
    let address = std::ptr::from_ref(word) as usize;
    for page in word_pages() {
        let number = address.wrapping_sub(page.base.as_ptr() as usize) / 8;
        if number < WORDS_IN_PAGE {
            // Release pairs with the Acquire in `claim`.
            page.used[number / 64].fetch_and(!(1 << (number % 64)), Release);
        }
    }
}

impl WordPage {
    fn claim(&self) -> Option<&'static AtomicU64> {
        for (i, used) in self.used.iter().enumerate() {
            let mut seen = used.load(Relaxed);
            while seen != u64::MAX {
                let free = seen.trailing_ones() as usize;
                // Acquire pairs with the Release in `give_back_owner_word`.
                let before = used.fetch_or(1 << free, Acquire);
                if before & (1 << free) == 0 {
                    let word = self.base.as_ptr().wrapping_add(i * 64 + free);
                    // SAFETY: inside the page, which is never unmapped; pages have at least 4096 bytes.
                    return Some(unsafe { &*word });
                }
                seen = before;
            }
        }
        None
    }
}

// SAFETY: the page and its words are never unmapped; the rest are atomics.
unsafe impl Sync for WordPage {}
