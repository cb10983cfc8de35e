//! Queues: messages of any length between processes, also written and read in place.

use std::ffi::c_char;
use std::sync::Arc;

use cotenant_rust::channel::{Delivery, Queue, QueueOptions};

use crate::segment::{at, cotenant_segment, cotenant_segment_options, options as segment_options, out, text};
use crate::status::cotenant_status;
use crate::status::{Result, call, invalid};

/// A queue, which processes send messages through: in the order in which they were reserved, each to one receiver.
/// Opaque: made by cotenant_queue_create and its kin, freed by cotenant_queue_close. Threads may share it. Rust's Queue
/// of the same name is the same queue. docs/channels.md says what a death leaves.
pub struct cotenant_queue {
    pub(crate) queue: Arc<Queue<'static>>,
}

/// How often a message is delivered.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(dead_code)] // C names them; here they are numbers that were checked.
pub enum cotenant_delivery {
    /// What the queue does; who makes one makes it at most once.
    COTENANT_DELIVERY_DEFAULT = 0,
    /// Once, or, if its receiver dies, not at all.
    COTENANT_DELIVERY_AT_MOST_ONCE = 1,
    /// Until a receiver says cotenant_message_ack. What comes again says so.
    COTENANT_DELIVERY_AT_LEAST_ONCE = 2,
}

/// How a queue is to be. All zero are the defaults, or pass a null pointer. They count for the one who makes it; who
/// finds it gets it as it is, but another delivery than the one asked for is refused.
#[repr(C)]
pub struct cotenant_queue_options {
    /// Bytes of its ring, 1 KiB to 4 GiB, rounded up to a power of two. A message takes its bytes and 16, rounded up to
    /// 16; the longest has half of the ring. All of it is reserved when the queue is made. 0: 1 MiB.
    pub capacity_bytes: u64,
    /// A cotenant_delivery.
    pub delivery: u32,
    /// Zero.
    pub reserved_number: u32,
    /// Of a queue in a segment of its own: what that segment is to be, but its size; null: the defaults.
    pub segment: *const cotenant_segment_options,
    /// Zero: for options of later versions.
    pub reserved: [u64; 4],
}

/// # Safety
/// Null, or options whose texts are C strings that stay during the call.
unsafe fn queue_options(options: *const cotenant_queue_options) -> Result<QueueOptions> {
    let all = Queue::options();
    // SAFETY: the caller's promise.
    let Some(given) = (unsafe { options.as_ref() }) else { return Ok(all) };
    if given.reserved != [0; 4] || given.reserved_number != 0 {
        return Err(invalid(
            "the options say something that this version of the library does not know: begin with {0}",
        ));
    }
    // SAFETY: the caller's promise.
    let all = all.segment(unsafe { segment_options(given.segment) }?);
    let all = if given.capacity_bytes == 0 { all } else { all.capacity_bytes(given.capacity_bytes) };
    match given.delivery {
        0 => Ok(all),
        1 => Ok(all.delivery(Delivery::AtMostOnce)),
        2 => Ok(all.delivery(Delivery::AtLeastOnce)),
        other => Err(invalid(&format!("{other} is no cotenant_delivery"))),
    }
}

/// Makes a queue in a segment of its own: COTENANT_ALREADY_EXISTS if there is one of that name. As
/// cotenant_segment_create.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_create(
    name: *const c_char,
    options: *const cotenant_queue_options,
    queue: *mut *mut cotenant_queue,
) -> cotenant_status {
    // SAFETY: the caller passes a name, options and a place.
    unsafe { open_with(name, options, queue, QueueOptions::create) }
}

/// Opens a queue that is there: COTENANT_NOT_FOUND if there is none, COTENANT_MISMATCH if it delivers otherwise. As
/// cotenant_segment_open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_open(
    name: *const c_char,
    options: *const cotenant_queue_options,
    queue: *mut *mut cotenant_queue,
) -> cotenant_status {
    // SAFETY: the caller passes a name, options and a place.
    unsafe { open_with(name, options, queue, QueueOptions::open) }
}

/// Opens the queue of that name, and makes it if there is none; of those who try at the same time one makes it. As
/// cotenant_queue_open and cotenant_queue_create; COTENANT_MISMATCH also if the segment of that name was made for
/// something else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_open_or_create(
    name: *const c_char,
    options: *const cotenant_queue_options,
    queue: *mut *mut cotenant_queue,
) -> cotenant_status {
    // SAFETY: the caller passes a name, options and a place.
    unsafe { open_with(name, options, queue, QueueOptions::open_or_create) }
}

/// # Safety
/// What each argument is to be, or null.
unsafe fn open_with(
    name: *const c_char,
    options: *const cotenant_queue_options,
    queue: *mut *mut cotenant_queue,
    open: impl FnOnce(&QueueOptions, &str) -> cotenant_rust::Result<Queue<'static>>,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller's promise.
        let place = unsafe { out(queue) }?;
        // SAFETY: the caller's promise.
        let name = unsafe { text(name, "the name of the queue") }?;
        // SAFETY: the caller's promise.
        let options = unsafe { queue_options(options) }?;
        *place = handle(open(&options, name)?);
        Ok(())
    })
}

