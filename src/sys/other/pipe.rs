//! No pipes of ours on this system.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::channel::Opened;

const WHY: &str = "cotenant has no pipes and FIFOs on this system yet; std::io::pipe has pipes";

pub(crate) const ATOMIC_BYTES: usize = 512;
pub(crate) const NO_FIFOS: Option<&str> = Some(WHY);

fn unsupported<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, WHY))
}

#[derive(Debug)]
pub(crate) struct Name;

#[derive(Debug, Clone, Default)]
pub(crate) struct Turn;

#[derive(Debug)]
pub(crate) struct ReadEnd;

impl ReadEnd {
    pub(crate) fn of_pipe(_file: File) -> ReadEnd {
        ReadEnd
    }

    pub(crate) fn set_nonblocking(&self, _on: bool) -> io::Result<()> {
        unsupported()
    }

    pub(crate) fn wait(&self, _timeout: Option<Duration>) -> io::Result<bool> {
        unsupported()
    }

    pub(crate) fn read(&mut self, _buffer: &mut [u8], _is_nonblocking: bool) -> io::Result<usize> {
        unsupported()
    }
}

pub(crate) fn pipe() -> io::Result<(File, File)> {
    unsupported()
}

pub(crate) fn make_fifo(_path: &Path, _mode: u32) -> io::Result<Name> {
    unsupported()
}

pub(crate) fn unlink_fifo(_path: &Path) -> io::Result<()> {
    unsupported()
}

pub(crate) fn open_reader(_path: &Path) -> io::Result<Opened<ReadEnd>> {
    unsupported()
}

pub(crate) fn open_writer(_path: &Path) -> io::Result<Opened<File>> {
    unsupported()
}

/// The error of a process that may not open more files.
pub(crate) const TOO_MANY_FILES: i32 = 24;
pub(crate) const NO_READER: &str = "nobody reads it";

pub(crate) fn has_no_reader(_error: &io::Error) -> bool {
    false
}

pub(crate) fn is_fifo(_path: &Path) -> io::Result<bool> {
    unsupported()
}

pub(crate) fn set_nonblocking(_file: &File, _on: bool) -> io::Result<()> {
    unsupported()
}

pub(crate) fn wait_for_room(_file: &File, _timeout: Option<Duration>) -> io::Result<bool> {
    unsupported()
}

pub(crate) fn write(_file: &File, _turn: &Turn, _bytes: &[u8], _is_nonblocking: bool) -> io::Result<usize> {
    unsupported()
}

pub(crate) fn write_now(_file: &File, _turn: &Turn, _bytes: &[u8]) -> io::Result<usize> {
    unsupported()
}

pub(crate) fn room(_file: &File) -> io::Result<Option<usize>> {
    unsupported()
}

/// # Safety
/// None is needed.
pub unsafe fn pipe_end(_descriptor: isize, _writes: bool) -> io::Result<File> {
    unsupported()
}
