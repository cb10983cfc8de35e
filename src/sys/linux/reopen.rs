//! A file that is opened again whenever a description without locks of its own is needed.
//!
//! Locks belong to descriptions: asked through the one that holds a lock, the system says "free". So nothing keeps a
//! description for later questions; a file is found again by its path, or, without one, by a descriptor that the
//! process keeps. Either may lead somewhere else meanwhile: device and inode decide.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::file::{self, Stat};

/// How a file is found again.
pub(crate) enum Reopen {
    ByPath {
        path: CString,
        stat: Stat,
    },
    /// A file without a name, by the number of a descriptor of this process (and, inherited, of its children).
    Kept {
        file: File,
        stat: Stat,
    },
}

impl Reopen {
    /// A file that has no name, or may lose it.
    #[allow(dead_code)]
    pub(crate) fn kept(file: File) -> io::Result<Reopen> {
        let stat = file::stat(&file)?;
        Ok(Reopen::Kept { file, stat })
    }

    /// A description of its own for the same file, for reading and writing. Allocates nothing: it is used in children
    /// of a fork. `NotFound` if the file is not there any more.
    pub(crate) fn open(&self) -> io::Result<File> {
        let (file, stat) = match self {
            Reopen::ByPath { path, stat } => (file::open_at(None, path, libc::O_RDWR | libc::O_NOFOLLOW, 0)?, stat),
            Reopen::Kept { file, stat } => {
                let mut path = [0_u8; 32];
                let mut writer = io::Cursor::new(&mut path[..]);
                io::Write::write_fmt(&mut writer, format_args!("/proc/self/fd/{}\0", file.as_raw_fd()))?;
                let path = CStr::from_bytes_until_nul(&path).map_err(|_| io::ErrorKind::InvalidInput)?;
                (file::open_at(None, path, libc::O_RDWR, 0)?, stat)
            }
        };
        if file::stat(&file)?.same_file(stat) { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    pub(crate) fn stat(&self) -> &Stat {
        match self {
            Reopen::ByPath { stat, .. } | Reopen::Kept { stat, .. } => stat,
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
