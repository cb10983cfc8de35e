//! Who this thread is to a lock word: a number. Threads are numbered as they come; two that live have different
//! numbers until 2^30 threads were started.

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::error::Error;

/// One less than the thread ids of a lock word, of which zero and the last are nobody's.
const NUMBERS: u32 = (1 << 30) - 2;

/// This thread.
#[derive(Clone, Copy)]
pub(crate) struct Mine {
    word: u64,
}

impl Mine {
    /// The word that names this thread.
    pub(crate) fn word(self) -> u64 {
        self.word
    }

    /// A fork copies the lock together with the guard.
    pub(crate) fn still_this_process(self) -> bool {
        true
    }

    /// No kernel looks after a word here.
    pub(crate) fn announce(self, _word: &AtomicU64) -> bool {
        false
    }

    /// Ends what `announce` began.
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

/// Who this thread is.
pub(crate) fn mine(_word: &AtomicU64) -> Result<Mine, Box<Error>> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    thread_local! { static NUMBER: Cell<u32> = const { Cell::new(0) } }
    if NUMBER.get() == 0 {
        NUMBER.set(COUNT.fetch_add(1, Relaxed) % NUMBERS + 1);
    }
    Ok(Mine { word: u64::from(NUMBER.get()) })
}

/// A number of this thread, for spreading threads over cells.
pub(crate) fn thread_number() -> u32 {
    static NEVER_SHARED: AtomicU64 = AtomicU64::new(0);
    mine(&NEVER_SHARED).map_or(0, |mine| mine.word() as u32)
}

/// No process is told from another here.
pub(crate) fn tenant<T>(_place: &T) -> Option<u32> {
    Some(0)
}

/// As [`mine`].
pub(crate) fn remembered(word: &AtomicU64) -> Option<Mine> {
    mine(word).ok()
}

/// A fork takes what its parent remembered of itself; that is the parent's name, for people.
pub(crate) fn current_epoch() -> u32 {
    0
}

/// Threads remember nothing of ranges here.
pub(crate) fn begin_epoch() {}

/// There is no robust list here.
#[doc(hidden)]
#[allow(unreachable_pub)] // `__private` exports it.
pub fn use_robust_list(_on: bool) {}
