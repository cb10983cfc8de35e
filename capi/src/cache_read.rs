//! Reading a cache: copies, entries in place, all entries.

use std::ffi::c_void;
use std::time::Duration;

use cotenant_rust::cache::{CacheEntry, Pinned};

use crate::cache::{Handle, cotenant_cache, found, handle, whole_ms, writable};
use crate::memory::{key, room, say};
use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, Result, call, invalid};

/// An entry's value in place, of cotenant_cache_pin.
#[repr(C)]
pub struct cotenant_cache_pinned {
    /// The value: not to be written. On 8 bytes.
    pub bytes: *const c_void,
    /// Its length in bytes.
    pub length: usize,
    /// Its version, for cotenant_cache_compare_and_swap.
    pub version: u64,
    /// The library's own.
    pub held: *mut c_void,
}

/// An entry, of cotenant_cache_for_each: a copy that stays during the call that gets it.
#[repr(C)]
pub struct cotenant_cache_entry {
    /// The key.
    pub key: *const c_void,
    /// Its length in bytes.
    pub key_length: usize,
    /// The value.
    pub value: *const c_void,
    /// Its length in bytes.
    pub value_length: usize,
    /// Its version, for cotenant_cache_compare_and_swap.
    pub version: u64,
    /// How long it still lives, in milliseconds; UINT64_MAX: until it is thrown out.
    pub expires_in_ms: u64,
}

/// Gets one entry after the other; gives 0 to go on, anything else to end. It may use the cache. It must not throw, and
/// not jump out.
pub type cotenant_cache_visit =
    Option<unsafe extern "C" fn(entry: *const cotenant_cache_entry, argument: *mut c_void) -> i32>;

fn too_short(length: usize, capacity: usize) -> Failure {
    let message = format!("a value of {length} bytes of the cache does not fit into {capacity}");
    Failure { status: COTENANT_NO_SPACE, message }
}

/// Copies a value to the caller's buffer, and says how long it is, also if it does not fit.
///
/// # Safety
/// As of [`room`]; null, or a place for a length.
pub(crate) unsafe fn give(value: &[u8], buffer: *mut c_void, capacity: usize, length: *mut usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { say(length, value.len()) };
    // SAFETY: the caller's promise.
    let room = unsafe { room(buffer, capacity) }?;
    let room = room.get_mut(..value.len()).ok_or_else(|| too_short(value.len(), capacity))?;
    room.copy_from_slice(value);
    Ok(())
}

/// Copies the value of an entry that has not expired to `buffer`, which has room for `capacity` bytes; `length` gets its
/// length, and may be null. The buffer is not to overlap the key. COTENANT_NOT_FOUND: there is none. COTENANT_NO_SPACE: it is longer than the buffer, which is
/// as it was; `length` is told. Takes no lock and waits for nobody (docs/cache.md has the exception); of a process that
/// writes it stores at most one word of the index, once for each entry and period.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_get(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
    buffer: *mut c_void,
    capacity: usize,
    length: *mut usize,
) -> cotenant_status {
    found(|| {
        // SAFETY: the caller passes a cache.
        let cache = unsafe { handle(cache) }?;
        // SAFETY: the caller passes a key.
        let key = unsafe { self::key(key, key_length) }?;
        // SAFETY: the caller passes a buffer.
        let room = unsafe { room(buffer, capacity) }?;
        let found = match cache {
            Handle::Writable(cache) => cache.get_into_slice(key, room),
            Handle::ReadOnly(cache) => cache.get_into_slice(key, room),
        };
        let Some(bytes) = found else { return Ok(false) };
        // SAFETY: the caller passes a place, or null.
        unsafe { say(length, bytes) };
        if bytes <= capacity { Ok(true) } else { Err(too_short(bytes, capacity)) }
    })
}

/// As cotenant_cache_get; `version` gets the value's, for cotenant_cache_compare_and_swap: no two values of a key have
/// the same. Not of a reader: COTENANT_UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_get_versioned(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
    buffer: *mut c_void,
    capacity: usize,
    length: *mut usize,
    version: *mut u64,
) -> cotenant_status {
    found(|| {
        // SAFETY: the caller passes a cache.
        let cache = unsafe { writable(cache) }?;
        // SAFETY: the caller passes a key.
        let Some(read) = cache.get_versioned(unsafe { self::key(key, key_length) }?) else { return Ok(false) };
        // SAFETY: the caller passes a buffer and a place.
        unsafe { give(&read.value, buffer, capacity, length) }?;
        // SAFETY: the caller passes a place, or null.
        unsafe { say(version, read.version) };
        Ok(true)
    })
}

