//! Writing a cache: insert and its kin.

use std::ffi::c_void;

use cotenant_rust::cache::Swap;

use crate::cache::{cotenant_cache, found, ttl, writable};
use crate::memory::{given, key, say};
use crate::status::cotenant_status::{self, *};
use crate::status::{Result, call};

/// # Safety
/// Both as of [`given`].
unsafe fn entry<'a>(
    key: *const c_void,
    key_length: usize,
    value: *const c_void,
    value_length: usize,
) -> Result<(&'a [u8], &'a [u8])> {
    // SAFETY: the caller's promise.
    let key = unsafe { self::key(key, key_length) }?;
    // SAFETY: the caller's promise.
    Ok((key, unsafe { given(value.cast(), value_length, "the value is") }?))
}

/// Puts an entry into the cache, in the place of the one of its key. `ttl_ms` says how long it is to live, in
/// milliseconds; 0: until it is thrown out.
///
/// Waits for others who change the same part of the cache at that moment, which takes microseconds.
/// COTENANT_INVALID_INPUT: longer than cotenant_cache_max_entry_bytes. COTENANT_NO_SPACE: all memory that could be freed
/// is pinned. COTENANT_BUSY: another process has been stopped in the middle of a change for half a minute; one that is
/// killed holds nobody up. COTENANT_UNSUPPORTED: of a reader. COTENANT_FULL, COTENANT_PERMISSION_DENIED: a child of a
/// fork could not become a participant. COTENANT_CORRUPT. All calls that change the cache may give these.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_insert(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
    value: *const c_void,
    value_length: usize,
    ttl_ms: u64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a cache.
        let cache = unsafe { writable(cache) }?;
        // SAFETY: the caller passes a key and a value.
        let (key, value) = unsafe { entry(key, key_length, value, value_length) }?;
        Ok(cache.insert(key, value, ttl(ttl_ms))?)
    })
}

/// As cotenant_cache_insert, if there is no entry of that key or its time is over; else COTENANT_ALREADY_EXISTS, which
/// is an answer and leaves no message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_insert_if_absent(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
    value: *const c_void,
    value_length: usize,
    ttl_ms: u64,
) -> cotenant_status {
    let status = found(|| {
        // SAFETY: the caller passes a cache.
        let cache = unsafe { writable(cache) }?;
        // SAFETY: the caller passes a key and a value.
        let (key, value) = unsafe { entry(key, key_length, value, value_length) }?;
        Ok(cache.insert_if_absent(key, value, ttl(ttl_ms))?)
    });
    if status == COTENANT_NOT_FOUND { COTENANT_ALREADY_EXISTS } else { status }
}

/// As cotenant_cache_insert, if there is an entry of that key that has not expired; else COTENANT_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_replace(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
    value: *const c_void,
    value_length: usize,
    ttl_ms: u64,
) -> cotenant_status {
    found(|| {
        // SAFETY: the caller passes a cache.
        let cache = unsafe { writable(cache) }?;
        // SAFETY: the caller passes a key and a value.
        let (key, value) = unsafe { entry(key, key_length, value, value_length) }?;
        Ok(cache.replace(key, value, ttl(ttl_ms))?)
    })
}

/// As cotenant_cache_insert, if the entry still has the version in `version`, of cotenant_cache_get_versioned; `version`
/// gets that of the new value. COTENANT_ALREADY_EXISTS: somebody was first; `version` gets theirs, and nothing was
/// changed. COTENANT_NOT_FOUND: there is no entry. These two are answers and leave no message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_compare_and_swap(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
    value: *const c_void,
    value_length: usize,
    ttl_ms: u64,
    version: *mut u64,
) -> cotenant_status {
    let mut has_changed = false;
    let status = found(|| {
        // SAFETY: the caller passes a cache.
        let cache = unsafe { writable(cache) }?;
        // SAFETY: the caller passes a place.
        let version = unsafe { version.as_mut() };
        let version = version.ok_or_else(|| crate::status::invalid("the place for the version is a null pointer"))?;
        // SAFETY: the caller passes a key and a value.
        let (key, value) = unsafe { entry(key, key_length, value, value_length) }?;
        match cache.compare_and_swap(key, *version, value, ttl(ttl_ms))? {
            Swap::Done(now) => *version = now,
            Swap::Changed(now) => (*version, has_changed) = (now, true),
            Swap::Absent => return Ok(false),
        }
        Ok(true)
    });
    if has_changed { COTENANT_ALREADY_EXISTS } else { status }
}

/// Removes an entry: COTENANT_NOT_FOUND if there was none that had not expired. As cotenant_cache_insert.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_remove(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
) -> cotenant_status {
    found(|| {
        // SAFETY: the caller passes a cache.
        let cache = unsafe { writable(cache) }?;
        // SAFETY: the caller passes a key.
        Ok(cache.remove(unsafe { self::key(key, key_length) }?)?)
    })
}

/// Adds `by` to a number; `sum` gets the sum, and may be null. Without an entry the number is `initial` (and `by` is not
/// added), and lives for `ttl_ms_if_new` milliseconds, 0: until it is thrown out. The value is an int64_t in the
/// machine's order. COTENANT_INVALID_INPUT: it is no number, or the sum has more than 64 bits; nothing was changed. As
/// cotenant_cache_insert.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_increment(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
    by: i64,
    initial: i64,
    ttl_ms_if_new: u64,
    sum: *mut i64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a cache.
        let cache = unsafe { writable(cache) }?;
        // SAFETY: the caller passes a key.
        let now = cache.increment(unsafe { self::key(key, key_length) }?, by, initial, ttl(ttl_ms_if_new))?;
        // SAFETY: the caller passes a place, or null.
        unsafe { say(sum, now) };
        Ok(())
    })
}

/// Gives an entry another time to live, from now on, in milliseconds; 0: until it is thrown out. COTENANT_NOT_FOUND:
/// there is none that has not expired. As cotenant_cache_insert.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_touch(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
    ttl_ms: u64,
) -> cotenant_status {
    found(|| {
        // SAFETY: the caller passes a cache.
        let cache = unsafe { writable(cache) }?;
        // SAFETY: the caller passes a key.
        Ok(cache.touch(unsafe { self::key(key, key_length) }?, ttl(ttl_ms))?)
    })
}

/// Removes all entries, one part of the cache after the other. As cotenant_cache_insert. Killed in it, a process leaves
/// some parts cleared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_clear(cache: *const cotenant_cache) -> cotenant_status {
    // SAFETY: the caller passes a cache.
    call(|| Ok(unsafe { writable(cache) }?.clear()?))
}

/// Makes the budget so many bytes, while others use the cache; nothing if it is as large already. It can grow fifteen
/// times, and up to max_capacity_bytes: else COTENANT_NO_SPACE, and nothing was changed. COTENANT_UNSUPPORTED,
/// COTENANT_CORRUPT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_grow(cache: *const cotenant_cache, capacity_bytes: u64) -> cotenant_status {
    // SAFETY: the caller passes a cache.
    call(|| Ok(unsafe { writable(cache) }?.grow(capacity_bytes)?))
}
