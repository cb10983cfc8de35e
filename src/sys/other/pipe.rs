//! No pipes of ours on this system.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

const WHY: &str = "cotenant has no pipes and FIFOs on this system yet; std::io::pipe has pipes";

pub(crate) const ATOMIC_BYTES: usize = 512;
pub(crate) const NO_FIFOS: Option<&str> = Some(WHY);

fn unsupported<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, WHY))
}

pub(crate) fn pipe() -> io::Result<(File, File)> {
    unsupported()
}

pub(crate) fn make_fifo(_path: &Path, _mode: u32) -> io::Result<()> {
    unsupported()
}

pub(crate) fn open_fifo(_path: &Path, _writes: bool) -> io::Result<Option<File>> {
    unsupported()
}

pub(crate) fn has_no_reader(_error: &io::Error) -> bool {
    false
}

pub(crate) fn is_fifo(_path: &Path) -> io::Result<bool> {
    unsupported()
}

pub(crate) fn set_nonblocking(_file: &File, _on: bool) -> io::Result<()> {
    unsupported()
}

pub(crate) fn wait(_file: &File, _writes: bool, _timeout: Option<Duration>) -> io::Result<bool> {
    unsupported()
}

pub(crate) fn write_now(_file: &File, _bytes: &[u8]) -> io::Result<usize> {
    unsupported()
}

/// # Safety
/// None is needed.
pub unsafe fn pipe_end(_descriptor: isize) -> io::Result<File> {
    unsupported()
}
