//! What a tool asks of a segment that it is no part of, on systems without segments in files: they are not found.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// What stands behind a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Look {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
    pub(crate) links: u64,
    pub(crate) bytes: u64,
    pub(crate) allocated_bytes: u64,
    pub(crate) is_regular: bool,
}

/// Who locks the life byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(dead_code)]
pub(crate) enum LifeByte {
    Nobody,
    Mapped,
    BeingRemoved,
}

pub(crate) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(crate) fn open_of_process(_path: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn look(file: &File) -> io::Result<Look> {
    let stat = file.metadata()?;
    let (bytes, is_regular) = (stat.len(), stat.is_file());
    Ok(Look { device: 0, inode: 0, uid: 0, gid: 0, mode: 0, links: 1, bytes, allocated_bytes: bytes, is_regular })
}

pub(crate) fn read_at(mut file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek(SeekFrom::Start(at))?;
    file.read(buffer)
}

pub(crate) fn life(_file: &File) -> io::Result<LifeByte> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn is_slot_held(_file: &File, _slot: u32) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn boottime_ms() -> u64 {
    0
}

pub(crate) fn read_sysv(_id: u32, _buffer: &mut [u8], _at: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn sysv_bytes(_id: u32) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}
