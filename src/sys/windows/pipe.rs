//! Anonymous pipes:
//! [`CreatePipe`](https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-createpipe).

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::null_mut;
use std::time::Duration;

use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::Pipes::CreatePipe;

use crate::channel::{PipeReader, PipeWriter};

pub(crate) const ATOMIC_BYTES: usize = 4096;
pub(crate) const NO_FIFOS: Option<&str> =
    Some("cotenant has no FIFOs on Windows yet; use a `Queue`, which unrelated processes find by its name");

/// Both ends of a new pipe, the reading one first; children do not inherit them by themselves.
pub(crate) fn pipe() -> io::Result<(File, File)> {
    let (mut reader, mut writer) = (null_mut(), null_mut());
    // SAFETY: room for two handles; no attributes; a buffer of the system's size.
    if unsafe { CreatePipe(&raw mut reader, &raw mut writer, std::ptr::null(), 0) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else's.
    let reader = unsafe { File::from_raw_handle(reader) };
    // SAFETY: as above.
    let writer = unsafe { File::from_raw_handle(writer) };
    Ok((reader, writer))
}

fn unsupported<T>(why: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

pub(crate) fn make_fifo(_path: &Path, _mode: u32) -> io::Result<()> {
    unsupported("there are no FIFOs")
}

pub(crate) fn open_fifo(_path: &Path, _writes: bool) -> io::Result<Option<File>> {
    unsupported("there are no FIFOs")
}

pub(crate) fn has_no_reader(_error: &io::Error) -> bool {
    false
}

pub(crate) fn is_fifo(_path: &Path) -> io::Result<bool> {
    unsupported("there are no FIFOs")
}

pub(crate) fn set_nonblocking(_file: &File, on: bool) -> io::Result<()> {
    if on { unsupported("an anonymous pipe of Windows always blocks: use a `Queue`") } else { Ok(()) }
}

/// A read or write blocks by itself.
pub(crate) fn wait(_file: &File, _writes: bool, timeout: Option<Duration>) -> io::Result<bool> {
    match timeout {
        None => Ok(true),
        Some(_) => unsupported("an anonymous pipe of Windows cannot be waited for with a timeout: use a `Queue`"),
    }
}

/// The pipe that this handle is.
///
/// # Safety
/// The caller gives the handle away if this succeeds.
pub unsafe fn pipe_end(handle: isize) -> io::Result<OwnedHandle> {
    let handle = std::ptr::without_provenance_mut(handle as usize);
    // SAFETY: any number may be asked about.
    if unsafe { GetFileType(handle) } != FILE_TYPE_PIPE {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the handle is no pipe"));
    }
    // SAFETY: open, and given to us.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

macro_rules! handle {
    ($end:ident) => {
        impl AsHandle for $end {
            fn as_handle(&self) -> BorrowedHandle<'_> {
                self.file().as_handle()
            }
        }

        impl From<$end> for OwnedHandle {
            fn from(end: $end) -> OwnedHandle {
                end.into_file().into()
            }
        }

        /// Takes over an inherited handle.
        impl From<OwnedHandle> for $end {
            fn from(handle: OwnedHandle) -> $end {
                $end::from_file(handle.into())
            }
        }
    };
}

handle!(PipeReader);
handle!(PipeWriter);
