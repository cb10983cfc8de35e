//! Rate limits that processes share: so many in a time, whoever asks.
//!
//! ```text
//!               now            now + burst
//!  -------------|--------T------|---------->        T: up to when the rate is used up ("theoretical arrival time")
//!                 taken    free
//! ```
//!
//! A token bucket in one word (the generic cell rate algorithm, ITU-T I.371): what is taken moves `T` one interval on,
//! and time that passes fills the bucket by itself. `T` more than a burst ahead: denied. One compare-and-swap decides,
//! so there is nothing that a death could leave half done, and nobody waits for anybody.
//!
//! ```text
//! word   | T 58 | P 6 |        P: so many are taken already, and nobody has them yet
//! ```
//!
//! Looking at the clock costs more than all the rest. So where bursts are large, who looks takes 32 more than asked
//! for, and leaves them in the word: whoever comes takes of those without a look. The last one is for who looks anew,
//! since nobody knows when the others went: they count as taken at that moment, which is the latest, so that no more
//! get through than ever would one by one. What is left of the 32 is given back then. What that costs: of a bucket that
//! was left with some of them in the word, 31 less can be had at once.
//!
//! The clock is the machine's time since its start (`CLOCK_BOOTTIME`, `QueryPerformanceCounter`), the same for all
//! processes outside of time namespaces.

#![allow(unsafe_code)]

mod keyed;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

pub use keyed::KeyedRateLimiter;

use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};
use crate::sys::process;

/// How many more are taken by who looks at the clock.
const BATCH: u64 = 32;
/// If a burst is at least 2 to that many: of 2,048.
const BATCHED_FROM_BITS: u32 = 11;
/// Where `P` ends and `T` begins in a word.
const TIME_SHIFT: u32 = 6;
const PREPAID: u64 = (1 << TIME_SHIFT) - 1;

/// The longest time that a rate is counted in: 30 days.
const LONGEST_NS: u64 = 30 * 24 * 3600 * 1_000_000_000;

/// So many in a time, and so many at once.
///
/// ```
/// use std::time::Duration;
/// use cotenant::limit::Rate;
///
/// const API: Rate = Rate::per_second(100).burst(20); // one each 10 ms, up to 20 at once after a pause
/// const LOGIN: Rate = Rate::per(Duration::from_secs(60), 5); // five a minute, all five at once if so wanted
/// # let _ = (API, LOGIN);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rate {
    interval_ns: u64,
    burst: u32,
}

impl Rate {
    /// `number` in each `time`, all of them at once if so wanted.
    ///
    /// # Panics
    /// If `number` is 0, there is less than a nanosecond for each, or `time` is over 30 days; in a constant, that is an
    /// error while compiling.
    pub const fn per(time: Duration, number: u32) -> Rate {
        assert!(number > 0, "a rate of none in a time lets nothing through");
        let time_ns = time.as_nanos();
        assert!(time_ns <= LONGEST_NS as u128, "a rate's time is 30 days at most");
        let interval_ns = time_ns as u64 / number as u64;
        assert!(interval_ns > 0, "a rate is one in a nanosecond at most");
        Rate { interval_ns, burst: number }
    }

    /// `number` in each second, all of them at once if so wanted.
    ///
    /// # Panics
    /// As [`per`](Rate::per).
    pub const fn per_second(number: u32) -> Rate {
        Rate::per(Duration::from_secs(1), number)
    }

    /// `number` in each minute, all of them at once if so wanted.
    ///
    /// # Panics
    /// As [`per`](Rate::per).
    pub const fn per_minute(number: u32) -> Rate {
        Rate::per(Duration::from_secs(60), number)
    }

    /// As many at once, after a pause; the rate in the long run stays.
    ///
    /// # Panics
    /// If `number` is 0, or takes over 30 days to gather; in a constant, that is an error while compiling.
    pub const fn burst(self, number: u32) -> Rate {
        assert!(number > 0, "a burst of none lets nothing through");
        let is_short = self.interval_ns as u128 * number as u128 <= LONGEST_NS as u128;
        assert!(is_short, "a burst gathers in 30 days at most");
        Rate { burst: number, ..self }
    }

