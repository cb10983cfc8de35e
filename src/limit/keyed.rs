//! `KeyedRateLimiter`: a limit for each of many keys, in bounded memory.
//!
//! ```text
//! key --hash--> set of 8 words, one cache line:  | tag 24 | T 40 |  x 8
//! ```
//!
//! A word is a key's whole state: a tag that tells it from the other keys of its set, and up to when its rate is used
//! up, in units of at most a thousandth of the rate's interval. One compare-and-swap takes, or replaces another key's
//! word. A key whose time is over has its burst back, and nothing of it need be remembered; so such words are replaced
//! first, and then the one that is nearest to it: of keys with one rate the oldest.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::mem::offset_of;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use super::{LONGEST_NS, Limited, Rate};
use crate::error::Error;
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};
use crate::segment::segment::Segment;
use crate::sys::process;

/// Words of a set.
const SET: usize = 8;
const TIME_BITS: u32 = 40;
const TIME: u64 = (1 << TIME_BITS) - 1;
/// Times ahead of now up to here are believed; half of what can be told, the other half is past.
const AHEAD: u64 = 1 << (TIME_BITS - 1);

/// A limit for each key, an address or a user, that all processes together keep. At most `KEYS` keys are remembered.
///
/// ```
/// use cotenant::{limit::{KeyedRateLimiter, Rate}, shared};
///
/// shared! {
///     /// Logins tried from an address.
///     static LOGINS: KeyedRateLimiter<4096> = KeyedRateLimiter::new(Rate::per_minute(5));
/// }
///
/// let client: std::net::IpAddr = "192.0.2.7".parse().unwrap();
/// for _ in 0..5 {
///     assert!(LOGINS.try_acquire(&client).is_ok());
/// }
/// let limited = LOGINS.try_acquire(&client).unwrap_err();
/// println!("Retry-After: {}", limited.retry_after.as_secs() + 1);
/// ```
///
/// 8 bytes a key; `KEYS` is a power of two, at least 8. If more keys than that are in use within the time in which a
/// burst gathers, those forget theirs that were nearest to having it all, and can take a burst anew:
/// [`evicted`](KeyedRateLimiter::evicted) counts them. Two keys share a limit by mistake about once in 2 million pairs
/// that fall into one set; which ones is not to be guessed from outside, because the hash has a secret of its own.
///
/// Waits for nobody. A process that is killed has taken what it was told that it has, or not.
#[repr(C, align(64))]
pub struct KeyedRateLimiter<const KEYS: usize = 1024> {
    interval_ns: AtomicU64,
    span_ns: AtomicU64,
    /// Random, made by the first call; 0 at first. It makes the hash.
    secret: AtomicU64,
    denied: AtomicU64,
    evicted: AtomicU64,
    reserved: [u64; 3],
    keys: [AtomicU64; KEYS],
}

const _: () = assert!(offset_of!(KeyedRateLimiter<8>, keys) == 64 && size_of::<KeyedRateLimiter<8>>() == 128);

