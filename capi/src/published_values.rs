//! Published values: a struct of fixed size that one publishes and all see at once.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::time::Duration;

use cotenant_rust::__c::Fixed;
use cotenant_rust::published::Published;

use crate::memory::say;
use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, Result, call, invalid};

/// The head of a published value, which COTENANT_PUBLISHED(type) declares; all zero at first. 8 buffers follow it.
#[repr(C, align(128))]
pub struct cotenant_published_head {
    /// For the functions below alone.
    pub words: [u64; 32],
}

const _: () = assert!(size_of::<cotenant_published_head>() == Fixed::HEAD_BYTES);
const _: () = assert!(size_of::<Published<[u8; 200]>>() == Fixed::HEAD_BYTES + 8 * 256);

/// Changes a value where it lies: `value` is a copy of the newest one, and `argument` what was passed beside it. Gives 0,
/// or anything else if nothing is to be published. It must not throw, not jump out, and not publish the same value.
pub type cotenant_change = Option<unsafe extern "C" fn(value: *mut c_void, argument: *mut c_void) -> i32>;

/// # Safety
/// Null, or a published value of that many bytes that stays mapped during the call.
unsafe fn at<'a>(published: *const cotenant_published_head, value_bytes: usize) -> Result<Fixed<'a>> {
    let published = NonNull::new(published.cast_mut().cast());
    let published = published.ok_or_else(|| invalid("the published value is a null pointer"))?;
    // SAFETY: the caller's promise.
    Ok(unsafe { Fixed::at(published, value_bytes) })
}

fn null() -> Failure {
    invalid("the value is a null pointer")
}

/// Called by what COTENANT_PUBLISHED declares: copies the newest snapshot to `value`; `sequence` gets its number (0: the
/// initial value) and may be null. After an error `value` holds anything. COTENANT_CORRUPT; COTENANT_BUSY: during each
/// of 1,000 copies all 8 buffers were published anew. Waits for nobody, and writes nothing that is shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_value_load(
    published: *const cotenant_published_head,
    value_bytes: usize,
    value: *mut c_void,
    sequence: *mut u64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a published value.
        let published = unsafe { at(published, value_bytes) }?;
        let to = NonNull::new(value).ok_or_else(null)?;
        // SAFETY: the caller passes room for a value.
        let number = unsafe { published.load(to.as_ptr().cast()) }?;
        // SAFETY: the caller passes a place, or null.
        unsafe { say(sequence, number) };
        Ok(())
    })
}

/// Called by what COTENANT_PUBLISHED declares: as cotenant_published_value_load if there is a newer snapshot than the
/// one of number *sequence, which becomes the newer one's; else nothing is changed, for the price of one load.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_value_load_if_newer(
    published: *const cotenant_published_head,
    value_bytes: usize,
    value: *mut c_void,
    sequence: *mut u64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a published value.
        let published = unsafe { at(published, value_bytes) }?;
        let to = NonNull::new(value).ok_or_else(null)?;
        // SAFETY: the caller passes a number.
        let seen = unsafe { sequence.as_mut() }.ok_or_else(|| invalid("the number is a null pointer"))?;
        if published.sequence() > *seen {
            // SAFETY: the caller passes room for a value.
            *seen = unsafe { published.load(to.as_ptr().cast()) }?;
        }
        Ok(())
    })
}

/// Called by what COTENANT_PUBLISHED declares: how often was published. 0 of a null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_value_sequence(published: *const cotenant_published_head) -> u64 {
    // SAFETY: the caller passes a published value, of which only the head is read.
    unsafe { at(published, 0) }.map_or(0, |published| published.sequence())
}

/// Called by what COTENANT_PUBLISHED declares: makes `value` the newest snapshot and wakes those who wait for it.
/// `sequence` gets its number; it may be null.
///
/// Waits for others who publish, at most timeout_ms milliseconds: then COTENANT_TIMED_OUT
/// (18,446,744,073,709,551,615: as long as it takes). One that is stopped in it holds the next ones up, one that is
/// killed does not, and leaves the snapshot before. COTENANT_WOULD_DEADLOCK: this thread publishes it already, in an
/// update. COTENANT_FULL, COTENANT_PERMISSION_DENIED, COTENANT_CORRUPT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_value_publish(
    published: *mut cotenant_published_head,
    value_bytes: usize,
    value: *const c_void,
    timeout_ms: u64,
    sequence: *mut u64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a published value.
        let published = unsafe { at(published, value_bytes) }?;
        let from = NonNull::new(value.cast_mut()).ok_or_else(null)?;
        // SAFETY: the caller passes a value.
        let number = unsafe { published.publish(from.as_ptr().cast_const().cast(), patience(timeout_ms)) }?;
        // SAFETY: the caller passes a place, or null.
        unsafe { say(sequence, number) };
        Ok(())
    })
}

fn patience(timeout_ms: u64) -> Option<Duration> {
    (timeout_ms != u64::MAX).then(|| Duration::from_millis(timeout_ms))
}

/// Called by what COTENANT_PUBLISHED declares: publishes what `change` makes of the newest snapshot; nobody else
/// publishes in between. COTENANT_CANCELLED: `change` gave another number than 0, and nothing is published. A process
/// that is killed in `change` leaves the snapshot before. COTENANT_UNSUPPORTED: `change` forked, and this is the child.
/// Else as cotenant_published_value_publish.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_value_update(
    published: *mut cotenant_published_head,
    value_bytes: usize,
    change: cotenant_change,
    argument: *mut c_void,
    timeout_ms: u64,
    sequence: *mut u64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a published value.
        let published = unsafe { at(published, value_bytes) }?;
        let change = change.ok_or_else(|| invalid("the function that changes the value is a null pointer"))?;
        // SAFETY: the caller's function, with what it was promised.
        let run = |value: NonNull<u8>| unsafe { change(value.as_ptr().cast(), argument) == 0 };
        let number = published.update(patience(timeout_ms), run)?.ok_or_else(cancelled)?;
        // SAFETY: the caller passes a place, or null.
        unsafe { say(sequence, number) };
        Ok(())
    })
}

pub(crate) fn cancelled() -> Failure {
    let message = "what was to change a published value said that it cannot; nothing is published".to_owned();
    Failure { status: COTENANT_CANCELLED, message }
}

/// Called by what COTENANT_PUBLISHED declares: waits until there is a newer snapshot than the one of number `seen`, at
/// most timeout_ms milliseconds: then COTENANT_TIMED_OUT. With `is_reader` it looks, after 50 us, doubling to 10 ms, and
/// writes nothing that is shared; else it sleeps and is woken, and a publisher that is killed just before it wakes the
/// others is noticed within 0.1 s.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_value_wait_newer(
    published: *const cotenant_published_head,
    seen: u64,
    timeout_ms: u64,
    is_reader: bool,
) -> cotenant_status {
    call(|| {
        let timeout = Duration::from_millis(timeout_ms);
        // SAFETY: the caller passes a published value, of which only the head is used.
        let published = unsafe { at(published, 0) }?;
        let is_newer =
            if is_reader { published.look_for_newer(seen, timeout) } else { published.wait_newer(seen, timeout) };
        is_newer.then_some(()).ok_or_else(|| timed_out(seen))
    })
}

pub(crate) fn timed_out(seen: u64) -> Failure {
    let message = format!("nothing newer than publish {seen} was published in time");
    Failure { status: COTENANT_TIMED_OUT, message }
}
