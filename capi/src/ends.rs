//! Ends of queues: what sends, what receives, and messages where they lie.

use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use cotenant_rust::channel::{Message, MessageNumbers, Queue, Receiver, Reservation, SendError, Sender, wait_any};

use crate::memory::{self, given, say};
use crate::queue::{close, cotenant_queue, queue_of};
use crate::segment::out;
use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, Result, call, invalid};

/// An end of a queue that sends. Opaque: made by cotenant_queue_sender and its kin, freed by cotenant_sender_close. One
/// thread at a time may use it; each thread has its own.
pub struct cotenant_sender {
    // Dropped in this order: each borrows the next one.
    reserved: Option<Reservation<'static, 'static>>,
    sender: Box<Sender<'static>>,
    _queue: Arc<Queue<'static>>,
}

/// An end of a queue that receives. Opaque: made by cotenant_queue_receiver and its kin, freed by
/// cotenant_receiver_close. One thread at a time may use it; each thread has its own.
pub struct cotenant_receiver {
    receiver: Receiver<'static>,
    _queue: Arc<Queue<'static>>,
}

/// Bytes that are to be sent.
#[repr(C)]
pub struct cotenant_bytes {
    /// Where they are; null if there are none.
    pub bytes: *const c_void,
    /// How many.
    pub length: usize,
}

/// A message that was received, where it lies in the queue: end it with cotenant_message_ack or cotenant_message_drop,
/// by the thread that uses its receiver. Its memory is used again only then, so do not keep many of them long.
///
/// The bytes are those of the sender as long as whoever may write the queue keeps to its rules: who does not trust them
/// copies first and then looks.
#[repr(C)]
pub struct cotenant_message {
    /// On a boundary of 16.
    pub bytes: *const c_void,
    /// How many bytes.
    pub length: usize,
    /// How often it was handed out before: if it was, a receiver that had it did not acknowledge it, or died, and it
    /// may have been handled already.
    pub deliveries_before: u32,
    /// Zero.
    pub reserved_number: u32,
    /// Whose it is; null when it was acknowledged or dropped.
    pub receiver: *mut cotenant_receiver,
    /// The library's own.
    pub reserved: [u64; 2],
}

/// An end that sends; any number of them may be there. COTENANT_FULL: this process cannot become a participant. Does
/// not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_sender(
    queue: *const cotenant_queue,
    sender: *mut *mut cotenant_sender,
) -> cotenant_status {
    // SAFETY: the caller passes a queue and a place.
    unsafe { sender_of(queue, sender, Queue::sender) }
}

/// The only end that sends: while it is there, others wait, and a message costs no lock. COTENANT_BUSY if another
/// process or thread is it; the message names it. COTENANT_WOULD_DEADLOCK: this thread is. Blocks 200 ms at most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_sole_sender(
    queue: *const cotenant_queue,
    sender: *mut *mut cotenant_sender,
) -> cotenant_status {
    // SAFETY: the caller passes a queue and a place.
    unsafe { sender_of(queue, sender, Queue::sole_sender) }
}

/// As cotenant_queue_sole_sender; waits at most timeout_ms milliseconds until the one that is ends, or dies.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_sole_sender_timeout(
    queue: *const cotenant_queue,
    timeout_ms: u64,
    sender: *mut *mut cotenant_sender,
) -> cotenant_status {
    // SAFETY: the caller passes a queue and a place.
    unsafe { sender_of(queue, sender, |queue| queue.sole_sender_timeout(Duration::from_millis(timeout_ms))) }
}

/// # Safety
/// What each argument is to be, or null.
unsafe fn sender_of(
    queue: *const cotenant_queue,
    sender: *mut *mut cotenant_sender,
    make: impl for<'q> FnOnce(&'q Queue<'static>) -> cotenant_rust::Result<Sender<'q>>,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller's promise.
        let queue = Arc::clone(&unsafe { queue_of(queue) }?.queue);
        // SAFETY: the caller's promise.
        let place = unsafe { out(sender) }?;
        // SAFETY: only the lifetime is forgotten: the handle keeps the queue, and drops it last.
        let sender = Box::new(unsafe { std::mem::transmute::<Sender<'_>, Sender<'static>>(make(&queue)?) });
        *place = Box::into_raw(Box::new(cotenant_sender { reserved: None, sender, _queue: queue }));
        Ok(())
    })
}

