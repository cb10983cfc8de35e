//! Flags: features that are on for so many of a hundred keys, the same ones in every process.

use std::ffi::{c_char, c_void};

use cotenant_rust::published::{Flag, Rollout};

use crate::memory::{key, say};
use crate::published_values::cotenant_published_head;
use crate::segment::{at, cotenant_segment, out, text};
use crate::status::cotenant_status;
use crate::status::{Result, call, invalid};

/// A buffer of a flag.
#[repr(C, align(64))]
pub struct cotenant_flag_buffer {
    /// For the functions below alone.
    pub stamp: [u64; 7],
    /// Of the first buffer, at first: for how many of a hundred keys it is on. Else for the functions below alone.
    pub percent: f64,
    /// Zero at first: made of the flag's name.
    pub seed: u64,
}

/// A feature flag with a percentage, which all processes see change at once: Rust's Flag. In a block `F(flag, dark_mode)`
/// is off at first and `F(flag, dark_mode, COTENANT_PERCENT(25.0))` on for a quarter of all keys; which ones is decided
/// by the name, here "dark_mode" (Rust: `Flag::new("dark_mode", 25.0)`). In a segment: cotenant_flag_open.
#[repr(C)]
pub struct cotenant_flag {
    /// For the functions below alone.
    pub head: cotenant_published_head,
    /// For the functions below alone.
    pub buffers: [cotenant_flag_buffer; 8],
}

const _: () = assert!(size_of::<cotenant_flag>() == size_of::<Flag>() && size_of::<Rollout>() == 16);

/// # Safety
/// Null, or a flag that stays mapped during the call.
unsafe fn flag_at<'a>(flag: *const cotenant_flag) -> Result<&'a Flag> {
    // SAFETY: the caller's promise; the layout is the same, and all of it is atomics.
    unsafe { flag.cast::<Flag>().as_ref() }.ok_or_else(|| invalid("the flag is a null pointer"))
}

/// The flag of that name in a segment; makes it if there is none, on for `percent` of a hundred keys. Who comes later finds
/// the maker's percentage. The pointer is valid until cotenant_segment_close. (Of a cotenant_reader:
/// cotenant_reader_get with COTENANT_TYPE(flag).)
///
/// COTENANT_INVALID_INPUT: not from 0 to 100, or a bad name. COTENANT_MISMATCH, COTENANT_NO_SPACE, COTENANT_BUSY,
/// COTENANT_CORRUPT. Blocks while another one makes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_flag_open(
    segment: *const cotenant_segment,
    name: *const c_char,
    percent: f64,
    flag: *mut *mut cotenant_flag,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a segment.
        let segment = &unsafe { at(segment) }?.segment;
        // SAFETY: the caller passes a place.
        let place = unsafe { out(flag) }?;
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the flag") }?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(invalid(&format!("a flag cannot be on for {percent} per cent: give 0 to 100")));
        }
        let found = segment.get_or_init(name, || Flag::new(name, percent))?;
        *place = std::ptr::from_ref(found).cast_mut().cast();
        Ok(())
    })
}

/// Whether the flag is on for a key of `key_length` bytes: a user, a session, a host; the same answer in every process,
/// until the percentage is changed. Raising that takes nobody off. false of a null pointer and of damaged memory. Waits
/// for nobody, and writes nothing that is shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_flag_is_on_for(
    flag: *const cotenant_flag,
    key_bytes: *const c_void,
    key_length: usize,
) -> bool {
    // SAFETY: the caller passes a flag.
    let Ok(flag) = (unsafe { flag_at(flag) }) else { return false };
    // SAFETY: the caller passes a key.
    unsafe { key(key_bytes, key_length) }.is_ok_and(|key| flag.is_on_for(key))
}

/// For how many of a hundred keys it is on: 100 is everybody. 0 of a null pointer and of damaged memory. Waits for nobody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_flag_percent(flag: *const cotenant_flag) -> f64 {
    // SAFETY: the caller passes a flag.
    unsafe { flag_at(flag) }.map_or(0.0, Flag::percent)
}

/// Has it be on for `percent` of a hundred keys, in all processes from the return on; wakes those who wait for a
/// change. `sequence` gets the number of the publish; it may be null.
///
/// COTENANT_INVALID_INPUT: not from 0 to 100. Waits for others who set it, as cotenant_published_value_publish does
/// without a timeout; statuses as there. A process that is killed in it has set it or has not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_flag_set(
    flag: *mut cotenant_flag,
    percent: f64,
    sequence: *mut u64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a flag.
        let number = unsafe { flag_at(flag) }?.set(percent)?;
        // SAFETY: the caller passes a place, or null.
        unsafe { say(sequence, number) };
        Ok(())
    })
}
