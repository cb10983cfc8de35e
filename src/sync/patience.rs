//! How long a call waits: not at all, until a moment, or for ever.

use std::time::{Duration, Instant};

use crate::lock::{Locked, NotLocked, RawLock, Ticket};

/// The longest sleep at all: whoever was to wake us may be killed before it does. Where nobody is killed, in the tests
/// of this crate's insides, a lost wake-up is not to be healed but seen.
pub(crate) const LONGEST_SLEEP: Duration =
    if cfg!(test) { Duration::from_secs(3600) } else { Duration::from_millis(100) };

/// How long a call waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Patience {
    /// `try_`: not at all.
    None,
    /// `_timeout`.
    Until(Instant),
    Endless,
}

impl Patience {
    /// Of a call with a timeout. The clock is read here, so only call this once there is something to wait for.
    pub(crate) fn of(timeout: Duration) -> Patience {
        Instant::now().checked_add(timeout).map_or(Patience::Endless, Patience::Until)
    }

    /// How long to sleep, at most `longest`.
    ///
    /// # Errors
    /// `WouldBlock` or `TimedOut` if there is no time left.
    pub(crate) fn sleep(self, longest: Duration) -> Result<Duration, NotLocked> {
        match self {
            Patience::None => Err(NotLocked::WouldBlock),
            Patience::Endless => Ok(longest),
            Patience::Until(deadline) => match deadline.saturating_duration_since(Instant::now()) {
                Duration::ZERO => Err(NotLocked::TimedOut),
                left => Ok(left.min(longest)),
            },
        }
    }

    /// Takes the lock, waiting so long.
    pub(crate) fn lock(self, lock: &RawLock) -> Result<(Ticket, Locked), NotLocked> {
        match self {
            Patience::None => lock.try_lock(),
            Patience::Until(deadline) => lock.lock_until(deadline),
            Patience::Endless => lock.lock(),
        }
    }

    /// As [`lock`](Patience::lock), for locks of which whatever they guard can be put right: nobody gives them up, and
    /// a word that says so is damage, taken for inconsistent.
    pub(crate) fn lock_even_given_up(self, lock: &RawLock) -> Result<(Ticket, Locked), NotLocked> {
        match self {
            Patience::None => lock.try_lock_given_up(),
            Patience::Until(deadline) => lock.lock_given_up_until(deadline),
            Patience::Endless => lock.lock_given_up(),
        }
    }

    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            Patience::Until(deadline) => Some(deadline),
            _ => None,
        }
    }
}