/// An end that receives; any number of them may be there, and each message goes to one. COTENANT_FULL: this process
/// cannot become a participant. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_receiver(
    queue: *const cotenant_queue,
    receiver: *mut *mut cotenant_receiver,
) -> cotenant_status {
    // SAFETY: the caller passes a queue and a place.
    unsafe { receiver_of(queue, receiver, Queue::receiver) }
}

/// The only end that receives: while it is there, others find nothing, and a message costs no lock. What an earlier one
/// that died had not acknowledged comes first. COTENANT_BUSY, COTENANT_WOULD_DEADLOCK and blocking as
/// cotenant_queue_sole_sender.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_sole_receiver(
    queue: *const cotenant_queue,
    receiver: *mut *mut cotenant_receiver,
) -> cotenant_status {
    // SAFETY: the caller passes a queue and a place.
    unsafe { receiver_of(queue, receiver, Queue::sole_receiver) }
}

/// As cotenant_queue_sole_receiver; waits at most timeout_ms milliseconds until the one that is ends, or dies.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_queue_sole_receiver_timeout(
    queue: *const cotenant_queue,
    timeout_ms: u64,
    receiver: *mut *mut cotenant_receiver,
) -> cotenant_status {
    // SAFETY: the caller passes a queue and a place.
    unsafe { receiver_of(queue, receiver, |queue| queue.sole_receiver_timeout(Duration::from_millis(timeout_ms))) }
}

/// # Safety
/// What each argument is to be, or null.
unsafe fn receiver_of(
    queue: *const cotenant_queue,
    receiver: *mut *mut cotenant_receiver,
    make: impl for<'q> FnOnce(&'q Queue<'static>) -> cotenant_rust::Result<Receiver<'q>>,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller's promise.
        let queue = Arc::clone(&unsafe { queue_of(queue) }?.queue);
        // SAFETY: the caller's promise.
        let place = unsafe { out(receiver) }?;
        // SAFETY: only the lifetime is forgotten: the handle keeps the queue, and drops it last.
        let receiver = unsafe { std::mem::transmute::<Receiver<'_>, Receiver<'static>>(make(&queue)?) };
        *place = Box::into_raw(Box::new(cotenant_receiver { receiver, _queue: queue }));
        Ok(())
    })
}

/// Frees the end; a place that was reserved and not committed is passed over. Of a null pointer it does nothing. Does
/// not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_sender_close(sender: *mut cotenant_sender) {
    // SAFETY: made by `sender_of`, and freed here alone.
    unsafe { close(sender) };
}

/// Frees the end. Its messages must be acknowledged or dropped before; those of a sole receiver that are not go back to
/// the queue. Of a null pointer it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_receiver_close(receiver: *mut cotenant_receiver) {
    // SAFETY: made by `receiver_of`, and freed here alone.
    unsafe { close(receiver) };
}

/// # Safety
/// Null, or a sender that nobody else uses during the call.
unsafe fn sending<'a>(sender: *mut cotenant_sender) -> Result<&'a mut cotenant_sender> {
    // SAFETY: the caller's promise.
    unsafe { sender.as_mut() }.ok_or_else(|| invalid("the sender is a null pointer"))
}

/// # Safety
/// Null, or a receiver that no other thread uses during the call.
unsafe fn receiving<'a>(receiver: *const cotenant_receiver) -> Result<&'a Receiver<'static>> {
    // SAFETY: the caller's promise.
    let receiver = unsafe { receiver.as_ref() }.ok_or_else(|| invalid("the receiver is a null pointer"))?;
    Ok(&receiver.receiver)
}

fn not_now(status: cotenant_status, message: &str) -> Failure {
    Failure { status, message: message.to_owned() }
}

impl<M> From<SendError<M>> for Failure {
    fn from(error: SendError<M>) -> Failure {
        cotenant_rust::Error::from(error).into()
    }
}

/// Sends a copy of `length` bytes. From its return on the message is accepted: nothing that happens to this process
/// takes it away. Killed before, there is the whole message or none.
///
/// Blocks while there is no room. COTENANT_INVALID_INPUT: longer than cotenant_queue_max_message_bytes, or a null
/// pointer; COTENANT_BUSY: a place is reserved and not committed; COTENANT_CORRUPT, COTENANT_FULL (no participant).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_sender_send(
    sender: *mut cotenant_sender,
    bytes: *const c_void,
    length: usize,
) -> cotenant_status {
    // SAFETY: the caller passes what each is to be.
    unsafe { send(sender, bytes, length, |sender, bytes| sender.send(bytes)) }
}

