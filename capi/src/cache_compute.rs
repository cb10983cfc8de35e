//! Single flight: what is missing is computed once, by one of all processes.

use std::ffi::c_void;
use std::time::Duration;

use crate::cache::{cotenant_cache, ttl, writable};
use crate::cache_read::give;
use crate::memory::{self, key};
use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, Result, call, invalid};

/// A value that is being computed. Opaque: a cotenant_cache_make gets it, and appends to it.
pub struct cotenant_cache_made {
    value: Vec<u8>,
}

/// Computes the value of a key: appends it to `made` by cotenant_cache_made_append, piece by piece. `argument` is what
/// was passed beside it. Gives 0, or anything else if it cannot: nothing is inserted then, and one of those who wait
/// computes. It holds no lock of the cache, and may ask for other keys. It must not throw, and not jump out.
pub type cotenant_cache_make =
    Option<unsafe extern "C" fn(made: *mut cotenant_cache_made, argument: *mut c_void) -> i32>;

/// Why a value was not computed.
enum NotMade {
    Failed(Failure),
    Error(cotenant_rust::Error),
}

impl From<cotenant_rust::Error> for NotMade {
    fn from(error: cotenant_rust::Error) -> NotMade {
        NotMade::Error(error)
    }
}

impl From<NotMade> for Failure {
    fn from(why: NotMade) -> Failure {
        match why {
            NotMade::Failed(failure) => failure,
            NotMade::Error(error) => error.into(),
        }
    }
}

/// Appends bytes to a value that is being computed: in the call that gets it, and by its thread. COTENANT_INVALID_INPUT;
/// COTENANT_NO_SPACE: this process has no memory for them, and nothing was appended. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_made_append(
    made: *mut cotenant_cache_made,
    bytes: *const c_void,
    length: usize,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes what its function got.
        let made = unsafe { made.as_mut() }.ok_or_else(|| invalid("what is made is a null pointer"))?;
        // SAFETY: the caller passes bytes.
        let bytes = unsafe { memory::bytes(bytes, length) }?;
        made.value.try_reserve(bytes.len()).map_err(|_| Failure {
            status: COTENANT_NO_SPACE,
            message: format!("this process has no memory for {length} bytes more of a value that is computed"),
        })?;
        made.value.extend_from_slice(bytes);
        Ok(())
    })
}

fn run(make: cotenant_cache_make, argument: *mut c_void) -> std::result::Result<Vec<u8>, NotMade> {
    let make = make.ok_or_else(|| NotMade::Failed(invalid("the function is a null pointer")))?;
    let mut made = cotenant_cache_made { value: Vec::new() };
    // SAFETY: the caller passes a function that takes these.
    if unsafe { make(&raw mut made, argument) } == 0 {
        return Ok(made.value);
    }
    let message = "the function that computes an entry of the cache said that it cannot".to_owned();
    Err(NotMade::Failed(Failure { status: COTENANT_CANCELLED, message }))
}

/// The value of a key, as cotenant_cache_get copies it; if there is none, `make` computes it and it is inserted for
/// `ttl_ms` milliseconds (0: until it is thrown out). Of all who ask for it meanwhile, in all processes, one computes and
/// the others wait; if that one is killed, or cannot (COTENANT_CANCELLED of it alone), one of those who wait computes.
///
/// What is computed is given also if the cache cannot take it. COTENANT_NO_SPACE: the value is longer than the buffer;
/// `length` is told, and the next call finds the value, if the cache took it. COTENANT_WOULD_DEADLOCK: `make` asked for
/// the key that it computes. Those who compute what the other one asks for do not wait for each other. Else as
/// cotenant_cache_insert.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_get_or_insert(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
    ttl_ms: u64,
    make: cotenant_cache_make,
    argument: *mut c_void,
    buffer: *mut c_void,
    capacity: usize,
    length: *mut usize,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a cache.
        let cache = unsafe { writable(cache) }?;
        // SAFETY: the caller passes a key.
        let key = unsafe { self::key(key, key_length) }?;
        let value: Result<_> =
            cache.try_get_or_insert_with(key, ttl(ttl_ms), || run(make, argument)).map_err(Into::into);
        // SAFETY: the caller passes a buffer and a place.
        unsafe { give(&value?, buffer, capacity, length) }
    })
}

/// Stale while it is computed: as cotenant_cache_get_or_insert, but an entry whose time has been over for at most
/// `stale_for_ms` milliseconds is given while somebody else computes it anew. `ttl_ms` is not 0: COTENANT_INVALID_INPUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_get_or_refresh(
    cache: *const cotenant_cache,
    key: *const c_void,
    key_length: usize,
    ttl_ms: u64,
    stale_for_ms: u64,
    make: cotenant_cache_make,
    argument: *mut c_void,
    buffer: *mut c_void,
    capacity: usize,
    length: *mut usize,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a cache.
        let cache = unsafe { writable(cache) }?;
        // SAFETY: the caller passes a key.
        let key = unsafe { self::key(key, key_length) }?;
        let ttl = ttl(ttl_ms).ok_or_else(|| invalid("`ttl_ms` is 0: what never expires is not refreshed"))?;
        let stale_for = Duration::from_millis(stale_for_ms);
        let value = cache.try_get_or_refresh_with(key, ttl, stale_for, || run(make, argument));
        let value: Result<_> = value.map_err(Into::into);
        // SAFETY: the caller passes a buffer and a place.
        unsafe { give(&value?, buffer, capacity, length) }
    })
}
