//! Texts: UTF-8 of a bounded length that lies where it is put, the `value::Text` of Rust.

use std::ffi::{CStr, c_char};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU8, AtomicU32, compiler_fence};

use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, call, invalid};

/// Puts a text into a variable of `capacity` bytes: what the macro COTENANT_TEXT_SET calls.
///
/// COTENANT_NO_SPACE: it does not fit; COTENANT_INVALID_INPUT: it is not UTF-8. Nothing was changed then. A process that
/// is killed in it leaves the old text, none, or the new one. Two that set a text at the same time may leave a mixture,
/// and who reads meanwhile may see one: put a lock beside it if there is more than one who sets it. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_text_set(
    length: *mut u32,
    bytes: *mut c_char,
    capacity: usize,
    text: *const c_char,
) -> cotenant_status {
    call(|| {
        if text.is_null() {
            return Err(invalid("the text is a null pointer"));
        }
        // SAFETY: the caller passes a C string.
        let text = unsafe { CStr::from_ptr(text) };
        let text = text.to_str().map_err(|_| invalid("the text is not UTF-8"))?;
        if text.len() > capacity {
            let message = format!("a text of {} bytes does not fit into {capacity}", text.len());
            return Err(Failure { status: COTENANT_NO_SPACE, message });
        }
        // SAFETY: the caller passes the fields of one text, which others access by such atomics.
        let length = unsafe { AtomicU32::from_ptr(length) };
        // Killed from here on: no text.
        length.store(0, Release);
        compiler_fence(SeqCst);
        for (at, byte) in text.bytes().enumerate() {
            // SAFETY: as above, within the capacity.
            let to = unsafe { AtomicU8::from_ptr(bytes.wrapping_add(at).cast()) };
            to.store(byte, Relaxed);
        }
        // Release pairs with the Acquire in `cotenant_text_get`: who sees the length sees the bytes.
        length.store(text.len() as u32, Release);
        Ok(())
    })
}

/// Copies a text of at most `capacity` bytes to `out`, with a zero byte behind it, and gives its length: what the macro
/// COTENANT_TEXT_GET calls. `out` has `out_bytes`; what does not fit is cut off, between characters. Bytes that are no
/// UTF-8 (a writer was killed, or two wrote at once) end the text. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_text_get(
    length: *const u32,
    bytes: *const c_char,
    capacity: usize,
    out: *mut c_char,
    out_bytes: usize,
) -> usize {
    if out_bytes == 0 {
        return 0;
    }
    // SAFETY: the caller passes the fields of one text, which others access by such atomics.
    let length = unsafe { AtomicU32::from_ptr(length.cast_mut()) };
    let wanted = (length.load(Acquire) as usize).min(capacity).min(out_bytes - 1);
    for at in 0..wanted {
        // SAFETY: as above, within the capacity.
        let from = unsafe { AtomicU8::from_ptr(bytes.wrapping_add(at).cast_mut().cast()) };
        // SAFETY: within what the caller has room for.
        unsafe { out.wrapping_add(at).write(from.load(Relaxed) as c_char) };
    }
    // SAFETY: just written.
    let copied = unsafe { std::slice::from_raw_parts(out.cast::<u8>(), wanted) };
    let end = match std::str::from_utf8(copied) {
        Ok(text) => text.len(),
        Err(error) => error.valid_up_to(),
    };
    // SAFETY: `wanted`, and so `end`, is less than `out_bytes`.
    unsafe { out.wrapping_add(end).write(0) };
    end
}