    /// How far ahead of now the rate may be used up.
    const fn span_ns(self) -> u64 {
        self.interval_ns.saturating_mul(self.burst as u64)
    }
}

/// Too much was asked for: try again in a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limited {
    /// When there will be enough, if nobody else takes it: what an HTTP server says as `Retry-After`. The largest
    /// duration, if there never will be: more than a burst was asked for.
    pub retry_after: Duration,
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retry_after {
            Duration::MAX => f.write_str("more than the limit ever lets through at once"),
            time => write!(f, "over the limit: try again in {time:?}"),
        }
    }
}

impl std::error::Error for Limited {}

/// A limit that all processes together keep.
///
/// ```
/// use cotenant::{limit::{Rate, RateLimiter}, shared};
///
/// shared! {
///     /// Requests of all workers to the API that bills us.
///     static API: RateLimiter = RateLimiter::new(Rate::per_second(100).burst(2));
/// }
///
/// assert!(API.try_acquire().is_ok() && API.try_acquire().is_ok());
/// if let Err(limited) = API.try_acquire() {
///     println!("again in {:?}", limited.retry_after);
/// }
/// ```
///
/// Never lets through more than the rate, whoever is killed. Waits for nobody; a call changes one word and reads the
/// clock. If a burst is 2,048 or more, one call of 32 reads the clock, for all of them; then up to 31 less may be had
/// at once than a burst, in all. A process that is killed has taken what it was told that it has, or not. What was
/// taken is not given back.
#[repr(C)]
pub struct RateLimiter {
    interval_ns: AtomicU64,
    span_ns: AtomicU64,
    /// Up to when the rate is used up, in nanoseconds, and behind it how many are prepaid; 0 at first.
    used_up_to: AtomicU64,
    denied: AtomicU64,
}

const _: () = assert!(size_of::<RateLimiter>() == 32);

