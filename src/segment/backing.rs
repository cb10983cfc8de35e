//! What a segment's memory is made of, and the table of what each kind can do.
//!
//! What a backing cannot do is refused when the options are given, before any system call.

use std::path::PathBuf;

use super::header::BackingKind;
use crate::sys;

/// What the memory of a [`Segment`](crate::Segment) is made of.
///
/// | | reached by | grows | lives | mode, group | readers | system |
/// |---|---|---|---|---|---|---|
/// | `Anonymous` | fork | no | as long as processes | no | no | Linux |
/// | `Memfd` | fork, or a descriptor sent to another process | yes | as long as processes | no | no | Linux |
/// | `Posix` | name | yes | while attached, or until removed | yes | yes | Linux |
/// | `SysV` | key | no | while attached, or until removed | yes | no | Linux |
/// | `File` | path | yes | until it is deleted, also over a restart | yes | yes | Linux |
/// | `FileMapping` | name | yes | while attached | no | no | Windows |
///
/// ```
/// use cotenant::{Backing, ErrorKind, Segment};
///
/// let error = Segment::options().backing(Backing::Anonymous).mode(0o660).create("example.table").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Unsupported);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backing {
    /// Memory without a name or a file ([`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html)): for a process
    /// and the children that it forks.
    Anonymous,
    /// A file without a name, in memory, that cannot be cut short
    /// ([`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html)): for children, and for whoever
    /// is sent its descriptor.
    Memfd,
    /// A file in a folder of `/dev/shm`, found by its name
    /// ([`shm_overview(7)`](https://man7.org/linux/man-pages/man7/shm_overview.7.html)).
    Posix,
    /// A System V segment, found by its key ([`shmget(2)`](https://man7.org/linux/man-pages/man2/shmget.2.html)).
    SysV(SysVKey),
    /// A file on any disk, found by its path. Its values survive a restart of the machine, as far as they were written
    /// to the disk.
    File,
    /// A named file mapping of Windows.
    FileMapping,
}

/// How a System V segment is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SysVKey {
    /// By nobody but children of a fork (`IPC_PRIVATE`).
    Private,
    /// By a number that its users agree on; not 0, which is `IPC_PRIVATE`.
    Number(i32),
    /// By a file that exists and a number from 1 to 255
    /// ([`ftok(3)`](https://man7.org/linux/man-pages/man3/ftok.3.html)). Two files can have the same key by chance;
    /// a segment that is not ours is never touched.
    File {
        /// Any file or folder; its device and inode go into the key.
        path: PathBuf,
        /// Tells several segments of one file apart.
        number: u8,
    },
}

/// How long the values of a segment live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Keep {
    /// As long as a process is attached; the next one starts afresh.
    WhileAttached,
    /// Until the name is removed by hand, or (not for files) the machine restarts.
    UntilRemoved,
}

/// What a backing can do; the text is the reason why not.
pub(super) struct Abilities {
    /// Found by a name or a path.
    pub(super) opened_by: Result<(), &'static str>,
    pub(super) keep: Result<(), &'static str>,
    pub(super) forget: Result<(), &'static str>,
    pub(super) mode: Result<(), &'static str>,
    pub(super) folder: Result<(), &'static str>,
    pub(super) scope: Result<(), &'static str>,
    pub(super) readers: Result<(), &'static str>,
    pub(super) huge_pages: Result<(), &'static str>,
}

impl Default for Backing {
    /// What has a name on this system: `Posix` on Linux, `FileMapping` on Windows.
    fn default() -> Backing {
        if sys::segment::BACKINGS.contains(&BackingKind::FileMapping) { Backing::FileMapping } else { Backing::Posix }
    }
}

impl Backing {
    pub(crate) fn kind(&self) -> BackingKind {
        match self {
            Backing::Anonymous => BackingKind::Anonymous,
            Backing::Memfd => BackingKind::Memfd,
            Backing::Posix => BackingKind::Posix,
            Backing::SysV(_) => BackingKind::SysV,
            Backing::File => BackingKind::File,
            Backing::FileMapping => BackingKind::FileMapping,
        }
    }

    /// What it can do: as its kind, but System V memory without a key has no companion in a folder.
    pub(super) fn abilities(&self) -> Abilities {
        match self {
            Backing::SysV(SysVKey::Private) => {
                Abilities { keep: Err(NAMELESS), folder: Err(NO_FOLDER), ..self.kind().abilities() }
            }
            _ => self.kind().abilities(),
        }
    }
}

const NAMELESS: &str = "it has no name that could be kept";
const NO_FOLDER: &str = "it lies in no folder";

impl BackingKind {
    /// As people call it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            BackingKind::Anonymous => "an anonymous segment",
            BackingKind::Memfd => "a memfd segment",
            BackingKind::Posix => "a POSIX segment",
            BackingKind::SysV => "a System V segment",
            BackingKind::File => "a segment in a file",
            BackingKind::FileMapping => "a Windows file mapping",
        }
    }

    /// The table.
    pub(super) fn abilities(self) -> Abilities {
        const INHERITED: &str = "only children of a fork reach it: they have it already";
        const ALL_OR_NONE: &str = "whoever inherits it may write it";
        const NO_READERS: &str = "it is not found by a name and a mode: use `Backing::Posix` or `Backing::File`";
        const WINDOWS: &str = "Windows has no such thing for it";
        let forked = Abilities {
            opened_by: Err(INHERITED),
            keep: Err(NAMELESS),
            forget: Ok(()),
            mode: Err(ALL_OR_NONE),
            folder: Err(NO_FOLDER),
            scope: Ok(()),
            readers: Err(NO_READERS),
            huge_pages: Ok(()),
        };
        let named = Abilities {
            opened_by: Ok(()),
            keep: Ok(()),
            forget: Ok(()),
            mode: Ok(()),
            folder: Ok(()),
            scope: Ok(()),
            readers: Ok(()),
            huge_pages: Ok(()),
        };
        match self {
            BackingKind::Anonymous => forked,
            BackingKind::Memfd => Abilities {
                opened_by: Err("children of a fork have it already, others are sent its descriptor"),
                ..forked
            },
            BackingKind::Posix => named,
            BackingKind::SysV => Abilities {
                readers: Err(NO_READERS),
                huge_pages: Err("the system wants them set aside by its administrator (SHM_HUGETLB): use `Posix`"),
                ..named
            },
            BackingKind::File => Abilities {
                forget: Err("a file lives until it is deleted: use `Backing::Posix` for values of a moment"),
                folder: Err("its path says where it lies"),
                scope: Err("its path alone tells one from another"),
                huge_pages: Err("file systems on disks have none to write to: use `Backing::Posix`"),
                ..named
            },
            BackingKind::FileMapping => Abilities {
                keep: Err("it lives as long as a process has it open"),
                mode: Err("only the user who runs the program can open it"),
                folder: Err(NO_FOLDER),
                readers: Err(WINDOWS),
                huge_pages: Err(WINDOWS),
                ..named
            },
        }
    }
}
