//! Rate limits: so many in a time, whichever processes ask.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use cotenant_rust::limit::{KeyedRateLimiter, Limited, Rate, RateLimiter};

use crate::memory::{key, say};
use crate::segment::{at, cotenant_segment, out, text};
use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, Result, call, invalid};

/// A limit that all processes keep, or one for each of many keys. Opaque: made by cotenant_limiter_open or
/// cotenant_keyed_limiter_open, freed by cotenant_limiter_close. Threads may share it. Rust's RateLimiter, or
/// KeyedRateLimiter of that many keys, of the same segment and name is the same object.
pub struct cotenant_limiter {
    limits: Limits,
}

enum Limits {
    All(&'static RateLimiter),
    Small(&'static KeyedRateLimiter<1024>),
    Medium(&'static KeyedRateLimiter<8192>),
    Large(&'static KeyedRateLimiter<65536>),
}

/// `number` in each `time_ms` milliseconds, and `burst` at once; 0: `number` at once.
fn rate(number: u32, time_ms: u64, burst: u32) -> Result<Rate> {
    let time_ns = u128::from(time_ms) * 1_000_000;
    const LONGEST_MS: u64 = 30 * 24 * 3600 * 1000;
    if number == 0 || time_ms == 0 || time_ms > LONGEST_MS || time_ns < u128::from(number) {
        return Err(invalid("a rate is one or more in a time of up to 30 days, at most one in a nanosecond"));
    }
    let burst = if burst == 0 { number } else { burst };
    if time_ns / u128::from(number) * u128::from(burst) > u128::from(LONGEST_MS) * 1_000_000 || burst > 100_000_000 {
        return Err(invalid("a burst gathers in up to 30 days, and is at most 100 million"));
    }
    Ok(Rate::per(Duration::from_millis(time_ms), number).burst(burst))
}

/// The limiter of that name in a segment; makes it if there is none: `number` in each time_ms milliseconds, `burst` of
/// them at once (0: all of `number`). Who comes later finds the maker's rate.
///
/// Close the handle before the segment. Blocks while another one makes it. COTENANT_MISMATCH: an object of that name is
/// none. COTENANT_INVALID_INPUT, COTENANT_NO_SPACE, COTENANT_BUSY, COTENANT_CORRUPT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_limiter_open(
    segment: *const cotenant_segment,
    name: *const c_char,
    number: u32,
    time_ms: u64,
    burst: u32,
    limiter: *mut *mut cotenant_limiter,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a segment.
        let segment = &unsafe { at(segment) }?.segment;
        // SAFETY: the caller passes a place.
        let place = unsafe { out(limiter) }?;
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the limiter") }?;
        let rate = rate(number, time_ms, burst)?;
        let found = segment.get_or_init(name, || RateLimiter::new(rate))?;
        // SAFETY: only the lifetime is forgotten: the caller closes it before the segment.
        let limits = Limits::All(unsafe { &*std::ptr::from_ref(found) });
        *place = Box::into_raw(Box::new(cotenant_limiter { limits }));
        Ok(())
    })
}

/// As cotenant_limiter_open, a limit for each key. It remembers `keys` of them: 1,024, 8,192 or 65,536; other numbers
/// are rounded up to one of these. If more are in use within the time of a burst, those that are nearest to having it
/// all are forgotten.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_keyed_limiter_open(
    segment: *const cotenant_segment,
    name: *const c_char,
    keys: u32,
    number: u32,
    time_ms: u64,
    burst: u32,
    limiter: *mut *mut cotenant_limiter,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a segment.
        let segment = &unsafe { at(segment) }?.segment;
        // SAFETY: the caller passes a place.
        let place = unsafe { out(limiter) }?;
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the limiter") }?;
        let rate = rate(number, time_ms, burst)?;
        let limits = match keys {
            ..=1024 => {
                let table = KeyedRateLimiter::open_or_create(segment, name, rate)?;
                // SAFETY: only lifetimes are forgotten: the caller closes it before the segment.
                Limits::Small(unsafe { forever(table) })
            }
            1025..=8192 => {
                let table = KeyedRateLimiter::open_or_create(segment, name, rate)?;
                // SAFETY: as above.
                Limits::Medium(unsafe { forever(table) })
            }
            8193..=65536 => {
                let table = KeyedRateLimiter::open_or_create(segment, name, rate)?;
                // SAFETY: as above.
                Limits::Large(unsafe { forever(table) })
            }
            _ => return Err(invalid("a limiter remembers at most 65,536 keys")),
        };
        *place = Box::into_raw(Box::new(cotenant_limiter { limits }));
        Ok(())
    })
}

/// # Safety
/// The value is not used after what it borrows from is gone.
unsafe fn forever<T>(value: &T) -> &'static T {
    // SAFETY: the caller's promise.
    unsafe { &*std::ptr::from_ref(value) }
}

