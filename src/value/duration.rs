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
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration as StdDuration;

use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// Nanoseconds that do not make a second yet.
pub(super) const NANOSECONDS_MAX: u32 = 999_999_999;

/// A span of time, for use instead of [`std::time::Duration`] in shared memory.
///
/// Made to be stored; for more than sums there is [`to_std`](Duration::to_std). Never blocks. A process killed while it
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

    /// The sum; `None` if it is longer than any duration.
    ///
    /// ```
    /// use cotenant::value::Duration;
    /// assert_eq!(Duration::from_secs(1).checked_add(Duration::from_secs(2)), Some(Duration::from_secs(3)));
    /// assert_eq!(Duration::from_secs(u64::MAX).checked_add(Duration::from_secs(1)), None);
    /// ```
    pub const fn checked_add(self, other: Duration) -> Option<Duration> {
        match self.to_std().checked_add(other.to_std()) {
            Some(sum) => Some(Duration::from_std(sum)),
            None => None,
        }
    }

    /// The difference; `None` if `other` is longer.
    ///
    /// ```
    /// use cotenant::value::Duration;
    /// assert_eq!(Duration::from_secs(3).checked_sub(Duration::from_secs(2)), Some(Duration::from_secs(1)));
    /// assert_eq!(Duration::ZERO.checked_sub(Duration::from_secs(1)), None);
    /// ```
    pub const fn checked_sub(self, other: Duration) -> Option<Duration> {
        match self.to_std().checked_sub(other.to_std()) {
            Some(difference) => Some(Duration::from_std(difference)),
            None => None,
        }
    }

    /// The sum, at most the longest duration.
    ///
    /// ```
    /// use cotenant::value::Duration;
    /// let sum = Duration::from_secs(u64::MAX).saturating_add(Duration::from_secs(1));
    /// assert_eq!(sum, std::time::Duration::MAX);
    /// ```
    pub const fn saturating_add(self, other: Duration) -> Duration {
        Duration::from_std(self.to_std().saturating_add(other.to_std()))
    }

    /// The difference, zero if `other` is longer.
    ///
    /// ```
    /// use cotenant::value::Duration;
    /// assert_eq!(Duration::from_secs(1).saturating_sub(Duration::from_secs(2)), Duration::ZERO);
    /// ```
    pub const fn saturating_sub(self, other: Duration) -> Duration {
        Duration::from_std(self.to_std().saturating_sub(other.to_std()))
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

/// Panics if the sum is longer than any duration, as std's does.
impl Add for Duration {
    type Output = Duration;

    #[track_caller]
    fn add(self, other: Duration) -> Duration {
        self.checked_add(other).expect("overflow when adding durations")
    }
}

impl AddAssign for Duration {
    #[track_caller]
    fn add_assign(&mut self, other: Duration) {
        *self = *self + other;
    }
}

/// Panics if `other` is longer, as std's does.
impl Sub for Duration {
    type Output = Duration;

    #[track_caller]
    fn sub(self, other: Duration) -> Duration {
        self.checked_sub(other).expect("overflow when subtracting durations")
    }
}

impl SubAssign for Duration {
    #[track_caller]
    fn sub_assign(&mut self, other: Duration) {
        *self = *self - other;
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

    #[test]
    fn sums_and_differences_are_those_of_std() {
        let (mut short, long) = (Duration::from_millis(600), Duration::from_millis(1500));
        assert_eq!((long + short, long - short), (Duration::from_millis(2100), Duration::from_millis(900)));
        short += long;
        short -= Duration::from_millis(100);
        assert_eq!(short, Duration::from_secs(2));
        let foreign = Duration { seconds: 0, nanoseconds: u32::MAX, reserved: 0 };
        assert_eq!(foreign + Duration::ZERO, StdDuration::new(0, NANOSECONDS_MAX), "clamped");
    }

    #[test]
    #[should_panic(expected = "overflow when subtracting durations")]
    fn difference_below_zero_panics_as_in_std() {
        let _ = Duration::ZERO - Duration::from_secs(1);
    }

    #[test]
    #[should_panic(expected = "overflow when adding durations")]
    fn sum_beyond_the_longest_panics_as_in_std() {
        let _ = Duration::from_std(StdDuration::MAX) + Duration::from_millis(1);
    }
}