/// As cotenant_cache_get, also of an entry whose time is over and which is still there: `expired_for_ms` gets since when
/// that is, in milliseconds, and -1 if it is not over; it may be null. Not of a reader: COTENANT_UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_get_stale(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
    buffer: *mut c_void,
    capacity: usize,
    length: *mut usize,
    expired_for_ms: *mut i64,
) -> cotenant_status {
    found(|| {
        // SAFETY: the caller passes a cache.
        let cache = unsafe { writable(cache) }?;
        // SAFETY: the caller passes a key.
        let Some(read) = cache.get_stale(unsafe { self::key(key, key_length) }?) else { return Ok(false) };
        // SAFETY: the caller passes a buffer and a place.
        unsafe { give(&read.value, buffer, capacity, length) }?;
        let since = read.expired_for.map_or(-1, |time| i64::try_from(whole_ms(time)).unwrap_or(i64::MAX));
        // SAFETY: the caller passes a place, or null.
        unsafe { say(expired_for_ms, since) };
        Ok(true)
    })
}

/// Whether there is an entry of that key that has not expired. Counts as neither hit nor miss. Waits for nobody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_contains(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
) -> bool {
    let status = found(|| {
        // SAFETY: the caller passes a cache.
        let cache = unsafe { handle(cache) }?;
        // SAFETY: the caller passes a key.
        let key = unsafe { self::key(key, key_length) }?;
        Ok(match cache {
            Handle::Writable(cache) => cache.contains(key),
            Handle::ReadOnly(cache) => cache.contains(key),
        })
    });
    status == COTENANT_OK
}

/// The value of an entry that has not expired, in place, until cotenant_cache_unpin; before that the cache must not be
/// closed. COTENANT_NOT_FOUND: there is none, and `pinned` is as it was. The entry may be replaced, removed or thrown out
/// meanwhile: the bytes stay what they were, and the memory around them is not used for others; so copy what is kept for
/// long. A process that is killed gives its pins back. In a child of a fork a pin of its parent's protects nothing.
///
/// COTENANT_FULL: all pins of the cache are in use. COTENANT_UNSUPPORTED: of a reader. COTENANT_PERMISSION_DENIED. Waits
/// for nobody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_pin(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
    pinned: *mut cotenant_cache_pinned,
) -> cotenant_status {
    found(|| {
        if pinned.is_null() {
            return Err(invalid("the place for the pin is a null pointer"));
        }
        // SAFETY: the caller passes a cache, which stays until it is unpinned.
        let cache = unsafe { writable(cache) }?;
        // SAFETY: the caller passes a key.
        let Some(pin) = cache.pin(unsafe { self::key(key, key_length) }?)? else { return Ok(false) };
        let (bytes, length, version) = (pin.as_ptr().cast(), pin.len(), pin.version());
        let held = Box::into_raw(Box::new(pin)).cast();
        // SAFETY: a place, which is written only.
        unsafe { pinned.write(cotenant_cache_pinned { bytes, length, version, held }) };
        Ok(true)
    })
}

/// Gives a pin back, once, by any thread: its bytes must not be looked at any more. Of a null pointer, and of one that
/// was given back or is all zero, it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_unpin(pinned: *mut cotenant_cache_pinned) {
    call(|| {
        // SAFETY: the caller passes a pin, or null.
        let Some(pinned) = (unsafe { pinned.as_mut() }) else { return Ok(()) };
        let held = std::mem::replace(&mut pinned.held, std::ptr::null_mut());
        (pinned.bytes, pinned.length) = (std::ptr::null(), 0);
        if !held.is_null() {
            // SAFETY: made by `cotenant_cache_pin`, and freed here alone.
            drop(unsafe { Box::from_raw(held.cast::<Pinned<'_>>()) });
        }
        Ok(())
    });
}

/// Calls `visit` with a copy of each entry that has not expired, and with `argument`, until it gives anything but 0.
/// What is inserted or removed meanwhile comes or not; what is there all the time comes, perhaps twice if the cache
/// grows. Takes no lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_for_each(
    cache: *const cotenant_cache,
    visit: cotenant_cache_visit,
    argument: *mut c_void,
) -> cotenant_status {
    call(|| {
        let visit = visit.ok_or_else(|| invalid("the function is a null pointer"))?;
        // SAFETY: the caller passes a cache.
        let entries = match unsafe { handle(cache) }? {
            Handle::Writable(cache) => cache.iter(),
            Handle::ReadOnly(cache) => cache.iter(),
        };
        for entry in entries {
            let shown = shown(&entry);
            // SAFETY: the caller passes a function that takes these.
            if unsafe { visit(&raw const shown, argument) } != 0 {
                break;
            }
        }
        Ok(())
    })
}

fn shown(entry: &CacheEntry) -> cotenant_cache_entry {
    cotenant_cache_entry {
        key: entry.key.as_ptr().cast(),
        key_length: entry.key.len(),
        value: entry.value.as_ptr().cast(),
        value_length: entry.value.len(),
        version: entry.version,
        expires_in_ms: entry.expires_in.map_or(u64::MAX, |time: Duration| whole_ms(time).min(u64::MAX - 1)),
    }
}
