//! A file that is opened again whenever a description without locks of its own is needed.
//!
//! Locks belong to descriptions: asked through the one that holds a lock, the system says "free". So nothing keeps a
//! description for later questions; a file is found again by its path, or, without one, by a descriptor that the
//! process keeps. Either may lead somewhere else meanwhile: device and inode decide.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, IntoRawFd, RawFd};
use std::sync::Arc;

use super::file::{self, Stat};

/// How a file is found again.
pub(crate) enum Reopen {
    ByPath {
        path: CString,
        stat: Stat,
    },
    /// A file without a name, by the number of a descriptor of this process (and, inherited, of its children).
    Kept(Arc<Kept>),
}

/// A descriptor that the program may close behind our back (closefrom), and its number be given to another file.
pub(crate) struct Kept {
    number: RawFd,
    stat: Stat,
}

impl Kept {
    /// The descriptor's number, if it leads to the file; one that does not may be a device, and even opening that may
    /// do something.
    fn number(&self) -> Option<RawFd> {
        // SAFETY: only asked what it is, and whatever the number stands for is left open.
        let file = ManuallyDrop::new(unsafe { File::from_raw_fd(self.number) });
        file::stat(&file).is_ok_and(|there| there.same_file(&self.stat)).then_some(self.number)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(number) = self.number() {
            // SAFETY: it still is the descriptor that was given to `Reopen::kept`, and nobody closes it again.
            drop(unsafe { File::from_raw_fd(number) });
        }
    }
}

impl Reopen {
    /// A file that has no name, or may lose it.
    pub(crate) fn kept(file: File) -> io::Result<Reopen> {
        let stat = file::stat(&file)?;
        Ok(Reopen::Kept(Arc::new(Kept { number: file.into_raw_fd(), stat })))
    }

    /// The same file, found again in the same way.
    pub(crate) fn same(&self) -> Reopen {
        match self {
            Reopen::ByPath { path, stat } => Reopen::ByPath { path: path.clone(), stat: *stat },
            Reopen::Kept(kept) => Reopen::Kept(Arc::clone(kept)),
        }
    }

    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, Reopen::Kept(_))
    }

    /// A description of its own for the same file, for reading and writing. Allocates nothing: it is used in children
    /// of a fork. `NotFound` if the file is not there any more; `WouldBlock` if somebody has a lease on it.
    pub(crate) fn open(&self) -> io::Result<File> {
        self.open_as(libc::O_RDWR)
    }

    /// The same for reading alone.
    pub(crate) fn open_to_read(&self) -> io::Result<File> {
        self.open_as(libc::O_RDONLY)
    }

    fn open_as(&self, access: libc::c_int) -> io::Result<File> {
        let flags = access | libc::O_NONBLOCK;
        let (file, stat) = match self {
            Reopen::ByPath { path, stat } => (file::open_at(None, path, flags | libc::O_NOFOLLOW, 0)?, stat),
            Reopen::Kept(kept) => {
                let number = kept.number().ok_or(io::ErrorKind::NotFound)?;
                let mut path = [0_u8; 32];
                let mut writer = io::Cursor::new(&mut path[..]);
                io::Write::write_fmt(&mut writer, format_args!("/proc/self/fd/{}\0", number))?;
                let path = CStr::from_bytes_until_nul(&path).map_err(|_| io::ErrorKind::InvalidInput)?;
                (file::open_at(None, path, flags, 0)?, &kept.stat)
            }
        };
        if file::stat(&file)?.same_file(stat) { Ok(file) } else { Err(io::Error::from_raw_os_error(libc::ENOENT)) }
    }

    /// As the file is by now, without opening it.
    pub(crate) fn stat_again(&self) -> io::Result<Stat> {
        match self {
            Reopen::ByPath { .. } => file::stat(&self.open()?),
            Reopen::Kept(kept) => {
                let number = kept.number().ok_or(io::ErrorKind::NotFound)?;
                // SAFETY: only asked what it is, and whatever the number stands for is left open.
                file::stat(&ManuallyDrop::new(unsafe { File::from_raw_fd(number) }))
            }
        }
    }

    pub(crate) fn stat(&self) -> &Stat {
        match self {
            Reopen::ByPath { stat, .. } => stat,
            Reopen::Kept(kept) => &kept.stat,
        }
    }

    /// Whether another file, or none, has the path. What never had one does not lose it.
    pub(crate) fn lost_its_name(&self) -> bool {
        let Reopen::ByPath { path, stat } = self else { return false };
        match file::open_at(None, path, libc::O_PATH | libc::O_NOFOLLOW, 0) {
            Ok(there) => file::stat(&there).is_ok_and(|there| !there.same_file(stat)),
            Err(cause) => cause.kind() == io::ErrorKind::NotFound,
        }
    }
}
