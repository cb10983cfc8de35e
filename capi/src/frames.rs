//! Messages through pipes: whole, from any number of writers to one reader, where a pipe of the system has bytes.

use std::ffi::c_void;
use std::io;
use std::ptr::null;
use std::time::Duration;

use cotenant_rust::__c::pipe_end;
use cotenant_rust::channel::{MessageReader, MessageWriter, PipeReader, PipeWriter};

use crate::memory;
use crate::queue::close;
use crate::segment::out;
use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, call, invalid};

/// The writing end of a pipe, or of a FIFO, for whole messages. Opaque: made by cotenant_pipe_writer_open, freed by
/// cotenant_pipe_writer_close. One thread at a time may use it.
pub struct cotenant_pipe_writer {
    writer: MessageWriter,
}

/// The reading end of a pipe, or of a FIFO, for whole messages. Opaque: made by cotenant_pipe_reader_open, freed by
/// cotenant_pipe_reader_close. One thread at a time may use it, and one process at a time may read: two would each take
/// parts of what the other waits for.
pub struct cotenant_pipe_reader {
    reader: MessageReader,
    /// What the last receive gave.
    message: Vec<u8>,
}

/// The writing end for whole messages, of a descriptor that pipe() or open() of a FIFO gave (on Windows the HANDLE of a
/// pipe). It is the library's from here on if this gives COTENANT_OK, and closed with the writer. A child of a fork may
/// use its parent's writer. COTENANT_INVALID_INPUT: it is no pipe, or (on Windows found by the first call that uses it)
/// the end that is read; COTENANT_SYSTEM. Does not block.
///
/// Leave O_NONBLOCK off: with it, calls that block give COTENANT_WOULD_BLOCK in their place, and of a message that was
/// begun nothing comes. Use the forms with try and timeout, which need no such flag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_pipe_writer_open(
    descriptor: isize,
    writer: *mut *mut cotenant_pipe_writer,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a place.
        let place = unsafe { out(writer) }?;
        // SAFETY: the caller gives the descriptor away.
        let file = unsafe { pipe_end(descriptor, true) }.map_err(failure)?;
        *place = Box::into_raw(Box::new(cotenant_pipe_writer { writer: PipeWriter::from(file).messages() }));
        Ok(())
    })
}

/// The reading end for whole messages; as cotenant_pipe_writer_open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_pipe_reader_open(
    descriptor: isize,
    reader: *mut *mut cotenant_pipe_reader,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a place.
        let place = unsafe { out(reader) }?;
        // SAFETY: the caller gives the descriptor away.
        let file = unsafe { pipe_end(descriptor, false) }.map_err(failure)?;
        let reader = PipeReader::from(file).messages();
        *place = Box::into_raw(Box::new(cotenant_pipe_reader { reader, message: Vec::new() }));
        Ok(())
    })
}

/// Closes the end, and frees the handle. Of a null pointer it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_pipe_writer_close(writer: *mut cotenant_pipe_writer) {
    // SAFETY: made by this file, and freed here alone.
    unsafe { close(writer) };
}

/// Closes the end, and frees the handle. Of a null pointer it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_pipe_reader_close(reader: *mut cotenant_pipe_reader) {
    // SAFETY: made by this file, and freed here alone.
    unsafe { close(reader) };
}

fn failure(error: io::Error) -> Failure {
    let status = match error.kind() {
        io::ErrorKind::WouldBlock => COTENANT_WOULD_BLOCK,
        io::ErrorKind::TimedOut => COTENANT_TIMED_OUT,
        io::ErrorKind::InvalidInput => COTENANT_INVALID_INPUT,
        io::ErrorKind::BrokenPipe => COTENANT_BROKEN_PIPE,
        io::ErrorKind::Unsupported => COTENANT_UNSUPPORTED,
        _ => COTENANT_SYSTEM,
    };
    Failure { status, message: error.to_string() }
}

/// Sends a message of `length` bytes, up to 16 MiB, which comes whole however many others write; blocks while the pipe
/// is full. Killed in it, a process leaves the whole message or none, and its parts are passed over.
///
/// COTENANT_BROKEN_PIPE: nobody reads any more (unless the program ignores SIGPIPE, that signal ends it before).
/// COTENANT_INVALID_INPUT: it is too long, or a null pointer. COTENANT_SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_pipe_writer_send(
    writer: *mut cotenant_pipe_writer,
    bytes: *const c_void,
    length: usize,
) -> cotenant_status {
    // SAFETY: the caller passes what each is to be.
    unsafe { send(writer, bytes, length, MessageWriter::send) }
}

