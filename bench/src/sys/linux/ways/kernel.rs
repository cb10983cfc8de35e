//! What the kernel has: pipes, FIFOs, Unix sockets, System V message queues.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::Context;
use cotenant::channel::{Fifo, MessageReader, MessageWriter, PipeReader, PipeWriter, pipe};

use crate::channels::way::Way;

/// Bytes of messages, all of one length, one behind the other.
pub(crate) struct Stream {
    reader: File,
    writer: File,
    message: Vec<u8>,
}

/// How a stream is made.
pub(crate) trait Ends {
    fn make() -> anyhow::Result<(File, File)>;
}

pub(crate) struct Pipe;
pub(crate) struct NamedPipe;
pub(crate) struct Socket;

impl Ends for Pipe {
    fn make() -> anyhow::Result<(File, File)> {
        let (reader, writer) = pipe()?;
        Ok((OwnedFd::from(reader).into(), OwnedFd::from(writer).into()))
    }
}

impl Ends for NamedPipe {
    fn make() -> anyhow::Result<(File, File)> {
        let (reader, writer) = fifo()?;
        Ok((OwnedFd::from(reader).into(), OwnedFd::from(writer).into()))
    }
}

impl Ends for Socket {
    fn make() -> anyhow::Result<(File, File)> {
        let mut ends = [-1; 2];
        // SAFETY: room for two descriptors.
        if unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, ends.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error()).context("socketpair");
        }
        // SAFETY: just made.
        Ok(ends.map(|end| unsafe { File::from_raw_fd(end) }).into())
    }
}

fn fifo() -> anyhow::Result<(PipeReader, PipeWriter)> {
    let folder = tempfile::tempdir()?;
    let fifo = Fifo::create(folder.path().join("fifo"), 0o600)?;
    let reader = fifo.reader()?;
    Ok((reader, fifo.writer()?))
}

pub(crate) struct Raw<E> {
    stream: Stream,
    ends: std::marker::PhantomData<E>,
}

impl<E: Ends> Way for Raw<E> {
    fn make(bytes: usize) -> anyhow::Result<Self> {
        let (reader, writer) = E::make()?;
        // As much as it may hold; who may not have more gets less.
        // SAFETY: no pointer.
        unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 1 << 20) };
        Ok(Raw { stream: Stream { reader, writer, message: vec![0; bytes] }, ends: std::marker::PhantomData })
    }

    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.writer.write_all(message)?)
    }

    fn receive(&mut self) -> anyhow::Result<u64> {
        self.stream.reader.read_exact(&mut self.stream.message)?;
        number(&self.stream.message)
    }
}

fn number(message: &[u8]) -> anyhow::Result<u64> {
    let first = message.first_chunk::<8>().context("a message of eight bytes")?;
    Ok(u64::from_ne_bytes(*first))
}

/// Cotenant's whole messages through a pipe.
pub(crate) struct Framed {
    ends: Option<(PipeReader, PipeWriter)>,
    reader: Option<MessageReader>,
    writer: Option<MessageWriter>,
}

impl Way for Framed {
    fn make(_bytes: usize) -> anyhow::Result<Self> {
        Ok(Framed { ends: Some(pipe()?), reader: None, writer: None })
    }

    fn begin_sending(&mut self) -> anyhow::Result<()> {
        let (_reader, writer) = self.ends.take().context("the ends")?;
        self.writer = Some(writer.messages());
        Ok(())
    }

    fn begin_receiving(&mut self) -> anyhow::Result<()> {
        let (reader, _writer) = self.ends.take().context("the ends")?;
        self.reader = Some(reader.messages());
        Ok(())
    }

    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        Ok(self.writer.as_mut().context("the writing end")?.send(message)?)
    }

    fn receive(&mut self) -> anyhow::Result<u64> {
        let message = self.reader.as_mut().context("the reading end")?.recv()?;
        number(&message.context("the other side ended")?)
    }
}

/// A System V message queue, removed when this is dropped.
pub(crate) struct MessageQueue {
    id: i32,
    owner: u32,
    buffer: Vec<u8>,
}

impl Way for MessageQueue {
    fn make(bytes: usize) -> anyhow::Result<Self> {
        anyhow::ensure!(bytes <= 8192, "a message has at most 8,192 bytes (kernel.msgmax)");
        // SAFETY: no pointer.
        let id = unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) };
        anyhow::ensure!(id >= 0, "msgget: {}", io::Error::last_os_error());
        Ok(MessageQueue { id, owner: std::process::id(), buffer: vec![0; bytes + 8] })
    }

    fn begin_sending(&mut self) -> anyhow::Result<()> {
        self.buffer[..8].copy_from_slice(&1_i64.to_ne_bytes());
        Ok(())
    }

    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        self.buffer[8..].copy_from_slice(message);
        // SAFETY: a type, and so many bytes behind it.
        let sent = unsafe { libc::msgsnd(self.id, self.buffer.as_ptr().cast(), message.len(), 0) };
        anyhow::ensure!(sent == 0, "msgsnd: {}", io::Error::last_os_error());
        Ok(())
    }

    fn receive(&mut self) -> anyhow::Result<u64> {
        let room = self.buffer.len() - 8;
        // SAFETY: room for a type, and so many bytes behind it.
        let got = unsafe { libc::msgrcv(self.id, self.buffer.as_mut_ptr().cast(), room, 0, 0) };
        anyhow::ensure!(got >= 0, "msgrcv: {}", io::Error::last_os_error());
        number(&self.buffer[8..])
    }
}

impl Drop for MessageQueue {
    fn drop(&mut self) {
        if self.owner == std::process::id() {
            // SAFETY: no pointer.
            unsafe { libc::msgctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) };
        }
    }
}
