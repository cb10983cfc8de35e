//! Whole messages through a pipe, from any number of writers to one reader.
//!
//! ```text
//! 0   4  magic      "CTFR"                      a frame: at most as many bytes as the system writes in one piece
//! 4   4  bytes      of this frame's part
//! 8   8  checksum   of all behind it but the check
//! 16  8  writer     drawn at random by each
//! 24  4  message    counts the writer's
//! 28  4  total      bytes of the message
//! 32  4  at         where this part lies in it
//! 36  4  check      of all before it
//! 40     the part
//! ```
//!
//! A frame is never mixed with others' bytes, so frames of many writers may follow each other in any order: the reader
//! puts each writer's together. No lock is needed, and a writer that is stopped in the middle of a long message holds
//! up nobody. One that is killed leaves a message without its end, which is dropped. What is no frame (somebody wrote
//! bytes into the pipe) is passed over, up to the next frame. A head is believed, and the rest of its frame waited for,
//! only with its check: bytes that look like one by accident hold nothing back.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::time::{Duration, Instant};

use super::pipe::{PIPE_ATOMIC_BYTES, PipeReader, PipeWriter};
use super::pipe_error::{Side, not_yet, refused, told};

const MAGIC: u32 = u32::from_le_bytes(*b"CTFR");
const HEAD_BYTES: usize = 40;
const PART_BYTES: usize = PIPE_ATOMIC_BYTES - HEAD_BYTES;
const CHECKED_FROM: usize = 16;
const CHECK_AT: usize = 36;
const READ_BYTES: usize = 64 << 10;
/// Writers whose messages may be incomplete at one time, and what came of these, in bytes; the one that was heard least
/// lately goes first. A writer that was killed is among them until then: nobody tells of its death.
const WRITERS_MAX: usize = 1 << 14;
const PARTIAL_MAX_BYTES: usize = 1 << 30;
/// What a receive reads at most when its time is over: as much as a pipe has without privileges. Whoever writes faster
/// than it is read would hold it for ever.
const LATE_MAX_BYTES: usize = 1 << 20;

/// The longest message of [`PipeWriter::messages`], in bytes.
pub const PIPE_MESSAGE_MAX_BYTES: usize = 16 << 20;