/// As cotenant_sender_send, but does not wait for room: COTENANT_WOULD_BLOCK if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_sender_try_send(
    sender: *mut cotenant_sender,
    bytes: *const c_void,
    length: usize,
) -> cotenant_status {
    // SAFETY: the caller passes what each is to be.
    unsafe { send(sender, bytes, length, |sender, bytes| sender.try_send(bytes)) }
}

/// As cotenant_sender_send, but waits at most timeout_ms milliseconds for room: then COTENANT_TIMED_OUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_sender_send_timeout(
    sender: *mut cotenant_sender,
    bytes: *const c_void,
    length: usize,
    timeout_ms: u64,
) -> cotenant_status {
    let timeout = Duration::from_millis(timeout_ms);
    // SAFETY: the caller passes what each is to be.
    unsafe { send(sender, bytes, length, |sender, bytes| sender.send_timeout(bytes, timeout)) }
}

/// # Safety
/// What each argument is to be, or null.
unsafe fn send(
    sender: *mut cotenant_sender,
    bytes: *const c_void,
    length: usize,
    send: impl for<'b> FnOnce(&Sender<'static>, &'b [u8]) -> std::result::Result<(), SendError<&'b [u8]>>,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller's promise.
        let sender = unsafe { sending(sender) }?.free()?;
        // SAFETY: the caller's promise.
        Ok(send(sender, unsafe { memory::bytes(bytes, length) }?)?)
    })
}

impl cotenant_sender {
    /// The sender, if no place of it is being written.
    fn free(&mut self) -> Result<&mut Sender<'static>> {
        if self.reserved.is_some() {
            return Err(not_now(COTENANT_BUSY, "a place is reserved; commit or cancel it first"));
        }
        Ok(&mut self.sender)
    }
}

/// Sends copies of `count` messages in their order and wakes receivers once at the end; blocks while there is no room.
/// `sent` gets how many were accepted, also of a call that fails: those before the first that could not be sent; it may
/// be null. Statuses as of cotenant_sender_send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_sender_send_all(
    sender: *mut cotenant_sender,
    messages: *const cotenant_bytes,
    count: usize,
    sent: *mut usize,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a place, or null.
        unsafe { say(sent, 0) };
        // SAFETY: the caller passes a sender.
        let sender = unsafe { sending(sender) }?.free()?;
        // SAFETY: the caller passes so many.
        let messages = unsafe { given(messages, count, "the messages are") }?.iter().map(|message| {
            // SAFETY: the caller passes memory of that length.
            unsafe { memory::bytes(message.bytes, message.length) }
        });
        let result = sender.send_all(&messages.collect::<Result<Vec<_>>>()?);
        // SAFETY: the caller passes a place, or null.
        unsafe { say(sent, result.as_ref().map_or_else(|error| error.sent, |()| count)) };
        Ok(result.map_err(|error| error.error)?)
    })
}

/// A place for a message of `length` bytes in the queue itself: write it there and say cotenant_sender_commit. What it
/// holds at first are old bytes; it lies on a boundary of 16. One at a time for each sender.
///
/// Messages behind it wait for it as long as this process lives, so do not keep it long; cancelled, or when the process
/// dies, it is passed over and holds up nobody. Blocks while there is no room. Statuses as of cotenant_sender_send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_sender_reserve(
    sender: *mut cotenant_sender,
    length: usize,
    bytes: *mut *mut c_void,
) -> cotenant_status {
    // SAFETY: the caller passes what each is to be.
    unsafe { reserve(sender, bytes, COTENANT_OK, |sender| sender.reserve(length).map(Some)) }
}

/// As cotenant_sender_reserve, but does not wait for room: COTENANT_WOULD_BLOCK if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_sender_try_reserve(
    sender: *mut cotenant_sender,
    length: usize,
    bytes: *mut *mut c_void,
) -> cotenant_status {
    // SAFETY: the caller passes what each is to be.
    unsafe { reserve(sender, bytes, COTENANT_WOULD_BLOCK, |sender| sender.try_reserve(length)) }
}

/// As cotenant_sender_reserve, but waits at most timeout_ms milliseconds for room: then COTENANT_TIMED_OUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_sender_reserve_timeout(
    sender: *mut cotenant_sender,
    length: usize,
    timeout_ms: u64,
    bytes: *mut *mut c_void,
) -> cotenant_status {
    let timeout = Duration::from_millis(timeout_ms);
    // SAFETY: the caller passes what each is to be.
    unsafe { reserve(sender, bytes, COTENANT_TIMED_OUT, |sender| sender.reserve_timeout(length, timeout)) }
}