// SAFETY: four atomics; any numbers are a limit.
unsafe impl ProcessSync for RateLimiter {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "RateLimiter",
        Kind::RateLimiter,
        &[
            Part { name: "interval_ns", at: 0, doc: "", schema: Some(AtomicU64::SCHEMA) },
            Part { name: "span_ns", at: 8, doc: "", schema: Some(AtomicU64::SCHEMA) },
            Part { name: "used_up_to", at: 16, doc: "", schema: Some(AtomicU64::SCHEMA) },
            Part { name: "denied", at: 24, doc: "", schema: Some(AtomicU64::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = false;
    const IS_STABLE_LAYOUT: bool = true;
}

impl RateLimiter {
    /// With a full burst to begin with.
    pub const fn new(rate: Rate) -> RateLimiter {
        RateLimiter {
            interval_ns: AtomicU64::new(rate.interval_ns),
            span_ns: AtomicU64::new(rate.span_ns()),
            used_up_to: AtomicU64::new(0),
            denied: AtomicU64::new(0),
        }
    }

    /// Takes one, if the limit lets it.
    ///
    /// # Errors
    /// [`Limited`]: too much was taken, and when to try again. Nothing is taken then.
    #[inline]
    pub fn try_acquire(&self) -> Result<(), Limited> {
        self.try_acquire_many(1)
    }

    /// Takes `number` at once, or nothing.
    ///
    /// # Errors
    /// As of [`try_acquire`](RateLimiter::try_acquire).
    #[inline]
    pub fn try_acquire_many(&self, number: u32) -> Result<(), Limited> {
        if self.take_prepaid(number) {
            return Ok(());
        }
        self.acquire_at(process::boottime_ns(), number).inspect_err(|_| self.mend(process::boottime_ns()))
    }

    /// Takes of what is prepaid, but not the last one.
    #[inline]
    fn take_prepaid(&self, number: u32) -> bool {
        let (interval_ns, span_ns) = self.rate();
        let mut seen = self.used_up_to.load(Relaxed);
        while u64::from(number) < seen & PREPAID && is_batched(interval_ns, span_ns) {
            match self.used_up_to.compare_exchange_weak(seen, seen - u64::from(number), Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    fn acquire_at(&self, now_ns: u64, number: u32) -> Result<(), Limited> {
        let (interval_ns, span_ns) = self.rate();
        let cost_ns = interval_ns.saturating_mul(number.into());
        let limit_ns = now_ns.saturating_add(span_ns);
        let batch_ns = interval_ns.saturating_mul(BATCH);
        let mut seen = self.used_up_to.load(Relaxed);
        loop {
            let used_up_to_ns = settled(seen, now_ns, (interval_ns, span_ns));
            let next_ns = used_up_to_ns.saturating_add(cost_ns);
            if next_ns > limit_ns {
                if seen & PREPAID != 0 {
                    // Else it would count as taken now at each call.
                    let settled = used_up_to_ns << TIME_SHIFT;
                    let _ = self.used_up_to.compare_exchange(seen, settled, Relaxed, Relaxed);
                }
                return Err(self.deny(cost_ns, span_ns, next_ns - limit_ns));
            }
            let with_batch_ns = next_ns.saturating_add(batch_ns);
            let next = match with_batch_ns <= limit_ns && is_batched(interval_ns, span_ns) {
                true => with_batch_ns << TIME_SHIFT | BATCH,
                false => next_ns << TIME_SHIFT,
            };
            match self.used_up_to.compare_exchange_weak(seen, next, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => seen = now,
            }
        }
    }

    /// A word further ahead than anybody can be is of before the machine's start, or damage, and would deny for as
    /// long. Then the span is used up, and no more. Who was stopped since it read the clock finds the word ahead of its
    /// own time, too; so the clock is read anew for this, and a second is nothing.
    #[cold]
    fn mend(&self, now_ns: u64) {
        let limit_ns = now_ns.saturating_add(self.rate().1);
        let seen = self.used_up_to.load(Relaxed);
        if seen >> TIME_SHIFT > limit_ns.saturating_add(1_000_000_000) {
            let _ = self.used_up_to.compare_exchange(seen, limit_ns << TIME_SHIFT, Relaxed, Relaxed);
        }
    }

    #[cold]
    fn deny(&self, cost_ns: u64, span_ns: u64, missing_ns: u64) -> Limited {
        self.denied.fetch_add(1, Relaxed);
        Limited { retry_after: if cost_ns > span_ns { Duration::MAX } else { Duration::from_nanos(missing_ns) } }
    }

    /// How many could be taken at once now.
    pub fn available(&self) -> u32 {
        let (interval_ns, span_ns) = self.rate();
        let now_ns = process::boottime_ns();
        let limit_ns = now_ns.saturating_add(span_ns);
        let free_ns = limit_ns - settled(self.used_up_to.load(Relaxed), now_ns, (interval_ns, span_ns));
        u32::try_from(free_ns / interval_ns).unwrap_or(u32::MAX)
    }

    /// Sets another rate, for all processes, from now on. What was taken stays taken. Two processes that set different
    /// ones at the same time may leave the interval of one and the burst of the other.
    pub fn set_rate(&self, rate: Rate) {
        self.interval_ns.store(rate.interval_ns, Relaxed);
        self.span_ns.store(rate.span_ns(), Relaxed);
    }

    /// How often it has said no.
    pub fn denied(&self) -> u64 {
        self.denied.load(Relaxed)
    }

    /// Interval and span. Shared bytes, so the bounds hold here and not by trust.
    #[inline]
    fn rate(&self) -> (u64, u64) {
        let interval_ns = self.interval_ns.load(Relaxed).clamp(1, LONGEST_NS);
        (interval_ns, self.span_ns.load(Relaxed).clamp(interval_ns, LONGEST_NS))
    }
}

/// Whether who looks at the clock takes more than asked for.
#[inline]
fn is_batched(interval_ns: u64, span_ns: u64) -> bool {
    span_ns >> BATCHED_FROM_BITS >= interval_ns
}

/// Up to when the rate is used up by what was taken, and not by what is prepaid; between `now_ns` and a span later.
fn settled(word: u64, now_ns: u64, (interval_ns, span_ns): (u64, u64)) -> u64 {
    let limit_ns = now_ns.saturating_add(span_ns);
    // Nobody can have used up more than the span (but a slower rate may have been set since): see `mend`.
    let used_up_to_ns = (word >> TIME_SHIFT).clamp(now_ns, limit_ns);
    let prepaid = (word & PREPAID).min(BATCH);
    if prepaid == 0 || !is_batched(interval_ns, span_ns) {
        return used_up_to_ns;
    }
    // The others of the batch went at any time since it was made, the latest is now.
    let at_the_latest_ns = now_ns.saturating_add((BATCH - prepaid) * interval_ns);
    used_up_to_ns.saturating_sub(prepaid * interval_ns).max(at_the_latest_ns).clamp(now_ns, limit_ns)
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("available", &self.available())
            .field("denied", &self.denied())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn burst_goes_at_once_and_the_rest_at_the_rate() {
        let limiter = RateLimiter::new(Rate::per_second(10).burst(3));
        let now = 5 * SECOND;
        for _ in 0..3 {
            assert_eq!(limiter.acquire_at(now, 1), Ok(()));
        }
        assert_eq!(limiter.acquire_at(now, 1), Err(Limited { retry_after: Duration::from_millis(100) }));
        assert_eq!(limiter.acquire_at(now + SECOND / 10 - 1, 1), Err(Limited { retry_after: Duration::from_nanos(1) }));
        assert_eq!(limiter.acquire_at(now + SECOND / 10, 1), Ok(()));
        assert!(limiter.acquire_at(now + SECOND / 10, 1).is_err());
        // In the long run exactly the rate: ten a second, asked for at every millisecond.
        let passed =
            (1..=10_000).filter(|ms| limiter.acquire_at(now + SECOND / 10 + ms * 1_000_000, 1).is_ok()).count();
        assert_eq!(passed, 100);
        assert_eq!(limiter.denied(), 3 + 9_900);
    }

    #[test]
    fn many_at_once_are_taken_whole_or_not_at_all() {
        let limiter = RateLimiter::new(Rate::per_minute(60).burst(5));
        assert_eq!(limiter.acquire_at(SECOND, 4), Ok(()));
        assert_eq!(limiter.acquire_at(SECOND, 2), Err(Limited { retry_after: Duration::from_secs(1) }));
        assert_eq!(limiter.acquire_at(SECOND, 1), Ok(()));
        assert_eq!(limiter.acquire_at(SECOND, 6), Err(Limited { retry_after: Duration::MAX }));
        assert_eq!(limiter.acquire_at(100 * SECOND, 5), Ok(()));
    }

    #[test]
    fn time_before_the_machine_s_start_and_damage_cost_a_burst_at_most() {
        for bytes in [!PREPAID, 1 << 62, (1000 * SECOND) << TIME_SHIFT] {
            let limiter = RateLimiter::new(Rate::per_second(10).burst(3));
            limiter.used_up_to.store(bytes, Relaxed);
            assert_eq!(limiter.acquire_at(SECOND, 1), Err(Limited { retry_after: Duration::from_millis(100) }));
            limiter.mend(SECOND);
            assert_eq!(limiter.used_up_to.load(Relaxed), (SECOND + 300_000_000) << TIME_SHIFT);
            assert_eq!(limiter.acquire_at(SECOND + SECOND / 10, 1), Ok(()));
        }
        let limiter = RateLimiter::new(Rate::per_second(10));
        for (interval, span) in [(0, 0), (u64::MAX, 0), (0, u64::MAX), (u64::MAX, u64::MAX)] {
            limiter.interval_ns.store(interval, Relaxed);
            limiter.span_ns.store(span, Relaxed);
            limiter.used_up_to.store(u64::MAX, Relaxed);
            let _any = (limiter.take_prepaid(40), limiter.take_prepaid(40), limiter.available());
            let _any = (limiter.acquire_at(u64::MAX, u32::MAX), limiter.acquire_at(0, 1), limiter.available());
        }
    }

    #[test]
    fn another_rate_holds_from_the_next_call_on() {
        let limiter = RateLimiter::new(Rate::per_minute(1));
        assert_eq!((limiter.acquire_at(SECOND, 1), limiter.acquire_at(SECOND, 1).is_err()), (Ok(()), true));
        limiter.set_rate(Rate::per_minute(60).burst(100));
        // A minute is used up of a hundred seconds.
        assert_eq!(limiter.acquire_at(SECOND, 40), Ok(()));
        assert_eq!(limiter.acquire_at(SECOND, 1), Err(Limited { retry_after: Duration::from_secs(1) }));
    }

    #[test]
    fn a_new_limiter_has_a_burst() {
        let limiter = RateLimiter::new(Rate::per_minute(7));
        assert_eq!(limiter.available(), 7);
        limiter.try_acquire_many(3).expect("there are seven");
        assert_eq!(limiter.available(), 4);
    }

    /// The clock is any number; those that take without a look at it do so between two looks.
    #[test]
    fn prepaid_ones_let_no_more_through_than_one_by_one() {
        let rate = Rate::per(Duration::from_micros(4096), 4096);
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below: u64| {
            // xorshift64 (Marsaglia, 2003).
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let batched = RateLimiter::new(rate);
        let (mut now, mut exact, mut without_a_look, mut denied) = (SECOND, 0_u64, 0, 0);
        for _ in 0..300_000 {
            now += match random(100) {
                0 => random(20_000_000),
                1..5 => random(100_000),
                5..40 => random(3000),
                _ => random(300),
            };
            for _ in 0..random(60) {
                let number = if random(10) == 0 { random(100) } else { 1 };
                let is_prepaid = batched.take_prepaid(number as u32);
                without_a_look += u64::from(is_prepaid);
                if !is_prepaid && batched.acquire_at(now, number as u32).is_err() {
                    denied += 1;
                    continue;
                }
                // What takes one by one, and looks each time, would have let it through.
                exact = exact.max(now) + number * rate.interval_ns;
                assert!(exact <= now + rate.span_ns(), "{number} too many");
            }
        }
        assert!(without_a_look > 1_000_000 && denied > 1000, "{without_a_look} {denied}");
    }

    #[test]
    fn prepaid_ones_cost_less_than_a_batch_of_the_burst() {
        let limiter = RateLimiter::new(Rate::per_second(2048));
        let count =
            |now: u64| (0..5000).filter(|_| limiter.take_prepaid(1) || limiter.acquire_at(now, 1).is_ok()).count();
        assert_eq!(count(SECOND), 2048, "all of a burst, where nothing was left over");
        assert_eq!(limiter.acquire_at(10 * SECOND, 5), Ok(()));
        assert_eq!(limiter.used_up_to.load(Relaxed) & PREPAID, BATCH);
        assert!((2048 - 31..=2048).contains(&count(20 * SECOND)));
        // A whole burst at once: denied once at most, because some may have gone a moment ago.
        assert_eq!(limiter.acquire_at(30 * SECOND, 5), Ok(()));
        assert!(limiter.take_prepaid(7));
        let limited = limiter.acquire_at(40 * SECOND, 2048).expect_err("seven may have gone a moment ago");
        assert_eq!(limiter.acquire_at(40 * SECOND + limited.retry_after.as_nanos() as u64, 2048), Ok(()));
        // In the long run exactly the rate.
        let passed: usize = (1..=1000).map(|ms| count(100 * SECOND + ms * 1_000_000)).sum();
        assert!((2 * 2048 - 31 - 2..=2 * 2048).contains(&passed), "{passed}");
    }

    #[test]
    fn threads_together_get_a_burst_and_no_more() {
        let limiter = RateLimiter::new(Rate::per(Duration::from_secs(2_000_000), 4000));
        let taken: usize = std::thread::scope(|scope| {
            let take = || (0..3000).filter(|_| limiter.try_acquire().is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert!((4000 - 31..=4000).contains(&taken), "{taken}");
    }
}
