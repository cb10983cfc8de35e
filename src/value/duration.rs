//! `Duration`: `std::time::Duration` with a layout that two builds agree on.
//!
//! ```text
//! 0         8             12         16
//! | seconds | nanoseconds | reserved |
//! ```
//!
//! std's own has a niche in its nanoseconds: bytes that a killed writer could leave, and a `Duration` may not have.
#![allow(unsafe_code)] // the implementation of `ProcessSync`

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration as StdDuration;

use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// Nanoseconds that do not make a second yet.
pub(super) const NANOSECONDS_MAX: u32 = 999_999_999;

/// A span of time, for use instead of [`std::time::Duration`] in shared memory.
///
/// Made to be stored; for arithmetic there is [`to_std`](Duration::to_std). Never blocks. A process killed while it
/// writes one leaves a duration, perhaps of old seconds and new nanoseconds.
///
/// ```
/// use cotenant::value::Duration;
///
/// static TIMEOUT: Duration = Duration::from_millis(2500);
/// assert_eq!(TIMEOUT.to_std(), std::time::Duration::from_millis(2500));
/// assert_eq!(TIMEOUT.to_string(), "2.5s");
/// ```
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Duration {
    seconds: u64,
    /// Anything may stand here; read as at most 999,999,999.
    nanoseconds: u32,
    /// Zero.
    reserved: u32,
}

const _: () = assert!(size_of::<Duration>() == 16 && std::mem::offset_of!(Duration, nanoseconds) == 8);

// SAFETY: plain integers, and all of their values are values of this type.
unsafe impl ProcessSync for Duration {
    const SCHEMA: &'static Schema = &Schema::compound::<Duration>(
        "Duration",
        Kind::Struct,
        &[
            Part { name: "seconds", at: 0, doc: "", schema: Some(u64::SCHEMA) },
            Part { name: "nanoseconds", at: 8, doc: "", schema: Some(u32::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

impl Duration {
    /// No time.
    pub const ZERO: Duration = Duration::from_secs(0);

    /// As long as std's.
    ///
    /// ```
    /// use cotenant::value::Duration;
    /// const TICK: Duration = Duration::from_std(std::time::Duration::from_micros(50));
    /// assert_eq!(TICK.to_string(), "50µs");
    /// ```
    pub const fn from_std(duration: StdDuration) -> Duration {
        Duration { seconds: duration.as_secs(), nanoseconds: duration.subsec_nanos(), reserved: 0 }
    }

    /// A whole number of seconds.
    ///
    /// ```
    /// assert_eq!(cotenant::value::Duration::from_secs(5).to_string(), "5s");
    /// ```
    pub const fn from_secs(seconds: u64) -> Duration {
        Duration { seconds, nanoseconds: 0, reserved: 0 }
    }

    /// A whole number of milliseconds.
    ///
    /// ```
    /// assert_eq!(cotenant::value::Duration::from_millis(5).to_string(), "5ms");
    /// ```
    pub const fn from_millis(milliseconds: u64) -> Duration {
        Duration::from_std(StdDuration::from_millis(milliseconds))
    }

    /// As std's, with all of its methods. Nanoseconds that only foreign bytes can have count as 999,999,999.
    ///
    /// ```
    /// let pause = cotenant::value::Duration::from_millis(1500);
    /// assert_eq!(pause.to_std() * 2, std::time::Duration::from_secs(3));
    /// ```
    pub const fn to_std(self) -> StdDuration {
        StdDuration::new(self.seconds, clamped(self.nanoseconds))
    }
}

/// Nanoseconds as they may be used, whatever stands in memory.
pub(super) const fn clamped(nanoseconds: u32) -> u32 {
    if nanoseconds > NANOSECONDS_MAX { NANOSECONDS_MAX } else { nanoseconds }
}

impl From<StdDuration> for Duration {
    fn from(duration: StdDuration) -> Duration {
        Duration::from_std(duration)
    }
}

impl From<Duration> for StdDuration {
    fn from(duration: Duration) -> StdDuration {
        duration.to_std()
    }
}

/// As `{:?}` of std's, which is the only way that std prints one: `1.5s`, `20ms`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_std(), f)
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_std(), f)
    }
}

impl Eq for Duration {}

impl PartialEq for Duration {
    fn eq(&self, other: &Duration) -> bool {
        self.to_std() == other.to_std()
    }
}

impl PartialEq<StdDuration> for Duration {
    fn eq(&self, other: &StdDuration) -> bool {
        self.to_std() == *other
    }
}

impl PartialOrd for Duration {
    fn partial_cmp(&self, other: &Duration) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Duration {
    fn cmp(&self, other: &Duration) -> Ordering {
        self.to_std().cmp(&other.to_std())
    }
}

impl Hash for Duration {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.to_std().hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_of_foreign_bytes_are_clamped() {
        let hostile = Duration { seconds: u64::MAX, nanoseconds: u32::MAX, reserved: u32::MAX };
        assert_eq!(hostile.to_std(), StdDuration::MAX);
        assert_eq!(hostile, Duration::from_std(StdDuration::MAX));
    }

    #[test]
    fn std_durations_come_back_as_they_were() {
        for duration in [StdDuration::ZERO, StdDuration::MAX, StdDuration::new(1, 2)] {
            assert_eq!(StdDuration::from(Duration::from(duration)), duration);
        }
    }

    #[test]
    fn durations_print_and_compare_as_std_does() {
        let (short, long) = (Duration::from_millis(20), Duration::from_std(StdDuration::new(1, 5)));
        assert_eq!(format!("{short} {short:?} {long} {long:>16.1}|"), "20ms 20ms 1.000000005s             1.0s|");
        assert!(short < long && Duration::ZERO < short);
        assert_eq!(Duration::default(), Duration::ZERO);
        assert_eq!(short, StdDuration::from_millis(20));
    }
}
