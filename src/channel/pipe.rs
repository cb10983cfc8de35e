//! The ends of a pipe, anonymous or with a name: bytes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::frame::{MessageReader, MessageWriter};
use super::pipe_error::{PipeName, Side, told};
use crate::sys::pipe as system;

/// A pipe: whatever is written into the one end comes out of the other, in order
/// ([`pipe(7)`](https://man7.org/linux/man-pages/man7/pipe.7.html)). For a process and those that it forks or starts.
///
/// Each process keeps the end that it uses and drops the other one: a reader comes to the end of the stream only when
/// nobody has the writing end any more, and a writer learns that nobody reads only when nobody has the reading end: a
/// child of a fork that keeps the reader which it inherited waits for ever once its parent is killed. The ends are
/// closed by exec; hand one on as `Stdio::from(OwnedFd::from(end))`.
///
/// ```
/// use std::io::{Read, Write};
///
/// # if cfg!(any(target_os = "linux", windows)) {
/// let (mut reader, mut writer) = cotenant::channel::pipe()?;
/// writer.write_all(b"some bytes")?;
/// drop(writer);
/// let mut all = String::new();
/// reader.read_to_string(&mut all)?;
/// assert_eq!(all, "some bytes");
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// The process has too many files open, or the system has no pipes for us.
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = system::pipe().map_err(|error| told(Side::Reading, "make a pipe", error))?;
    Ok((PipeReader::from_file(reader), PipeWriter::from_file(writer)))
}

/// The reading end of a [`pipe`] or a [`Fifo`](super::Fifo).
///
/// `read` waits for bytes, and gives 0 at the end of the stream: when every writer has closed its end, or died. Of a
/// FIFO it first waits for a writer to come.
#[derive(Debug)]
pub struct PipeReader {
    end: system::ReadEnd,
    name: PipeName,
    is_nonblocking: bool,
}

/// The writing end of a [`pipe`] or a [`Fifo`](super::Fifo).
///
/// `write` waits while the pipe is full. When nobody can read any more it fails with
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe) (in a program that does not ignore SIGPIPE, as Rust's do, that signal
/// comes first). Up to [`PIPE_ATOMIC_BYTES`] are written in one piece.
#[derive(Debug)]
pub struct PipeWriter {
    file: File,
    name: PipeName,
    turn: system::Turn,
    is_nonblocking: AtomicBool,
}

/// What is written to a pipe at once, up to so many bytes, is not mixed with what others write, and is there whole or
/// not at all if the writer is killed.
pub const PIPE_ATOMIC_BYTES: usize = system::ATOMIC_BYTES;

impl PipeReader {
    pub(crate) fn from_file(file: File) -> PipeReader {
        PipeReader::of(system::ReadEnd::of_pipe(file), PipeName::default())
    }

    pub(super) fn of(end: system::ReadEnd, name: PipeName) -> PipeReader {
        PipeReader { end, name, is_nonblocking: false }
    }

    pub(super) fn name(&self) -> &PipeName {
        &self.name
    }

    fn told(&self, doing: &str, cause: io::Error) -> io::Error {
        told(Side::Reading, format_args!("{doing} {}", self.name), cause)
    }

    #[allow(dead_code)] // Not on every system.
    pub(crate) fn end(&self) -> &system::ReadEnd {
        &self.end
    }

    #[allow(dead_code)]
    pub(crate) fn into_end(self) -> system::ReadEnd {
        self.end
    }

    /// Whole messages, as a [`PipeWriter::messages`] writes them.
    pub fn messages(self) -> MessageReader {
        MessageReader::new(self)
    }

    /// Whether reads that find nothing fail with [`WouldBlock`](io::ErrorKind::WouldBlock) instead of waiting. It
    /// counts for all processes that share this end by a fork.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_nonblocking(&mut self, on: bool) -> io::Result<()> {
        self.end.set_nonblocking(on).map_err(|error| self.told("change how reads wait of", error))?;
        self.is_nonblocking = on;
        Ok(())
    }

    /// Waits until there are bytes, or the end of the stream. `false`: not within `timeout`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    pub(super) fn wait_until(&self, deadline: Option<Instant>) -> io::Result<bool> {
        wait_until(deadline, |left| self.end.wait(left)).map_err(|error| self.told("wait for bytes of", error))
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.end.read(buffer, self.is_nonblocking).map_err(|error| self.told("read", error))
    }
}

/// Waits until then; spurious ends of a wait are waited out.
fn wait_until(deadline: Option<Instant>, wait: impl Fn(Option<Duration>) -> io::Result<bool>) -> io::Result<bool> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if wait(left)? {
            return Ok(true);
        }
        if left == Some(Duration::ZERO) {
            return Ok(false);
        }
    }
}

impl PipeWriter {
    pub(crate) fn from_file(file: File) -> PipeWriter {
        PipeWriter::of(file, PipeName::default())
    }

    pub(super) fn of(file: File, name: PipeName) -> PipeWriter {
        PipeWriter { file, name, turn: Default::default(), is_nonblocking: AtomicBool::new(false) }
    }

    pub(super) fn name(&self) -> &PipeName {
        &self.name
    }

    fn told(&self, doing: &str, cause: io::Error) -> io::Error {
        told(Side::Writing, format_args!("{doing} {}", self.name), cause)
    }

    /// As the system has it.
    pub(super) fn write_raw(&self, bytes: &[u8]) -> io::Result<usize> {
        system::write(&self.file, &self.turn, bytes, self.is_nonblocking.load(Relaxed))
    }

    /// The same without waiting: whole, or `WouldBlock`.
    pub(super) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        system::write_now(&self.file, &self.turn, bytes)
    }

    /// How many writes of [`PIPE_ATOMIC_BYTES`] there is room for, at most; `None`: nobody knows.
    pub(super) fn room(&self) -> io::Result<Option<usize>> {
        system::room(&self.file)
    }

    /// Waits until there may be room for [`PIPE_ATOMIC_BYTES`].
    pub(super) fn wait_until(&self, deadline: Option<Instant>) -> io::Result<bool> {
        wait_until(deadline, |left| system::wait_for_room(&self.file, left))
    }

    #[allow(dead_code)] // Not on every system.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    #[allow(dead_code)]
    pub(crate) fn into_file(self) -> File {
        self.file
    }

    /// Whole messages, for a [`PipeReader::messages`].
    pub fn messages(self) -> MessageWriter {
        MessageWriter::new(self)
    }

    /// Whether writes that find no room fail with [`WouldBlock`](io::ErrorKind::WouldBlock) instead of waiting. It
    /// counts for all processes that share this end by a fork.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        system::set_nonblocking(&self.file, on).map_err(|error| self.told("change how writes wait of", error))?;
        self.is_nonblocking.store(on, Relaxed);
        Ok(())
    }

    /// Another handle on this end, in this process. The stream ends when all are dropped. On Windows a write through
    /// one of them waits for one that is under way through another, also if it is not to wait for room.
    ///
    /// # Errors
    ///
    /// The process has too many files open.
    pub fn try_clone(&self) -> io::Result<PipeWriter> {
        let is_nonblocking = AtomicBool::new(self.is_nonblocking.load(Relaxed));
        let file = self.file.try_clone().map_err(|error| self.told("make another handle on", error))?;
        Ok(PipeWriter { file, name: self.name.clone(), turn: self.turn.clone(), is_nonblocking })
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_raw(bytes).map_err(|error| self.told("write", error))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