/// # Safety
/// What each argument is to be, or null.
unsafe fn reserve(
    sender: *mut cotenant_sender,
    bytes: *mut *mut c_void,
    without_room: cotenant_status,
    reserve: impl for<'s> FnOnce(&'s mut Sender<'static>) -> cotenant_rust::Result<Option<Reservation<'s, 'static>>>,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller's promise.
        let sender = unsafe { sending(sender) }?;
        // SAFETY: the caller's promise.
        let place = unsafe { out(bytes) }?;
        let full = || not_now(without_room, "the queue is full");
        let reserved = reserve(sender.free()?)?.ok_or_else(full)?;
        // SAFETY: only the lifetime is forgotten: the sender lies in a box of its own, is not used before the
        // reservation is gone, and is dropped after it.
        let mut reserved =
            unsafe { std::mem::transmute::<Reservation<'_, 'static>, Reservation<'static, 'static>>(reserved) };
        *place = reserved.as_mut_ptr().cast();
        sender.reserved = Some(reserved);
        Ok(())
    })
}

/// Publishes what was written into the place that was reserved. When this returns the message is accepted. The pointer
/// is valid no more. COTENANT_INVALID_INPUT: nothing is reserved. COTENANT_NOT_OWNER: the place was reserved by the
/// process that this one was forked from, whose it stays; this sender has none any more. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_sender_commit(sender: *mut cotenant_sender) -> cotenant_status {
    call(|| {
        let nothing = || invalid("nothing is reserved that could be committed");
        // SAFETY: the caller passes a sender.
        let reserved = unsafe { sending(sender) }?.reserved.take().ok_or_else(nothing)?;
        if !reserved.is_ours() {
            return Err(not_now(COTENANT_NOT_OWNER, "the place was reserved before the fork, and is the parent's"));
        }
        reserved.commit();
        Ok(())
    })
}

/// Gives the place that was reserved up: there is no message. Without one it does nothing. COTENANT_INVALID_INPUT of a
/// null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_sender_cancel(sender: *mut cotenant_sender) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a sender.
        unsafe { sending(sender) }?.reserved = None;
        Ok(())
    })
}

/// The next message; blocks while there is none. COTENANT_CORRUPT, COTENANT_FULL (no participant).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_receiver_recv(
    receiver: *mut cotenant_receiver,
    message: *mut cotenant_message,
) -> cotenant_status {
    // SAFETY: the caller passes a receiver and a place.
    unsafe { recv(receiver, message, COTENANT_OK, |receiver| receiver.recv().map(Some)) }
}

/// The next message: COTENANT_WOULD_BLOCK if there is none now. What a receiver had that died may come some
/// milliseconds after its death only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_receiver_try_recv(
    receiver: *mut cotenant_receiver,
    message: *mut cotenant_message,
) -> cotenant_status {
    // SAFETY: the caller passes a receiver and a place.
    unsafe { recv(receiver, message, COTENANT_WOULD_BLOCK, Receiver::try_recv) }
}

/// The next message; waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_receiver_recv_timeout(
    receiver: *mut cotenant_receiver,
    timeout_ms: u64,
    message: *mut cotenant_message,
) -> cotenant_status {
    let timeout = Duration::from_millis(timeout_ms);
    // SAFETY: the caller passes a receiver and a place.
    unsafe { recv(receiver, message, COTENANT_TIMED_OUT, |receiver| receiver.recv_timeout(timeout)) }
}

/// # Safety
/// What each argument is to be, or null.
unsafe fn recv(
    receiver: *mut cotenant_receiver,
    message: *mut cotenant_message,
    without_one: cotenant_status,
    recv: impl for<'r> FnOnce(&'r Receiver<'static>) -> cotenant_rust::Result<Option<Message<'r, 'static>>>,
) -> cotenant_status {
    call(|| {
        if message.is_null() {
            return Err(invalid("the place for the message is a null pointer"));
        }
        // SAFETY: the caller's promise.
        let received = recv(unsafe { receiving(receiver) }?)?;
        let received = received.ok_or_else(|| not_now(without_one, "the queue has no message"))?;
        // SAFETY: the caller's promise; written only.
        unsafe { message.write(of(receiver, received)) };
        Ok(())
    })
}