fn handle(queue: Queue<'static>) -> *mut cotenant_queue {
    Box::into_raw(Box::new(cotenant_queue { queue: Arc::new(queue) }))
}

/// The queue of that name in a segment, which must have room for it; if there is none it is made. `segment` of the
/// options says nothing here. Close the queue and its ends before the segment. As cotenant_segment_get_or_init;
/// COTENANT_MISMATCH also if it delivers otherwise. Blocks while another one makes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_open_or_create_in(
    segment: *const cotenant_segment,
    name: *const c_char,
    options: *const cotenant_queue_options,
    queue: *mut *mut cotenant_queue,
) -> cotenant_status {
    // SAFETY: the caller passes what each is to be.
    unsafe { open_in(segment, name, options, queue, true) }
}

/// The queue of that name in a segment: COTENANT_NOT_FOUND if there is none; else as cotenant_queue_open_or_create_in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_open_in(
    segment: *const cotenant_segment,
    name: *const c_char,
    options: *const cotenant_queue_options,
    queue: *mut *mut cotenant_queue,
) -> cotenant_status {
    // SAFETY: the caller passes what each is to be.
    unsafe { open_in(segment, name, options, queue, false) }
}

/// # Safety
/// What each argument is to be, or null.
unsafe fn open_in(
    segment: *const cotenant_segment,
    name: *const c_char,
    options: *const cotenant_queue_options,
    queue: *mut *mut cotenant_queue,
    makes: bool,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller's promise.
        let segment = &unsafe { at(segment) }?.segment;
        // SAFETY: the caller's promise.
        let place = unsafe { out(queue) }?;
        // SAFETY: the caller's promise.
        let name = unsafe { text(name, "the name of the queue") }?;
        // SAFETY: the caller's promise.
        let options = unsafe { queue_options(options) }?;
        let found = if makes { options.open_or_create_in(segment, name) } else { options.open_in(segment, name) };
        // SAFETY: only the lifetime is forgotten: the caller closes it and its ends before the segment.
        *place = handle(unsafe { std::mem::transmute::<Queue<'_>, Queue<'static>>(found?) });
        Ok(())
    })
}

/// Frees the handle; the messages stay for the others, and ends that were made of it may be used on. Of a null pointer
/// it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_close(queue: *mut cotenant_queue) {
    // SAFETY: made by `handle`, and freed here alone.
    unsafe { close(queue) };
}

/// # Safety
/// Null, or from `Box::into_raw`, and freed here alone.
pub(crate) unsafe fn close<T>(handle: *mut T) {
    call(|| {
        if !handle.is_null() {
            // SAFETY: the caller's promise.
            drop(unsafe { Box::from_raw(handle) });
        }
        Ok(())
    });
}

/// # Safety
/// Null, or a handle that is not closed during the call.
pub(crate) unsafe fn queue_of<'a>(queue: *const cotenant_queue) -> Result<&'a cotenant_queue> {
    // SAFETY: the caller's promise.
    unsafe { queue.as_ref() }.ok_or_else(|| invalid("the queue is a null pointer"))
}

/// How often a message of this queue is delivered: a cotenant_delivery. 0 of a null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_delivery(queue: *const cotenant_queue) -> u32 {
    // SAFETY: the caller passes a queue.
    unsafe { queue_of(queue) }.map_or(0, |queue| match queue.queue.delivery() {
        Delivery::AtLeastOnce => 2,
        _ => 1,
    })
}

/// Bytes of the ring. 0 of a null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_capacity_bytes(queue: *const cotenant_queue) -> u64 {
    // SAFETY: the caller passes a queue.
    unsafe { queue_of(queue) }.map_or(0, |queue| queue.queue.capacity_bytes())
}

/// The longest message that it takes, in bytes. 0 of a null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_max_message_bytes(queue: *const cotenant_queue) -> u64 {
    // SAFETY: the caller passes a queue.
    unsafe { queue_of(queue) }.map_or(0, |queue| queue.queue.max_message_bytes())
}

/// Bytes of the ring that are taken at the moment, by messages and what lies between them: for people. 0 of a null
/// pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_used_bytes(queue: *const cotenant_queue) -> u64 {
    // SAFETY: the caller passes a queue.
    unsafe { queue_of(queue) }.map_or(0, |queue| queue.queue.used_bytes())
}

/// Writes what is in a queue in a file to the disk, and waits for it, as cotenant_segment_sync. Of other backings there
/// is nothing to do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_sync(queue: *const cotenant_queue) -> cotenant_status {
    // SAFETY: the caller passes a queue.
    call(|| Ok(unsafe { queue_of(queue) }?.queue.segment().sync()?))
}