/// Takes `number` at once, or nothing: COTENANT_WOULD_BLOCK, and `retry_after_ns` gets the nanoseconds until there will
/// be enough (18,446,744,073,709,551,615: never, it is more than a burst); it may be null. Of a keyed limiter `key`
/// is `key_length` bytes, as Rust's slice of bytes; of another one null and 0. COTENANT_INVALID_INPUT.
///
/// Waits for nobody. A process that is killed has taken what it was told that it has, or not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_limiter_acquire(
    limiter: *const cotenant_limiter,
    key_bytes: *const c_void,
    key_length: usize,
    number: u32,
    retry_after_ns: *mut u64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a handle.
        let limiter = unsafe { limiter.as_ref() }.ok_or_else(|| invalid("the limiter is a null pointer"))?;
        // SAFETY: the caller passes a key.
        let key = unsafe { key(key_bytes, key_length) }?;
        let taken = match &limiter.limits {
            Limits::All(_) if !key.is_empty() => return Err(invalid("this limiter has no keys")),
            Limits::All(limiter) => limiter.try_acquire_many(number),
            Limits::Small(limiter) => limiter.try_acquire_many(key, number),
            Limits::Medium(limiter) => limiter.try_acquire_many(key, number),
            Limits::Large(limiter) => limiter.try_acquire_many(key, number),
        };
        // SAFETY: the caller passes a place, or null.
        unsafe { tell(taken, retry_after_ns) }
    })
}

/// # Safety
/// A place for a number, or null.
unsafe fn tell(taken: std::result::Result<(), Limited>, retry_after_ns: *mut u64) -> Result<()> {
    let Err(limited @ Limited { retry_after, .. }) = taken else { return Ok(()) };
    // SAFETY: the caller's promise.
    unsafe { say(retry_after_ns, u64::try_from(retry_after.as_nanos()).unwrap_or(u64::MAX)) };
    Err(Failure { status: COTENANT_WOULD_BLOCK, message: limited.to_string() })
}

/// A limit as a variable, `RateLimiter` in Rust: `F(rate_limiter, api, COTENANT_RATE(100, 1000, 20))` in a block lets 100
/// through in each 1,000 milliseconds, and 20 of them at once. Zero is one each nanosecond, and never more.
#[repr(C, align(8))]
pub struct cotenant_rate_limiter {
    /// For the functions below alone, after its initial value.
    pub interval_ns: u64,
    /// As above.
    pub span_ns: u64,
    /// Zero at first.
    pub words: [u64; 2],
}

/// A limit for each of 1,024 keys as a variable, `KeyedRateLimiter` in Rust:
/// `F(keyed_rate_limiter, logins, COTENANT_KEYED_RATE(5, 60000, 5))`.
#[repr(C, align(64))]
pub struct cotenant_keyed_rate_limiter {
    /// For the functions below alone, after its initial value.
    pub interval_ns: u64,
    /// As above.
    pub span_ns: u64,
    /// Zero at first.
    pub words: [u64; 1030],
}

const _: () = {
    assert!(size_of::<cotenant_rate_limiter>() == size_of::<RateLimiter>());
    assert!(size_of::<cotenant_keyed_rate_limiter>() == size_of::<KeyedRateLimiter>());
};

/// As cotenant_limiter_acquire, of a limit that is a variable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_rate_limiter_acquire(
    limiter: *mut cotenant_rate_limiter,
    number: u32,
    retry_after_ns: *mut u64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a limiter; all that is in it is atomics.
        let limiter = unsafe { limiter.cast::<RateLimiter>().as_ref() };
        let limiter = limiter.ok_or_else(|| invalid("the limiter is a null pointer"))?;
        // SAFETY: the caller passes a place, or null.
        unsafe { tell(limiter.try_acquire_many(number), retry_after_ns) }
    })
}

/// As cotenant_limiter_acquire, of a limit for each key that is a variable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_keyed_rate_limiter_acquire(
    limiter: *mut cotenant_keyed_rate_limiter,
    key_bytes: *const c_void,
    key_length: usize,
    number: u32,
    retry_after_ns: *mut u64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a limiter; all that is in it is atomics.
        let limiter = unsafe { limiter.cast::<KeyedRateLimiter>().as_ref() };
        let limiter = limiter.ok_or_else(|| invalid("the limiter is a null pointer"))?;
        // SAFETY: the caller passes a key.
        let key = unsafe { key(key_bytes, key_length) }?;
        // SAFETY: the caller passes a place, or null.
        unsafe { tell(limiter.try_acquire_many(key, number), retry_after_ns) }
    })
}

/// Frees the handle; the limit stays. Of a null pointer it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_limiter_close(limiter: *mut cotenant_limiter) {
    call(|| {
        if !limiter.is_null() {
            // SAFETY: made by this file, and freed here alone.
            drop(unsafe { Box::from_raw(limiter) });
        }
        Ok(())
    });
}
