//! Published bytes: a whole configuration that one publishes and all see at once.

use std::ffi::{c_char, c_void};
use std::ops::Deref;
use std::time::Duration;

use cotenant_rust::published::{BytesReader, PublishedBytes};

use crate::memory::{self, room, say};
use crate::published_values::{cancelled, timed_out};
use crate::segment::{at, cotenant_reader, cotenant_segment, out, text};
use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, Result, call, invalid};

/// Bytes that one publishes and all see: every load gives a whole snapshot, of the newest publish, and waits for nobody.
/// Opaque: made by cotenant_published_open or cotenant_published_read, freed by cotenant_published_close. Threads may
/// share it. Rust's PublishedBytes of the same segment and name is the same object.
pub struct cotenant_published {
    bytes: Handle,
}

enum Handle {
    Writable(PublishedBytes<'static>),
    ReadOnly(BytesReader<'static>),
}

impl Deref for Handle {
    type Target = BytesReader<'static>;

    fn deref(&self) -> &BytesReader<'static> {
        match self {
            Handle::Writable(bytes) => bytes,
            Handle::ReadOnly(bytes) => bytes,
        }
    }
}

/// # Safety
/// Null, or a handle that is not closed during the call.
unsafe fn bytes_of<'a>(published: *const cotenant_published) -> Result<&'a Handle> {
    // SAFETY: the caller's promise.
    let published = unsafe { published.as_ref() }.ok_or_else(|| invalid("the published bytes are a null pointer"))?;
    Ok(&published.bytes)
}

/// The published bytes of that name in a segment; if there are none they are made, with room for max_bytes in each of 8
/// buffers, and without a first snapshot: its number is 0 and its length too. Who comes later finds the maker's size.
///
/// Close the handle before the segment. COTENANT_MISMATCH: an object of that name has another type. COTENANT_NO_SPACE,
/// COTENANT_INVALID_INPUT, COTENANT_BUSY, COTENANT_CORRUPT. Blocks while another one makes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_open(
    segment: *const cotenant_segment,
    name: *const c_char,
    max_bytes: usize,
    published: *mut *mut cotenant_published,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a segment.
        let segment = &unsafe { at(segment) }?.segment;
        // SAFETY: the caller passes a place.
        let place = unsafe { out(published) }?;
        // SAFETY: the caller passes a name.
        let bytes = segment.published_bytes(unsafe { text(name, "the name of the object") }?, max_bytes)?;
        // SAFETY: only the lifetime is forgotten: the caller closes it before the segment.
        let bytes = unsafe { std::mem::transmute::<PublishedBytes<'_>, PublishedBytes<'static>>(bytes) };
        *place = Box::into_raw(Box::new(cotenant_published { bytes: Handle::Writable(bytes) }));
        Ok(())
    })
}

/// The published bytes of that name in a segment that this process only reads: COTENANT_NOT_FOUND if there are none.
/// What publishes gives COTENANT_UNSUPPORTED then. Close the handle before the reader. Waits for nobody.
/// COTENANT_MISMATCH, COTENANT_INVALID_INPUT, COTENANT_CORRUPT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_read(
    reader: *const cotenant_reader,
    name: *const c_char,
    published: *mut *mut cotenant_published,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a reader.
        let reader = unsafe { reader.as_ref() }.ok_or_else(|| invalid("the reader is a null pointer"))?;
        // SAFETY: the caller passes a place.
        let place = unsafe { out(published) }?;
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the object") }?;
        let none = || Failure { status: COTENANT_NOT_FOUND, message: format!("nothing is published as `{name}`") };
        let bytes = reader.reader.published_bytes(name)?.ok_or_else(none)?;
        // SAFETY: only the lifetime is forgotten: the caller closes it before the reader.
        let bytes = unsafe { std::mem::transmute::<BytesReader<'_>, BytesReader<'static>>(bytes) };
        *place = Box::into_raw(Box::new(cotenant_published { bytes: Handle::ReadOnly(bytes) }));
        Ok(())
    })
}

/// Frees the handle; what is published stays. Of a null pointer it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_close(published: *mut cotenant_published) {
    call(|| {
        if !published.is_null() {
            // SAFETY: made by this file, and freed here alone.
            drop(unsafe { Box::from_raw(published) });
        }
        Ok(())
    });
}

/// The longest that can be published, in bytes. 0 of a null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_max_bytes(published: *const cotenant_published) -> usize {
    // SAFETY: the caller passes a handle.
    unsafe { bytes_of(published) }.map_or(0, |bytes| bytes.max_bytes())
}

/// The number of the newest snapshot: how often was published. 0 of a null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_sequence(published: *const cotenant_published) -> u64 {
    // SAFETY: the caller passes a handle.
    unsafe { bytes_of(published) }.map_or(0, |bytes| bytes.sequence())
}

/// Makes `length` bytes the newest snapshot and wakes those who wait for it. `sequence` gets its number; it may be null.
///
/// Blocks while others publish, for as long as they copy: a publisher that is stopped in it holds the next ones up
/// (cotenant_published_publish_timeout), one that is killed does not, and leaves the snapshot before.
/// COTENANT_NO_SPACE: more than cotenant_published_max_bytes. COTENANT_WOULD_DEADLOCK, COTENANT_FULL,
/// COTENANT_PERMISSION_DENIED, COTENANT_CORRUPT, COTENANT_UNSUPPORTED (of a reader).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_publish(
    published: *mut cotenant_published,
    bytes: *const c_void,
    length: usize,
    sequence: *mut u64,
) -> cotenant_status {
    // SAFETY: the caller passes what each is to be.
    unsafe { publish(published, bytes, length, sequence, |published, bytes| published.publish(bytes)) }
}