/// FNV-like, eight bytes at a time: against accidents, not against people.
fn checksum(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let mut sum = mix(0, bytes.len() as u64);
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk::<8>() {
        sum = mix(sum, u64::from_le_bytes(*word));
        rest = behind;
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    sum = mix(sum, u64::from_le_bytes(last));
    sum ^ sum >> 32
}

/// Of the head alone.
fn check(head: &[u8]) -> u32 {
    checksum(&head[..CHECK_AT]) as u32
}

/// Writes the sums of a frame; that of the head is over the other one, which is over all but both.
fn seal(frame: &mut [u8]) {
    let sum = sum_of(frame);
    frame[8..16].copy_from_slice(&sum.to_le_bytes());
    let check = check(frame);
    frame[CHECK_AT..HEAD_BYTES].copy_from_slice(&check.to_le_bytes());
}

fn sum_of(frame: &[u8]) -> u64 {
    checksum(&frame[CHECKED_FROM..CHECK_AT]).rotate_left(1) ^ checksum(&frame[HEAD_BYTES..])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk::<4>().map_or(0, |it| u32::from_le_bytes(*it))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk::<8>().map_or(0, |it| u64::from_le_bytes(*it))
}

/// Writes whole messages into a pipe, beside any number of others.
///
/// A message comes whole, once, or, if this process is killed before `send` returns, perhaps not at all. Those of one
/// writer come in order.
///
/// ```
/// # if cfg!(target_os = "linux") {
/// let (reader, writer) = cotenant::channel::pipe()?;
/// let (mut reader, mut writer) = (reader.messages(), writer.messages());
/// writer.send(b"one")?;
/// writer.send(b"two")?;
/// drop(writer);
/// assert_eq!(reader.recv()?.as_deref(), Some(&b"one"[..]));
/// assert_eq!(reader.recv()?.as_deref(), Some(&b"two"[..]));
/// assert_eq!(reader.recv()?, None); // The end of the stream.
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct MessageWriter {
    pipe: PipeWriter,
    writer: u64,
    /// Of the process that drew `writer`: a child of a fork draws its own.
    pid: u32,
    message: u32,
}

impl MessageWriter {
    pub(super) fn new(pipe: PipeWriter) -> MessageWriter {
        MessageWriter { pipe, writer: draw(), pid: std::process::id(), message: 0 }
    }

    /// Sends a message of up to [`PIPE_MESSAGE_MAX_BYTES`]; waits while the pipe is full.
    ///
    /// # Errors
    /// `BrokenPipe`: nobody reads any more. `InvalidInput`: it is too long. Of a non-blocking pipe `WouldBlock`:
    /// nothing of it will come.
    pub fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.send_until(message, None).map_err(|error| self.told(message, error))
    }

    /// As [`send`](MessageWriter::send), but only if there is room for all of it now.
    ///
    /// # Errors
    /// `WouldBlock`: there is none; nothing of the message will come. One that is longer than the pipe (64 KiB, unless
    /// somebody changed it) never has it. `Unsupported` on Windows, of a pipe that CreatePipe made.
    pub fn try_send(&mut self, message: &[u8]) -> io::Result<()> {
        let no_room = |pipe: &PipeWriter| {
            let what =
                format!("cannot send a message of {} bytes now: {} has no room for it", message.len(), pipe.name());
            not_yet(io::ErrorKind::WouldBlock, what, "send it when its reader has read, or wait with `send_timeout`")
        };
        // A part of a message is of no use to the reader, and takes the room from others.
        let frames = message.len().div_ceil(PART_BYTES);
        if frames > 1 && message.len() <= PIPE_MESSAGE_MAX_BYTES {
            let room = self.pipe.room().map_err(|error| self.told(message, error))?;
            if room.is_some_and(|room| room < frames) {
                return Err(no_room(&self.pipe));
            }
        }
        self.send_until(message, Some(Instant::now())).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => no_room(&self.pipe),
            _ => self.told(message, error),
        })
    }

    /// As [`send`](MessageWriter::send); waits at most `timeout` for room.
    ///
    /// # Errors
    /// `TimedOut`: nothing of the message will come. `Unsupported` on Windows, of a pipe that
    /// CreatePipe made.
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> io::Result<()> {
        self.send_until(message, Instant::now().checked_add(timeout)).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => {
                let (bytes, name) = (message.len(), self.pipe.name());
                let what = format!("cannot send a message of {bytes} bytes: {name} had no room within {timeout:?}");
                not_yet(io::ErrorKind::TimedOut, what, "see whether its reader runs, or wait longer")
            }
            _ => self.told(message, error),
        })
    }

    fn told(&self, message: &[u8], cause: io::Error) -> io::Error {
        let (bytes, name) = (message.len(), self.pipe.name());
        told(Side::Writing, format_args!("send a message of {bytes} bytes through {name}"), cause)
    }

    fn send_until(&mut self, message: &[u8], deadline: Option<Instant>) -> io::Result<()> {
        if message.len() > PIPE_MESSAGE_MAX_BYTES {
            let (bytes, name) = (message.len(), self.pipe.name());
            let what = format!("cannot send a message of {bytes} bytes through {name}: it is too long");
            let next = format!("at most {PIPE_MESSAGE_MAX_BYTES} bytes are possible: send it in parts");
            return Err(refused(io::ErrorKind::InvalidInput, what, &next));
        }
        if self.pid != std::process::id() {
            (self.writer, self.pid) = (draw(), std::process::id());
        }
        self.message = self.message.wrapping_add(1);
        let mut frame = Vec::with_capacity(PIPE_ATOMIC_BYTES);
        let mut at = 0;
        loop {
            let part = &message[at..message.len().min(at + PART_BYTES)];
            frame.clear();
            frame.extend_from_slice(&MAGIC.to_le_bytes());
            frame.extend_from_slice(&(part.len() as u32).to_le_bytes());
            frame.extend_from_slice(&[0; 8]);
            frame.extend_from_slice(&self.writer.to_le_bytes());
            for number in [self.message, message.len() as u32, at as u32, 0] {
                frame.extend_from_slice(&number.to_le_bytes());
            }
            frame.extend_from_slice(part);
            seal(&mut frame);
            self.write_frame(&frame, deadline)?;
            at += part.len();
            if at >= message.len() {
                return Ok(());
            }
        }
    }

    /// In one call: in one piece or not at all.
    fn write_frame(&mut self, frame: &[u8], deadline: Option<Instant>) -> io::Result<()> {
        loop {
            let written = match deadline {
                None => self.pipe.write_raw(frame),
                // Another writer may take the room that was waited for: then this waits again.
                Some(_) => self.pipe.write_now(frame),
            };
            match written {
                Ok(bytes) if bytes == frame.len() => return Ok(()),
                Ok(_) => return Err(io::Error::other("the system cut a write that it promises to make whole")),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && deadline.is_some() => {
                    if !self.pipe.wait_until(deadline)? {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// A number that no other writer has.
fn draw() -> u64 {
    // Seeded by the system, and by the process: a child of a fork has its parent's seed.
    RandomState::new().hash_one((std::process::id(), Instant::now()))
}

/// A message of which not all has come.
#[derive(Debug)]
struct Partial {
    message: u32,
    bytes: Vec<u8>,
    total: usize,
    heard: u64,
}

/// Reads whole messages from a pipe. One reader at a time: two would each take parts of what the other waits for.
#[derive(Debug)]
pub struct MessageReader {
    pipe: PipeReader,
    buffer: Box<[u8]>,
    /// What was read and is not yet a frame lies from here
    begin: usize,
    /// to here.
    end: usize,
    partial: HashMap<u64, Partial>,
    /// Of all of them together.
    partial_bytes: usize,
    frames: u64,
    skipped_bytes: u64,
}

/// What one look at the buffer found.
enum Step {
    Message(Vec<u8>),
    Again,
    More,
}

impl MessageReader {
    pub(super) fn new(pipe: PipeReader) -> MessageReader {
        let (buffer, partial) = (vec![0; PIPE_ATOMIC_BYTES + READ_BYTES].into_boxed_slice(), HashMap::new());
        MessageReader { pipe, buffer, begin: 0, end: 0, partial, partial_bytes: 0, frames: 0, skipped_bytes: 0 }
    }

    /// The next message; waits for it. `None` at the end of the stream: no writer is left.
    ///
    /// # Errors
    /// What the system says of the read.
    pub fn recv(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.recv_until(None)
    }

    /// The next message if it is there.
    ///
    /// # Errors
    /// `WouldBlock` if not.
    pub fn try_recv(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.recv_until(Some(Instant::now())).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => {
                let what = format!("no whole message is in {} now", self.pipe.name());
                not_yet(io::ErrorKind::WouldBlock, what, "wait for one with `recv` or `recv_timeout`")
            }
            _ => error,
        })
    }

    /// The next message; waits at most `timeout`.
    ///
    /// # Errors
    /// `TimedOut`.
    pub fn recv_timeout(&mut self, timeout: Duration) -> io::Result<Option<Vec<u8>>> {
        self.recv_until(Instant::now().checked_add(timeout)).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => {
                let what = format!("no whole message came through {} within {timeout:?}", self.pipe.name());
                not_yet(io::ErrorKind::TimedOut, what, "see whether its writers run, or wait longer")
            }
            _ => error,
        })
    }

    /// Bytes that were no frame, or parts of messages whose writers did not finish them.
    pub fn skipped_bytes(&self) -> u64 {
        self.skipped_bytes
    }

    fn recv_until(&mut self, deadline: Option<Instant>) -> io::Result<Option<Vec<u8>>> {
        let mut late_bytes = 0;
        loop {
            match self.step() {
                Step::Message(message) => return Ok(Some(message)),
                Step::Again => continue,
                Step::More => {}
            }
            let is_late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if deadline.is_some() && (late_bytes >= LATE_MAX_BYTES || !self.pipe.wait_until(deadline)?) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let read = self.read_more()?;
            if read == 0 {
                self.skip_the_rest();
                return Ok(None);
            }
            late_bytes += if is_late { read } else { 0 };
        }
    }

    /// Whoever could finish it is gone.
    fn skip_the_rest(&mut self) {
        self.partial.clear();
        let unfinished = std::mem::take(&mut self.partial_bytes);
        self.skipped_bytes += (self.end - self.begin + unfinished) as u64;
        self.begin = self.end;
    }

    /// How many bytes came; 0: the end of the stream.
    fn read_more(&mut self) -> io::Result<usize> {
        // Less than a frame is left: `step` has taken the others.
        self.buffer.copy_within(self.begin..self.end, 0);
        (self.begin, self.end) = (0, self.end - self.begin);
        let read = loop {
            match self.pipe.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += read;
        Ok(read)
    }

    /// Takes one frame off the buffer, or passes over bytes that are none.
    fn step(&mut self) -> Step {
        let bytes = &self.buffer[self.begin..self.end];
        if bytes.len() < HEAD_BYTES {
            return Step::More;
        }
        let part_bytes = u32_at(bytes, 4) as usize;
        let (total, at) = (u32_at(bytes, 28) as usize, u32_at(bytes, 32) as usize);
        let could_be = u32_at(bytes, 0) == MAGIC
            && u32_at(bytes, CHECK_AT) == check(bytes)
            && part_bytes <= PART_BYTES
            && total <= PIPE_MESSAGE_MAX_BYTES
            && at.checked_add(part_bytes).is_some_and(|end| end <= total)
            && (part_bytes > 0 || total == 0);
        let end = HEAD_BYTES + part_bytes;
        if could_be && bytes.len() < end {
            return Step::More;
        }
        if !could_be || sum_of(&bytes[..end]) != u64_at(bytes, 8) {
            self.begin += 1;
            self.skipped_bytes += 1;
            return Step::Again;
        }
        let (writer, message) = (u64_at(bytes, 16), u32_at(bytes, 24));
        let part = bytes[HEAD_BYTES..end].to_vec();
        self.begin += end;
        self.frames += 1;
        self.put_together(writer, message, total, at, part)
    }

    fn put_together(&mut self, writer: u64, message: u32, total: usize, at: usize, part: Vec<u8>) -> Step {
        let heard = self.frames;
        if at == 0 {
            self.give_up(writer);
            if part.len() == total {
                return Step::Message(part);
            }
            self.make_room(part.len());
            self.partial_bytes += part.len();
            self.partial.insert(writer, Partial { message, bytes: part, total, heard });
            return Step::Again;
        }
        match self.partial.get_mut(&writer) {
            Some(partial) if partial.message == message && partial.total == total && partial.bytes.len() == at => {
                partial.bytes.extend_from_slice(&part);
                partial.heard = heard;
                self.partial_bytes += part.len();
                if partial.bytes.len() < total {
                    self.make_room(0);
                    return Step::Again;
                }
            }
            // The middle of a message whose beginning nobody here has read.
            _ => {
                self.skipped_bytes += part.len() as u64;
                return Step::Again;
            }
        }
        self.partial.remove(&writer).map_or(Step::Again, |whole| {
            self.partial_bytes -= whole.bytes.len();
            Step::Message(whole.bytes)
        })
    }

    /// Of a message that will not come whole.
    fn give_up(&mut self, writer: u64) {
        if let Some(dropped) = self.partial.remove(&writer) {
            self.partial_bytes -= dropped.bytes.len();
            self.skipped_bytes += dropped.bytes.len() as u64;
        }
    }

    fn make_room(&mut self, bytes: usize) {
        while self.partial.len() >= WRITERS_MAX || self.partial_bytes + bytes > PARTIAL_MAX_BYTES {
            let oldest = self.partial.iter().min_by_key(|(_, partial)| partial.heard).map(|(writer, _)| *writer);
            let Some(oldest) = oldest else { return };
            self.give_up(oldest);
        }
    }
}
