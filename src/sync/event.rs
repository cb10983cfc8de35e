//! `Event`: set until it is reset; whoever waits goes on when it is set.
//!
//! ```text
//! 31              2  1             0
//!   times it was set | somebody waits | set        one word: the state, and the futex
//! ```
//!
//! Nobody owns an event, so no death can leave it held. Setting counts, so that who waits gets through also if
//! somebody resets the event before it has woken up.

#![allow(unsafe_code)]

use std::fmt;
use std::time::Duration;

use super::patience::{LONGEST_SLEEP, Patience};
use crate::lock::atomic::AtomicU32;
use crate::lock::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::lock::naps::Note;
use crate::lock::{NotLocked, futex};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

const SET: u32 = 1;
const SOMEBODY_WAITS: u32 = 2;
const ONCE_SET: u32 = 4;

/// A flag that threads of all processes that share it can wait for: Windows's manual-reset event.
///
/// It has no owner and no bounded size; a process that is killed leaves it set or not set. One that is killed between
/// setting it and waking the others keeps them asleep for at most 0.1 s: no sleep is longer. It needs no slot, and so
/// no participant. What was written before [`set`](Event::set) is seen after a wait that it ended. 4 bytes.
///
/// ```
/// use cotenant::{shared, sync::Event};
///
/// shared! {
///     static CONFIGURED: Event = Event::new(false);
/// }
///
/// CONFIGURED.set();
/// CONFIGURED.wait(); // returns at once
/// ```
#[repr(transparent)]
pub struct Event {
    word: AtomicU32,
}

// SAFETY: one atomic word, each change of which is one operation.
unsafe impl ProcessSync for Event {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Event",
        Kind::Event,
        &[Part { name: "word", at: 0, doc: "", schema: Some(u32::SCHEMA) }],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

/// The time was up before what was waited for happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was up before what was waited for happened")
    }
}

impl std::error::Error for TimedOut {}

impl Event {
    /// An event that is set, or not.
    pub const fn new(is_set: bool) -> Event {
        Event { word: AtomicU32::new(if is_set { SET } else { 0 }) }
    }

    /// Whether it is set. One load.
    ///
    /// ```
    /// # let event = cotenant::sync::Event::new(true);
    /// assert!(event.is_set());
    /// ```
    #[inline]
    pub fn is_set(&self) -> bool {
        // Acquire pairs with the Release in `set`.
        self.word.load(Acquire) & SET != 0
    }

    /// Sets it and wakes all who wait. Killed before they are woken: they look again within 0.1 s.
    ///
    /// ```
    /// # let event = cotenant::sync::Event::new(false);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| event.wait());
    ///     event.set();
    /// });
    /// ```
    pub fn set(&self) {
        if self.mark_set() {
            futex::wake32(&self.word, u32::MAX);
        }
    }

    /// Whether somebody waits.
    fn mark_set(&self) -> bool {
        // A store also if it is set: Release pairs with the Acquire of who sees it, for what was written before.
        let set = |word: u32| Some((word & !SOMEBODY_WAITS).wrapping_add(ONCE_SET) | SET);
        let before = self.word.fetch_update(Release, Relaxed, set).unwrap_or_default();
        before & SOMEBODY_WAITS != 0
    }

    /// Resets it: who waits from then on sleeps until it is set again.
    ///
    /// ```
    /// # let event = cotenant::sync::Event::new(true);
    /// event.reset();
    /// assert!(!event.is_set());
    /// ```
    pub fn reset(&self) {
        self.word.fetch_and(!SET, Relaxed);
    }

    /// Waits until it is set; returns at once if it is.
    #[inline]
    pub fn wait(&self) {
        if !self.is_set() {
            // Without a deadline there is no time that could be up.
            let _ = self.wait_slowly(Patience::Endless);
        }
    }

    /// Waits until it is set, at most `timeout`.
    ///
    /// ```
    /// # let event = cotenant::sync::Event::new(false);
    /// use cotenant::sync::TimedOut;
    /// assert_eq!(event.wait_timeout(std::time::Duration::from_millis(1)), Err(TimedOut));
    /// ```
    ///
    /// # Errors
    /// [`TimedOut`] if it was not set within `timeout`.
    #[inline]
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), TimedOut> {
        if self.is_set() {
            return Ok(());
        }
        self.wait_slowly(Patience::of(timeout)).map_err(|_| TimedOut)
    }

    #[cold]
    fn wait_slowly(&self, patience: Patience) -> Result<(), NotLocked> {
        let mut note = Note::new();
        let result = self.sleep_until_set(patience, &mut note);
        note.erase(self);
        result
    }

    fn sleep_until_set(&self, patience: Patience, note: &mut Note) -> Result<(), NotLocked> {
        let mut seen = self.word.load(Acquire);
        let times_set = seen & !(SET | SOMEBODY_WAITS);
        loop {
            // Set, or set and reset again, since we came. Acquire pairs with the Release in `set`.
            if seen & SET != 0 || seen & !(SET | SOMEBODY_WAITS) != times_set {
                return Ok(());
            }
            if seen & SOMEBODY_WAITS == 0 {
                if let Err(now) = self.word.compare_exchange(seen, seen | SOMEBODY_WAITS, Relaxed, Acquire) {
                    seen = now;
                    continue;
                }
            }
            let longest = patience.sleep(LONGEST_SLEEP)?;
            note.write(self);
            // Killed asleep: the flag costs one needless wake.
            futex::wait32(&self.word, seen | SOMEBODY_WAITS, longest);
            seen = self.word.load(Acquire);
        }
    }
}

impl Default for Event {
    /// Not set.
    fn default() -> Event {
        Event::new(false)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("is_set", &self.is_set()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiter_gets_through_a_set_that_was_reset_before_it_woke() {
        let event = Event::new(false);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| event.wait());
            while !event.mark_set() {
                event.reset();
                std::thread::yield_now();
            }
            event.reset();
            // Not before.
            futex::wake32(&event.word, u32::MAX);
            waits.join().expect("the thread");
        });
        assert!(!event.is_set());
    }
}