/// As cotenant_pipe_writer_send, but does not wait for room: COTENANT_WOULD_BLOCK if there is none for all of it, and
/// nothing of the message comes; one that is longer than the pipe (64 KiB on Linux) never has room.
/// COTENANT_UNSUPPORTED on Windows, of a pipe of bytes, as CreatePipe makes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_pipe_writer_try_send(
    writer: *mut cotenant_pipe_writer,
    bytes: *const c_void,
    length: usize,
) -> cotenant_status {
    // SAFETY: the caller passes what each is to be.
    unsafe { send(writer, bytes, length, MessageWriter::try_send) }
}

/// As cotenant_pipe_writer_send, but waits at most timeout_ms milliseconds for room: then COTENANT_TIMED_OUT, and
/// nothing of the message comes. COTENANT_UNSUPPORTED as of cotenant_pipe_writer_try_send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_pipe_writer_send_timeout(
    writer: *mut cotenant_pipe_writer,
    bytes: *const c_void,
    length: usize,
    timeout_ms: u64,
) -> cotenant_status {
    let timeout = Duration::from_millis(timeout_ms);
    // SAFETY: the caller passes what each is to be.
    unsafe { send(writer, bytes, length, |writer, bytes| writer.send_timeout(bytes, timeout)) }
}

/// # Safety
/// What each argument is to be, or null.
unsafe fn send(
    writer: *mut cotenant_pipe_writer,
    bytes: *const c_void,
    length: usize,
    send: impl FnOnce(&mut MessageWriter, &[u8]) -> io::Result<()>,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller's promise.
        let writer = unsafe { writer.as_mut() }.ok_or_else(|| invalid("the writer is a null pointer"))?;
        // SAFETY: the caller's promise.
        send(&mut writer.writer, unsafe { memory::bytes(bytes, length) }?).map_err(failure)
    })
}

/// The next message, where the reader has it: `bytes` stays until the next call with this reader. Blocks until one has
/// come whole. COTENANT_END_OF_STREAM: no writer is left. COTENANT_INVALID_INPUT, COTENANT_SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_pipe_reader_recv(
    reader: *mut cotenant_pipe_reader,
    bytes: *mut *const c_void,
    length: *mut usize,
) -> cotenant_status {
    // SAFETY: the caller passes what each is to be.
    unsafe { recv(reader, bytes, length, MessageReader::recv) }
}

/// As cotenant_pipe_reader_recv, but does not wait: COTENANT_WOULD_BLOCK if no message is there whole.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_pipe_reader_try_recv(
    reader: *mut cotenant_pipe_reader,
    bytes: *mut *const c_void,
    length: *mut usize,
) -> cotenant_status {
    // SAFETY: the caller passes what each is to be.
    unsafe { recv(reader, bytes, length, MessageReader::try_recv) }
}

/// As cotenant_pipe_reader_recv, but waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_pipe_reader_recv_timeout(
    reader: *mut cotenant_pipe_reader,
    timeout_ms: u64,
    bytes: *mut *const c_void,
    length: *mut usize,
) -> cotenant_status {
    let timeout = Duration::from_millis(timeout_ms);
    // SAFETY: the caller passes what each is to be.
    unsafe { recv(reader, bytes, length, |reader| reader.recv_timeout(timeout)) }
}

/// # Safety
/// What each argument is to be, or null.
unsafe fn recv(
    reader: *mut cotenant_pipe_reader,
    bytes: *mut *const c_void,
    length: *mut usize,
    recv: impl FnOnce(&mut MessageReader) -> io::Result<Option<Vec<u8>>>,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller's promise.
        let reader = unsafe { reader.as_mut() }.ok_or_else(|| invalid("the reader is a null pointer"))?;
        if bytes.is_null() || length.is_null() {
            return Err(invalid("the place for the message or for its length is a null pointer"));
        }
        let at_end = || Failure { status: COTENANT_END_OF_STREAM, message: "no writer of the pipe is left".to_owned() };
        reader.message = recv(&mut reader.reader).map_err(failure)?.ok_or_else(at_end)?;
        let begin = if reader.message.is_empty() { null() } else { reader.message.as_ptr() };
        // SAFETY: the caller's promise.
        unsafe { bytes.write(begin.cast()) };
        // SAFETY: the caller's promise.
        unsafe { length.write(reader.message.len()) };
        Ok(())
    })
}

/// How many bytes that reader has passed over: those that were no message, and parts of messages whose writers did not
/// finish them. 0 of a null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_pipe_reader_skipped_bytes(reader: *const cotenant_pipe_reader) -> u64 {
    // SAFETY: the caller passes a reader.
    unsafe { reader.as_ref() }.map_or(0, |reader| reader.reader.skipped_bytes())
}