// SAFETY: atomics; any numbers are a limit.
#[allow(unsafe_code)]
unsafe impl<const KEYS: usize> ProcessSync for KeyedRateLimiter<KEYS> {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "KeyedRateLimiter",
        Kind::RateLimiter,
        &[
            Part { name: "interval_ns", at: 0, doc: "", schema: Some(AtomicU64::SCHEMA) },
            Part { name: "span_ns", at: 8, doc: "", schema: Some(AtomicU64::SCHEMA) },
            Part { name: "secret", at: 16, doc: "", schema: Some(AtomicU64::SCHEMA) },
            Part { name: "denied", at: 24, doc: "", schema: Some(AtomicU64::SCHEMA) },
            Part { name: "evicted", at: 32, doc: "", schema: Some(AtomicU64::SCHEMA) },
            Part { name: "keys", at: 64, doc: "", schema: Some(<[AtomicU64; KEYS]>::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = false;
    const IS_STABLE_LAYOUT: bool = true;
}

/// A rate in the units of the words.
#[derive(Clone, Copy)]
struct Units {
    shift: u32,
    interval: u64,
    span: u64,
}

impl<const KEYS: usize> KeyedRateLimiter<KEYS> {
    /// Each key with a full burst to begin with.
    ///
    /// # Panics
    /// If a burst is more than 100 million; in a constant, that is an error while compiling.
    pub const fn new(rate: Rate) -> KeyedRateLimiter<KEYS> {
        const { assert!(KEYS.is_power_of_two() && KEYS >= SET, "the number of keys is a power of two, at least 8") };
        assert!(rate.burst <= 100_000_000, "a keyed limit has bursts of up to 100 million");
        KeyedRateLimiter {
            interval_ns: AtomicU64::new(rate.interval_ns),
            span_ns: AtomicU64::new(rate.span_ns()),
            secret: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            reserved: [0; 3],
            keys: [const { AtomicU64::new(0) }; KEYS],
        }
    }

    /// The limiter of that name in a segment; makes it if there is none, where it lies: with many keys it would be too
    /// large for a thread's stack, which [`get_or_init`](Segment::get_or_init) makes a value on. Who comes later finds
    /// the maker's rate.
    ///
    /// ```
    /// use cotenant::{Backing, Segment, limit::{KeyedRateLimiter, Rate}};
    ///
    /// let segment = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20).create("example")?;
    /// let clients = KeyedRateLimiter::<65536>::open_or_create(&segment, "clients", Rate::per_second(100))?;
    /// assert!(clients.try_acquire("192.0.2.7").is_ok());
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    /// As of [`get_or_init`](Segment::get_or_init).
    ///
    /// # Panics
    /// If a burst is more than 100 million.
    #[allow(unsafe_code)]
    pub fn open_or_create<'a>(segment: &'a Segment, name: &str, rate: Rate) -> Result<&'a Self, Error> {
        const { assert!(KEYS.is_power_of_two() && KEYS >= SET, "the number of keys is a power of two, at least 8") };
        assert!(rate.burst <= 100_000_000, "a keyed limit has bursts of up to 100 million");
        let say_rate = |made: &KeyedRateLimiter<KEYS>| {
            made.interval_ns.store(rate.interval_ns, Relaxed);
            made.span_ns.store(rate.span_ns(), Relaxed);
        };
        // SAFETY: atomics and words that nobody reads.
        unsafe { segment.get_or_zeroed_then(name, say_rate) }
    }

    /// Takes one of the key's, if the limit lets it.
    ///
    /// Processes agree on a key if its [`Hash`] writes the same bytes in them: so it is with numbers, addresses,
    /// strings and slices in programs for one kind of processor.
    ///
    /// # Errors
    /// [`Limited`]: the key has taken too much, and when to try again. Nothing is taken then.
    #[inline]
    pub fn try_acquire<K: Hash + ?Sized>(&self, key: &K) -> Result<(), Limited> {
        self.try_acquire_many(key, 1)
    }

    /// Takes `number` of the key's at once, or nothing.
    ///
    /// # Errors
    /// As of [`try_acquire`](KeyedRateLimiter::try_acquire).
    pub fn try_acquire_many<K: Hash + ?Sized>(&self, key: &K, number: u32) -> Result<(), Limited> {
        let mut hasher = SipHasher::new(self.secret());
        key.hash(&mut hasher);
        self.acquire_at(process::boottime_ns(), hasher.finish(), number)
    }

    fn acquire_at(&self, now_ns: u64, hash: u64, number: u32) -> Result<(), Limited> {
        let units = self.units();
        let now = now_ns >> units.shift & TIME;
        let cost = units.interval.saturating_mul(number.into());
        if cost > units.span {
            self.denied.fetch_add(1, Relaxed);
            return Err(Limited { retry_after: Duration::MAX });
        }
        // The lowest bits choose the set, the highest are the tag. A tag of zero would be an empty word's.
        let set = &self.keys[(hash as usize % KEYS) / SET * SET..][..SET];
        let tag = (hash >> TIME_BITS).max(1);
        loop {
            let (word, seen) = choose(set, tag, now, units.span);
            let is_ours = seen >> TIME_BITS == tag;
            let ahead = if is_ours { ahead_of(seen, now, units.span) } else { 0 };
            let next = ahead + cost;
            if next > units.span {
                self.denied.fetch_add(1, Relaxed);
                return Err(Limited { retry_after: Duration::from_nanos((next - units.span) << units.shift) });
            }
            let taken = tag << TIME_BITS | (now + next) & TIME;
            if word.compare_exchange(seen, taken, Relaxed, Relaxed).is_ok() {
                if !is_ours && ahead_of(seen, now, units.span) > 0 {
                    self.evicted.fetch_add(1, Relaxed);
                }
                return Ok(());
            }
        }
    }

    /// How often the limit has said no, to any key.
    pub fn denied(&self) -> u64 {
        self.denied.load(Relaxed)
    }

    /// How many keys were forgotten before they had their burst back, for want of room. If there are many, a larger
    /// `KEYS` is needed.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// Shared bytes, so the bounds hold here and not by trust.
    #[inline]
    fn units(&self) -> Units {
        let interval_ns = self.interval_ns.load(Relaxed).clamp(1, LONGEST_NS);
        let span_ns = self.span_ns.load(Relaxed).clamp(interval_ns, LONGEST_NS);
        // The largest unit of which an interval has a thousand; 100 million intervals then are less than AHEAD.
        let shift = (interval_ns >> 10).checked_ilog2().unwrap_or(0);
        let (interval, span) = ((interval_ns >> shift).max(1), (span_ns >> shift).min(AHEAD - 1));
        Units { shift, interval, span }
    }

    #[inline]
    fn secret(&self) -> u64 {
        // Acquire and Release: only for the number itself, which no other bytes go with.
        match self.secret.load(Acquire) {
            0 => self.make_secret(),
            secret => secret,
        }
    }

    #[cold]
    fn make_secret(&self) -> u64 {
        let fresh = RandomState::new().hash_one(0) | 1;
        self.secret.compare_exchange(0, fresh, Release, Acquire).map_or_else(|theirs| theirs, |_| fresh)
    }
}

/// How far ahead of `now` a word's time is, at most the span. A time that nobody can have used up to is one long ago:
/// the times go round once in 2^40 units, a thousand million intervals.
#[inline]
fn ahead_of(word: u64, now: u64, span: u64) -> u64 {
    let ahead = (word & TIME).wrapping_sub(now) & TIME;
    // As much again, for who reads the clock, is stopped, and comes late.
    if word == 0 || ahead > span.saturating_mul(2).min(AHEAD) { 0 } else { ahead.min(span) }
}

/// The word of the tag; else one to be replaced.
#[inline]
fn choose(set: &[AtomicU64], tag: u64, now: u64, span: u64) -> (&AtomicU64, u64) {
    let mut best = (&set[0], 0, u64::MAX);
    for word in set {
        let seen = word.load(Relaxed);
        if seen >> TIME_BITS == tag {
            return (word, seen);
        }
        let ahead = ahead_of(seen, now, span);
        if ahead < best.2 {
            best = (word, seen, ahead);
        }
    }
    (best.0, best.1)
}

impl<const KEYS: usize> fmt::Debug for KeyedRateLimiter<KEYS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRateLimiter")
            .field("denied", &self.denied())
            .field("evicted", &self.evicted())
            .finish_non_exhaustive()
    }
}