/// As cotenant_published_publish, but waits at most timeout_ms milliseconds for others who publish: then
/// COTENANT_TIMED_OUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_publish_timeout(
    published: *mut cotenant_published,
    bytes: *const c_void,
    length: usize,
    timeout_ms: u64,
    sequence: *mut u64,
) -> cotenant_status {
    let timeout = Duration::from_millis(timeout_ms);
    // SAFETY: the caller passes what each is to be.
    unsafe { publish(published, bytes, length, sequence, |published, bytes| published.publish_timeout(bytes, timeout)) }
}

/// # Safety
/// What each argument is to be, or null.
unsafe fn publish(
    published: *mut cotenant_published,
    bytes: *const c_void,
    length: usize,
    sequence: *mut u64,
    publish: impl FnOnce(&PublishedBytes<'static>, &[u8]) -> cotenant_rust::Result<u64>,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller's promise.
        let Handle::Writable(published) = (unsafe { bytes_of(published) })? else { return Err(read_only()) };
        // SAFETY: the caller's promise.
        let number = publish(published, unsafe { memory::bytes(bytes, length) }?)?;
        // SAFETY: the caller's promise.
        unsafe { say(sequence, number) };
        Ok(())
    })
}

/// Copies the newest snapshot to `buffer`, which has room for `capacity` bytes; `length` gets its length in bytes, and
/// `sequence` its number; both may be null. COTENANT_NO_SPACE: it is longer, `length` says how long, and the next one may
/// be longer still; with cotenant_published_max_bytes none is. After an error the buffer holds anything. COTENANT_CORRUPT, COTENANT_BUSY (during each of 1,000 copies all buffers were
/// published anew). Waits for nobody, and writes nothing that is shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_load(
    published: *const cotenant_published,
    buffer: *mut c_void,
    capacity: usize,
    length: *mut usize,
    sequence: *mut u64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a handle.
        let published = unsafe { bytes_of(published) }?;
        // SAFETY: the caller passes memory of that size, which is this call's for its time.
        let to = unsafe { room(buffer, capacity) }?;
        let (whole, number) = published.load_beginning(to)?;
        // SAFETY: the caller passes a place, or null.
        unsafe { say(length, whole) };
        if whole > capacity {
            let message = format!("the newest snapshot has {whole} bytes, and there is room for {capacity}");
            return Err(Failure { status: COTENANT_NO_SPACE, message });
        }
        // SAFETY: the caller passes a place, or null.
        unsafe { say(sequence, number) };
        Ok(())
    })
}

/// Makes the next snapshot of the newest one: `old` are its old_length bytes. Writes at most `capacity` bytes, which is
/// cotenant_published_max_bytes, to `fresh`, and their number to *fresh_length, which is 0 at first. Gives 0, or anything
/// else if nothing is to be published. It must not throw, not jump out, and not publish here.
pub type cotenant_bytes_change = Option<
    unsafe extern "C" fn(
        old: *const c_void,
        old_length: usize,
        fresh: *mut c_void,
        capacity: usize,
        fresh_length: *mut usize,
        argument: *mut c_void,
    ) -> i32,
>;

/// Publishes what `change` makes of the newest snapshot; nobody else publishes in between. `sequence` gets its number;
/// it may be null. COTENANT_CANCELLED: `change` gave another number than 0, and nothing is published. A process that is
/// killed in `change` leaves the snapshot before. COTENANT_UNSUPPORTED: of a reader, or `change` forked and this is the
/// child. Else as cotenant_published_publish.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_update(
    published: *mut cotenant_published,
    change: cotenant_bytes_change,
    argument: *mut c_void,
    sequence: *mut u64,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a handle.
        let Handle::Writable(published) = (unsafe { bytes_of(published) })? else { return Err(read_only()) };
        let change = change.ok_or_else(|| invalid("the function that changes the bytes is a null pointer"))?;
        let number = published.try_update(|old| {
            let (mut fresh, mut length) = (vec![0_u8; published.max_bytes()], 0);
            let (from, to) = (old.as_ptr().cast(), fresh.as_mut_ptr().cast());
            // SAFETY: the caller's function, with what it was promised.
            let said = unsafe { change(from, old.len(), to, fresh.len(), &raw mut length, argument) };
            if said != 0 || length > fresh.len() {
                return Err(cancelled());
            }
            fresh.truncate(length);
            Ok(fresh)
        })?;
        // SAFETY: the caller passes a place, or null.
        unsafe { say(sequence, number) };
        Ok(())
    })
}

fn read_only() -> Failure {
    Failure { status: COTENANT_UNSUPPORTED, message: "what is only read cannot be published".to_owned() }
}

/// Waits until there is a newer snapshot than the one of number `seen`, at most timeout_ms milliseconds: then
/// COTENANT_TIMED_OUT. Load it after that. Who may publish sleeps and is woken; a reader looks, after 50 us, doubling to
/// 10 ms. A publisher that is killed just before it wakes the others is noticed within 0.1 s.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_published_wait_newer(
    published: *const cotenant_published,
    seen: u64,
    timeout_ms: u64,
) -> cotenant_status {
    call(|| {
        let timeout = Duration::from_millis(timeout_ms);
        // SAFETY: the caller passes a handle.
        let newer = match unsafe { bytes_of(published) }? {
            Handle::Writable(bytes) => bytes.is_newer_within(seen, timeout),
            Handle::ReadOnly(bytes) => bytes.is_newer_within(seen, timeout),
        };
        newer.then_some(()).ok_or_else(|| timed_out(seen))
    })
}
