//! `UnixTime`: a moment of the wall clock, as seconds and nanoseconds since 1970, in a layout of its own.
//!
//! ```text
//! 0         8             12         16
//! | seconds | nanoseconds | reserved |
//! ```
//!
//! The moment is `seconds` (negative before 1970) *plus* `nanoseconds`, as in C's `struct timespec`.
#![allow(unsafe_code)] // the implementation of `ProcessSync`

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::{Duration as StdDuration, SystemTime, UNIX_EPOCH};

use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};
use crate::value::duration::clamped;

const SECONDS_PER_DAY: i64 = 86_400;
/// The Gregorian calendar repeats after 400 years of this many days.
const DAYS_PER_ERA: i64 = 146_097;

/// A moment of the wall clock, for use instead of [`SystemTime`] in shared memory.
///
/// Every process of a machine sees the same clock, and it may be set back. Never blocks. A process killed while it
/// writes one leaves a time, perhaps of old seconds and new nanoseconds.
///
/// ```
/// use cotenant::value::UnixTime;
/// use std::time::SystemTime;
///
/// let started = UnixTime::now();
/// assert!(SystemTime::from(started) <= SystemTime::now());
/// assert_eq!(UnixTime::from_secs(1_000_000_000).to_string(), "2001-09-09T01:46:40Z");
/// ```
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct UnixTime {
    seconds: i64,
    /// Anything may stand here; read as at most 999,999,999.
    nanoseconds: u32,
    /// Zero.
    reserved: u32,
}

const _: () = assert!(size_of::<UnixTime>() == 16 && std::mem::offset_of!(UnixTime, nanoseconds) == 8);

