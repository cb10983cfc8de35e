//! Who this thread is to a lock word: slot and generation of the process in the word's segment, and the thread's id.

use std::cell::Cell;
use std::sync::atomic::AtomicU64;

use super::process;
use crate::error::{Error, ErrorKind};
use crate::sys::ranges;

/// As many bits as the lock word has for it.
const THREAD_ID: u64 = (1 << 30) - 1;

/// Who this thread is to the locks of one segment.
#[derive(Clone, Copy)]
pub(crate) struct Mine {
    word: u64,
}

impl Mine {
    /// The word that names this thread: slot and generation in the high half (0: memory that no segment of ours holds),
    /// thread id in the low half.
    #[inline]
    pub(crate) fn word(self) -> u64 {
        self.word
    }

    /// Always: nothing copies a process here.
    #[inline]
    pub(crate) fn still_this_process(self) -> bool {
        true
    }

    /// No kernel looks after a word here.
    #[inline]
    pub(crate) fn announce(self, _word: &AtomicU64) -> bool {
        false
    }

    /// Ends what `announce` began.
    #[inline]
    pub(crate) fn withdraw(self, _word: &AtomicU64) {}

    /// For a word that the kernel does not look after.
    pub(crate) fn unannounced(self) -> Mine {
        self
    }

    /// For a word that another thread of this process took.
    pub(crate) fn with_word(self, word: u64) -> Mine {
        Mine { word }
    }
}

/// Who this thread is to the lock at `word`.
pub(crate) fn mine(word: &AtomicU64) -> Result<Mine, Box<Error>> {
    let thread = u64::from(process::thread_id()) & THREAD_ID;
    let Some(segment) = ranges::segment_at(word) else { return Ok(Mine { word: thread }) };
    let owner = segment.owner().0;
    if owner == 0 {
        let why = format!("this image has detached from {}", segment.path);
        return Err(Error::new(ErrorKind::Unsupported, why).into());
    }
    Ok(Mine { word: u64::from(owner) << 32 | thread })
}

/// Nothing copies a process here.
pub(crate) fn current_epoch() -> u32 {
    0
}

/// A number that threads which run at the same time rarely share: for spreading them over cells.
#[inline]
pub(crate) fn thread_number() -> u32 {
    thread_local! { static NUMBER: Cell<u32> = const { Cell::new(0) } }
    if NUMBER.get() == 0 {
        // Ids are multiples of four, and none is zero.
        NUMBER.set(process::thread_id() / 4);
    }
    NUMBER.get()
}

/// This process in the segment that holds `place`: slot and generation, as in the high half of a lock word; 0 in memory
/// of no segment. `None`: the image has detached.
pub(crate) fn tenant<T>(place: &T) -> Option<u32> {
    let Some(segment) = ranges::segment_at(place) else { return Some(0) };
    Some(segment.owner().0).filter(|half| *half != 0)
}

/// As [`mine`]; a failure is told by that.
#[inline]
pub(crate) fn remembered(word: &AtomicU64) -> Option<Mine> {
    mine(word).ok()
}

/// Threads remember nothing of ranges here.
pub(crate) fn begin_epoch() {}

/// There is no robust list here.
#[doc(hidden)]
#[allow(unreachable_pub)] // `__private` exports it.
pub fn use_robust_list(_on: bool) {}