fn of(receiver: *mut cotenant_receiver, message: Message<'_, '_>) -> cotenant_message {
    let (bytes, length, deliveries_before) = (message.as_ptr(), message.len(), message.deliveries_before());
    let MessageNumbers { position, bytes: taken, .. } = message.into_numbers();
    let (bytes, reserved) = (bytes.cast(), [position, taken]);
    cotenant_message { bytes, length, deliveries_before, reserved_number: 0, receiver, reserved }
}

/// Up to `most` messages that are there, at least one; blocks while there is none. `count` gets how many `messages` has
/// then. Statuses as of cotenant_receiver_recv.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_receiver_recv_many(
    receiver: *mut cotenant_receiver,
    most: usize,
    messages: *mut cotenant_message,
    count: *mut usize,
) -> cotenant_status {
    call(|| {
        if count.is_null() || messages.is_null() && most > 0 {
            return Err(invalid("the place for the messages or for their count is a null pointer"));
        }
        // SAFETY: the caller passes a receiver.
        let received = unsafe { receiving(receiver) }?.recv_many(most)?;
        // SAFETY: the caller passes a place.
        unsafe { count.write(received.len()) };
        for (index, message) in received.into_iter().enumerate() {
            // SAFETY: there are at most as many as the caller has room for.
            let place = unsafe { messages.add(index) };
            // SAFETY: as above; written only.
            unsafe { place.write(of(receiver, message)) };
        }
        Ok(())
    })
}

/// Waits until one of `count` receivers has something to take, at most timeout_ms milliseconds: then
/// COTENANT_TIMED_OUT. `index` gets the lowest of those that have. Then cotenant_receiver_try_recv: another receiver of
/// that queue may have been quicker.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_receiver_wait_any(
    receivers: *const *mut cotenant_receiver,
    count: usize,
    timeout_ms: u64,
    index: *mut usize,
) -> cotenant_status {
    call(|| {
        if index.is_null() || receivers.is_null() {
            return Err(invalid("the receivers, or the place for the index, are a null pointer"));
        }
        // SAFETY: the caller passes so many.
        let receivers = unsafe { given(receivers, count, "the receivers are") }?;
        let receivers = receivers.iter().map(|receiver| {
            // SAFETY: the caller passes receivers, or null.
            unsafe { receiving(*receiver) }
        });
        let ready = wait_any(&receivers.collect::<Result<Vec<_>>>()?, Duration::from_millis(timeout_ms));
        let ready = ready.ok_or_else(|| not_now(COTENANT_TIMED_OUT, "no message came in time"))?;
        // SAFETY: the caller passes a place.
        unsafe { index.write(ready) };
        Ok(())
    })
}

/// Says that the message was handled: it does not come again. Killed in it, it may have been acknowledged or come
/// again. `message` is none any more then: a second time gives COTENANT_INVALID_INPUT. COTENANT_NOT_OWNER, and nothing
/// was changed: a copy of it was acknowledged or dropped before, or the process that this one was forked from received
/// it; who forks for each message has the parent acknowledge it. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_message_ack(message: *mut cotenant_message) -> cotenant_status {
    // SAFETY: the caller passes a message.
    call(|| unsafe { leave(message, |message| message.ack()) })
}

/// Lets the message go without handling it: in a queue that delivers at least once it comes again, to any receiver;
/// else it is gone. `message` is none any more then: a second time gives COTENANT_INVALID_INPUT. COTENANT_NOT_OWNER as
/// of cotenant_message_ack. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_message_drop(message: *mut cotenant_message) -> cotenant_status {
    // SAFETY: the caller passes a message.
    call(|| unsafe { leave(message, |message| drop(message)) })
}

/// # Safety
/// Null, or a message whose receiver is not closed and used by no other thread.
unsafe fn leave(message: *mut cotenant_message, leave: impl FnOnce(Message<'_, 'static>)) -> Result<()> {
    // SAFETY: the caller's promise.
    let message = unsafe { message.as_mut() }.ok_or_else(|| invalid("the message is a null pointer"))?;
    if message.receiver.is_null() {
        return Err(invalid("the message was acknowledged or dropped before"));
    }
    // SAFETY: the caller's promise.
    let receiver = unsafe { receiving(message.receiver) }?;
    (message.receiver, message.bytes, message.length) = (std::ptr::null_mut(), std::ptr::null(), 0);
    let [position, bytes] = message.reserved;
    let held = receiver.message_of(MessageNumbers { position, bytes, deliveries: message.deliveries_before });
    let not_held = "the receiver does not hold this message: a copy of it was left, or it is a parent's";
    leave(held.ok_or_else(|| not_now(COTENANT_NOT_OWNER, not_held))?);
    Ok(())
}