// SAFETY: plain integers, and all of their values are values of this type.
unsafe impl ProcessSync for UnixTime {
    const SCHEMA: &'static Schema = &Schema::compound::<UnixTime>(
        "UnixTime",
        Kind::Struct,
        &[
            Part { name: "seconds", at: 0, doc: "", schema: Some(i64::SCHEMA) },
            Part { name: "nanoseconds", at: 8, doc: "", schema: Some(u32::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

impl UnixTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: UnixTime = UnixTime::from_secs(0);

    /// What the clock says.
    ///
    /// ```
    /// use cotenant::value::UnixTime;
    /// assert!(UnixTime::now() > UnixTime::EPOCH);
    /// ```
    pub fn now() -> UnixTime {
        UnixTime::from(SystemTime::now())
    }

    /// So many seconds after 1970 began, or before it if negative.
    ///
    /// ```
    /// assert_eq!(cotenant::value::UnixTime::from_secs(-1).to_string(), "1969-12-31T23:59:59Z");
    /// ```
    pub const fn from_secs(seconds: i64) -> UnixTime {
        UnixTime { seconds, nanoseconds: 0, reserved: 0 }
    }

    /// Whole seconds since 1970 began, rounded down.
    ///
    /// ```
    /// assert_eq!(cotenant::value::UnixTime::from_secs(5).as_secs(), 5);
    /// ```
    pub const fn as_secs(self) -> i64 {
        self.seconds
    }

    /// The nanoseconds after [`as_secs`](UnixTime::as_secs): at most 999,999,999.
    ///
    /// ```
    /// assert_eq!(cotenant::value::UnixTime::EPOCH.subsec_nanos(), 0);
    /// ```
    pub const fn subsec_nanos(self) -> u32 {
        clamped(self.nanoseconds)
    }

    /// The time from `earlier` to this, zero if `earlier` is later (the clock may have been set back).
    ///
    /// ```
    /// use cotenant::value::UnixTime;
    /// use std::time::Duration;
    /// let (start, end) = (UnixTime::from_secs(10), UnixTime::from_secs(25));
    /// assert_eq!(end.saturating_duration_since(start), Duration::from_secs(15));
    /// assert_eq!(start.saturating_duration_since(end), Duration::ZERO);
    /// ```
    pub fn saturating_duration_since(self, earlier: UnixTime) -> StdDuration {
        if self <= earlier {
            return StdDuration::ZERO;
        }
        let seconds = self.seconds.abs_diff(earlier.seconds);
        let (ours, theirs) = (self.subsec_nanos(), earlier.subsec_nanos());
        if ours >= theirs {
            StdDuration::new(seconds, ours - theirs)
        } else {
            // Later by `>` with fewer nanoseconds: at least one second more.
            StdDuration::new(seconds - 1, 1_000_000_000 + ours - theirs)
        }
    }
}

impl From<SystemTime> for UnixTime {
    fn from(time: SystemTime) -> UnixTime {
        let (seconds, nanoseconds) = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (i64::try_from(after.as_secs()).unwrap_or(i64::MAX), after.subsec_nanos()),
            Err(error) => {
                let before = error.duration();
                let seconds = 0i64.saturating_sub_unsigned(before.as_secs());
                match before.subsec_nanos() {
                    0 => (seconds, 0),
                    nanoseconds => (seconds.saturating_sub(1), 1_000_000_000 - nanoseconds),
                }
            }
        };
        UnixTime { seconds, nanoseconds, reserved: 0 }
    }
}

/// A moment that the system's clock cannot express becomes its first or last one, to the second.
impl From<UnixTime> for SystemTime {
    fn from(time: UnixTime) -> SystemTime {
        let distance = StdDuration::from_secs(time.seconds.unsigned_abs());
        let whole_seconds =
            if time.seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
        whole_seconds
            .and_then(|moment| moment.checked_add(StdDuration::from_nanos(time.subsec_nanos().into())))
            .unwrap_or_else(|| last_moment(time.seconds < 0))
    }
}

/// The first or the last second that this system's `SystemTime` can express, found by halving steps.
fn last_moment(is_before_epoch: bool) -> SystemTime {
    (0..64).rev().map(|bit| StdDuration::from_secs(1 << bit)).fold(UNIX_EPOCH, |moment, step| {
        let next = if is_before_epoch { moment.checked_sub(step) } else { moment.checked_add(step) };
        next.unwrap_or(moment)
    })
}

/// As RFC 3339 in UTC: `2001-09-09T01:46:40.25Z`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_of_day(self.seconds.div_euclid(SECONDS_PER_DAY));
        let second = self.seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.subsec_nanos() > 0 {
            write!(f, ".{}", format!("{:09}", self.subsec_nanos()).trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// Year, month and day of a day counted from 1970-01-01. Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"
/// (<https://howardhinnant.github.io/date_algorithms.html#civil_from_days>): years begin in March, so that the day that
/// leap years add is the last.
fn date_of_day(day_since_epoch: i64) -> (i64, i64, i64) {
    let day = day_since_epoch + 719_468; // since 0000-03-01
    let day_of_era = day.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + day.div_euclid(DAYS_PER_ERA) * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * month_from_march + 2) / 5 + 1)
}

impl fmt::Debug for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Eq for UnixTime {}

impl PartialEq for UnixTime {
    fn eq(&self, other: &UnixTime) -> bool {
        self.cmp(other).is_eq()
    }
}

impl PartialOrd for UnixTime {
    fn partial_cmp(&self, other: &UnixTime) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UnixTime {
    fn cmp(&self, other: &UnixTime) -> Ordering {
        (self.seconds, self.subsec_nanos()).cmp(&(other.seconds, other.subsec_nanos()))
    }
}

impl Hash for UnixTime {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.seconds, self.subsec_nanos()).hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64, nanoseconds: u32) -> UnixTime {
        UnixTime { seconds, nanoseconds, reserved: 0 }
    }

    #[test]
    fn nanoseconds_of_foreign_bytes_are_clamped() {
        assert_eq!(time(5, u32::MAX), time(5, 999_999_999));
        assert!(SystemTime::from(time(5, u32::MAX)) < SystemTime::from(time(6, 0)));
    }

    #[test]
    fn system_times_come_back_as_they_were() {
        for offset in [StdDuration::ZERO, StdDuration::new(1, 300), StdDuration::new(1 << 33, 0)] {
            for moment in [UNIX_EPOCH + offset, UNIX_EPOCH - offset] {
                assert_eq!(SystemTime::from(UnixTime::from(moment)), moment);
            }
        }
        assert_eq!(UnixTime::from(UNIX_EPOCH - StdDuration::from_nanos(100)), time(-1, 999_999_900));
    }

    #[test]
    fn moments_out_of_range_become_the_first_or_last() {
        for seconds in [i64::MIN, i64::MIN + 1, i64::MAX] {
            let _ = SystemTime::from(time(seconds, u32::MAX)); // must not panic
        }
        assert!(last_moment(false) > UNIX_EPOCH && last_moment(false).checked_add(StdDuration::from_secs(1)).is_none());
        assert!(last_moment(true) < UNIX_EPOCH && last_moment(true).checked_sub(StdDuration::from_secs(1)).is_none());
    }

    #[test]
    fn times_print_as_rfc_3339() {
        for (time, expected) in [
            (time(0, 0), "1970-01-01T00:00:00Z"),
            (time(951_782_400, 0), "2000-02-29T00:00:00Z"),
            (time(1_709_251_199, 250_000_000), "2024-02-29T23:59:59.25Z"),
            (time(4_107_542_399, 1), "2100-02-28T23:59:59.000000001Z"),
            (time(4_107_542_400, 0), "2100-03-01T00:00:00Z"),
            (time(-62_135_596_801, 0), "0000-12-31T23:59:59Z"),
        ] {
            assert_eq!(time.to_string(), expected);
        }
        let _ = (time(i64::MIN, 0).to_string(), time(i64::MAX, 0).to_string()); // must not panic
    }

    #[test]
    fn durations_between_extremes_do_not_overflow() {
        let (first, last) = (time(i64::MIN, 1), time(i64::MAX, 0));
        assert_eq!(last.saturating_duration_since(first), StdDuration::new(u64::MAX - 1, 999_999_999));
        assert_eq!(first.saturating_duration_since(last), StdDuration::ZERO);
        assert_eq!(time(2, 1).saturating_duration_since(time(1, 2)), StdDuration::from_nanos(999_999_999));
    }
}