/// SipHash-1-3 (Aumasson, Bernstein, 2012): who does not know the secret cannot make keys that fall together. The
/// standard library's has no promise to be the same in another program.
struct SipHasher {
    state: [u64; 4],
    /// Bytes that do not fill a word yet, and how many there were in all.
    tail: u64,
    bytes: usize,
}

impl SipHasher {
    fn new(secret: u64) -> SipHasher {
        let (k0, k1) = (secret, secret.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15);
        let state = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        SipHasher { state, tail: 0, bytes: 0 }
    }

    #[inline]
    fn round(&mut self) {
        let [v0, v1, v2, v3] = &mut self.state;
        *v0 = v0.wrapping_add(*v1);
        *v2 = v2.wrapping_add(*v3);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v1);
        *v0 = v0.wrapping_add(*v3);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.rotate_left(32);
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.state[3] ^= word;
        self.round();
        self.state[0] ^= word;
    }
}

impl Hasher for SipHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.tail |= u64::from(*byte) << (8 * (self.bytes % 8));
            self.bytes += 1;
            if self.bytes % 8 == 0 {
                let word = std::mem::take(&mut self.tail);
                self.word(word);
            }
        }
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        if self.bytes % 8 == 0 {
            self.bytes += 8;
            return self.word(number);
        }
        self.write(&number.to_ne_bytes());
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        let mut last = SipHasher { state: self.state, ..*self };
        last.word(self.tail | (self.bytes as u64) << 56);
        last.state[2] ^= 0xff;
        (0..3).for_each(|_| last.round());
        last.state.iter().fold(0, |hash, word| hash ^ word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn keys_have_limits_of_their_own() {
        let limiter = KeyedRateLimiter::<64>::new(Rate::per_second(10).burst(3));
        let now = 77 * SECOND;
        for hash in [1 << 41 | 5, 2 << 41 | 5, 3 << 41 | 5] {
            for _ in 0..3 {
                assert_eq!(limiter.acquire_at(now, hash, 1), Ok(()));
            }
            let limited = limiter.acquire_at(now, hash, 1).expect_err("a burst is over");
            let off_ns = limited.retry_after.as_nanos().abs_diff(100_000_000);
            assert!(off_ns < 1_000_000, "{limited:?}: a thousandth of the interval is lost by rounding");
        }
        let passed = (1..=10_000).filter(|ms| limiter.acquire_at(now + ms * 1_000_000, 1 << 41 | 5, 1).is_ok()).count();
        assert!((99..=101).contains(&passed), "{passed}");
        assert_eq!(limiter.evicted(), 0);
    }

    #[test]
    fn the_oldest_key_goes_and_is_counted() {
        let limiter = KeyedRateLimiter::<8>::new(Rate::per_minute(2));
        let now = 1000 * SECOND;
        let key = |number: u64| number << 41;
        for number in 1..=8 {
            assert_eq!(limiter.acquire_at(now + number * SECOND, key(number), 1), Ok(()));
        }
        assert_eq!(limiter.acquire_at(now + 9 * SECOND, key(9), 2), Ok(()));
        assert_eq!(limiter.evicted(), 1);
        // The second one is there, the first one has a new burst.
        assert_eq!(limiter.acquire_at(now + 9 * SECOND, key(2), 1), Ok(()));
        assert!(limiter.acquire_at(now + 9 * SECOND, key(2), 1).is_err());
        assert_eq!(limiter.acquire_at(now + 10 * SECOND, key(1), 2), Ok(()));
        // After their time nothing is lost with a key.
        let evicted = limiter.evicted();
        (20..28).for_each(|number| assert!(limiter.acquire_at(now + 200 * SECOND, key(number), 1).is_ok()));
        assert_eq!(limiter.evicted(), evicted);
    }

    #[test]
    fn a_key_is_forgotten_where_the_times_go_round_and_any_bytes_are_a_state() {
        let limiter = KeyedRateLimiter::<8>::new(Rate::per_second(1000).burst(1));
        let units = limiter.units();
        assert_eq!(limiter.acquire_at(SECOND, 1 << 41, 1), Ok(()));
        for rounds in 1..4 {
            let later = SECOND + ((rounds * (AHEAD / 2)) << units.shift);
            assert_eq!(limiter.acquire_at(later, 1 << 41, 1), Ok(()), "round {rounds}");
        }
        for (interval, span) in [(0, 0), (u64::MAX, u64::MAX), (1, u64::MAX), (u64::MAX, 1)] {
            limiter.interval_ns.store(interval, Relaxed);
            limiter.span_ns.store(span, Relaxed);
            for word in [0, u64::MAX, 1 << 40, TIME] {
                limiter.keys.iter().for_each(|key| key.store(word, Relaxed));
                let _any = [limiter.acquire_at(u64::MAX, 5, u32::MAX), limiter.acquire_at(0, u64::MAX, 1)];
            }
        }
    }

    #[test]
    fn hash_is_siphash_1_3_and_splits_of_the_bytes_do_not_matter() {
        let hash = |parts: &[&[u8]]| {
            let mut hasher = SipHasher::new(7);
            parts.iter().for_each(|part| hasher.write(part));
            hasher.finish()
        };
        let text: Vec<u8> = (0..40).collect();
        for cut in 0..40 {
            assert_eq!(hash(&[&text]), hash(&[&text[..cut], &text[cut..]]));
        }
        // As std's, whose algorithm this is, with the same key.
        #[allow(deprecated)]
        let mut std_hasher = std::hash::SipHasher::new_with_keys(7, 7_u64.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15);
        std_hasher.write(&text);
        assert_ne!(std_hasher.finish(), hash(&[&text]), "std's deprecated one does 2-4 rounds");
        let mut seen: Vec<_> = (0..10_000_u64)
            .map(|key| {
                let mut it = SipHasher::new(7);
                it.write_u64(key);
                it.finish() >> 40
            })
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 9_980, "{} tags of 10,000 keys", seen.len());
    }

    #[test]
    fn keys_of_all_processes_are_hashed_with_one_secret() {
        let limiter = KeyedRateLimiter::<64>::new(Rate::per_minute(1));
        assert!(limiter.try_acquire("192.0.2.7").is_ok());
        let secret = limiter.secret();
        assert!(secret != 0 && secret == limiter.secret());
        assert!(limiter.try_acquire("192.0.2.7").is_err());
        assert!(limiter.try_acquire("192.0.2.8").is_ok());
    }
}
