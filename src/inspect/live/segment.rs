//! A segment that is in use, or was: what its header says, checked, and what the system knows of its file.

use std::fs::File;
use std::path::Path;

use super::source::{MappedPart, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::environment;
use crate::segment::header::{BackingKind, HEADER_BYTES, Header, NO_SYSV_ID, SegmentKind};
use crate::sys::survey::{self, LifeByte};

/// A segment, open to be read.
pub struct LiveSegment {
    pub(super) source: Source,
    pub(super) header: Header,
    pub(super) shown: String,
    description: Description,
    companion: Companion,
    /// The file of a segment whose bytes lie elsewhere: System V.
    named: Option<File>,
}

/// The file that holds the locks of a segment that others may read.
enum Companion {
    /// The locks lie in the segment itself.
    None,
    Open(File),
    /// It is not there, or may not be read.
    Unknown,
}

/// What a segment's header says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// What it is used for.
    pub used_for: SegmentUse,
    /// The block's name, the program's for the unnamed blocks of an image, or the segment's own.
    pub name: String,
    /// The scope; empty for none.
    pub scope: String,
    /// What it is made of: `posix`, `memfd`, `anonymous`, `sysv`, `file` or `file-mapping`; `unknown` for a number
    /// that this version does not know.
    pub backing: &'static str,
    /// Whether its values outlive its processes.
    pub is_kept: bool,
    /// Permission bits that it was made with.
    pub mode: u32,
    /// Build id of the image that made it.
    pub build_id: Vec<u8>,
    /// Tells it from others of its name.
    pub instance: [u8; 16],
    /// Process that made it, in its own PID namespace.
    pub creator_pid: u32,
    /// When it was made: nanoseconds since 1970.
    pub created_unix_ns: u64,
    /// Hash of its layout when it was made.
    pub fingerprint: u64,
    /// Bytes that it may grow to.
    pub max_bytes: u64,
    /// Bytes that its data may grow to.
    pub data_max_bytes: u64,
    /// Bytes of data that objects take.
    pub data_bytes: u64,
    /// Objects that were ever made in it.
    pub object_count: u32,
    /// Objects that it has room for.
    pub objects_max: u32,
    /// Participants that it has room for.
    pub participants_max: u32,
    /// How often an owner of a lock was found dead.
    pub deaths: u64,
    /// How often an object was removed.
    pub removals: u64,
    /// The name of the file beside it that holds its locks, if there is one.
    pub companion: Option<String>,
    /// The System V segment that this file is the companion of.
    pub sysv_id: Option<u32>,
}

/// What a segment is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentUse {
    /// The unnamed blocks of one program or library.
    Image,
    /// One named block.
    Block,
    /// Objects that are made while it is in use.
    Objects,
    /// A number that this version does not know.
    Unknown(u8),
}

/// What the system knows of a segment's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileFacts {
    /// Device of the file system.
    pub device: u64,
    /// Number of the file there.
    pub inode: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// Whether it has a name.
    pub is_linked: bool,
    /// Length, holes included.
    pub bytes: u64,
    /// Memory or disk that it takes.
    pub allocated_bytes: u64,
}

/// Whether anybody maps a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Life {
    /// Somebody does.
    Mapped,
    /// Nobody does.
    Nobody,
    /// Somebody is removing it at this moment.
    BeingRemoved,
    /// It cannot be asked.
    Unknown,
}

impl LiveSegment {
    /// Opens the segment at `path`. Neither waits nor follows a link.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Foreign`] if it is no segment or no regular file, [`ErrorKind::Corrupt`] if its header makes no
    /// sense, [`ErrorKind::Mismatch`] for a format or word size that this version does not read, else what the system
    /// says.
    pub fn open(path: &Path) -> Result<LiveSegment> {
        let shown = path.display().to_string();
        let file = survey::open(path).map_err(|cause| Error::system(format!("open {shown}"), &cause))?;
        let mut segment = LiveSegment::from_file(file, &shown)?;
        if let Some(name) = &segment.description.companion {
            let companion = survey::open(&path.with_file_name(name)).ok();
            let is_it = |file: &File| survey::look(file).is_ok_and(|look| look.inode == segment.header.companion_ino);
            segment.companion = companion.filter(is_it).map_or(Companion::Unknown, Companion::Open);
        }
        match segment.description.sysv_id {
            Some(shmid) => segment.of_sysv(shmid),
            None => Ok(segment),
        }
    }

    /// This is the companion: its locks and file, and the memory that it names.
    fn of_sysv(self, shmid: u32) -> Result<LiveSegment> {
        let shown = format!("{} (System V id {shmid})", self.shown);
        let mut segment = LiveSegment::new(Source::SysV(shmid), &shown)?;
        if segment.header.instance != self.header.instance {
            return Err(self.damaged("the System V segment that it names is another one"));
        }
        // Memory of that kind does not say its id.
        segment.description.sysv_id = Some(shmid);
        segment.description.companion.clone_from(&self.description.companion);
        segment.companion = if self.description.companion.is_none() { Companion::None } else { self.companion };
        segment.named = match self.source {
            Source::File(file) => Some(file),
            Source::Process(..) | Source::SysV(_) => None,
        };
        Ok(segment)
    }

    /// The file that its name leads to.
    fn file(&self) -> Option<&File> {
        self.named.as_ref().or(self.source.file())
    }

    /// Opens the segment that a link in `/proc/PID/map_files` or `/proc/PID/fd` stands for; `shown` names it in errors.
    ///
    /// # Errors
    ///
    /// As for [`open`](LiveSegment::open).
    pub fn open_of_process(link: &Path, shown: &str) -> Result<LiveSegment> {
        let file = survey::open_of_process(link).map_err(|cause| Error::system(format!("open {shown}"), &cause))?;
        LiveSegment::from_file(file, shown)
    }

    /// Reads a segment through the memory of a process that maps `parts` of it; `shown` names it in errors.
    ///
    /// # Errors
    ///
    /// As for [`open`](LiveSegment::open).
    pub fn read_of_process(pid: u32, parts: Vec<MappedPart>, shown: &str) -> Result<LiveSegment> {
        let source = Source::of_process(pid, parts);
        LiveSegment::new(source.map_err(|cause| Error::system(format!("read {shown}"), &cause))?, shown)
    }

    fn from_file(file: File, shown: &str) -> Result<LiveSegment> {
        let look = survey::look(&file).map_err(|cause| Error::system(format!("look at {shown}"), &cause))?;
        if !look.is_regular {
            return Err(Error::new(ErrorKind::Foreign, format!("{shown} is not a regular file")));
        }
        LiveSegment::new(Source::of_file(file), shown)
    }

    fn new(source: Source, shown: &str) -> Result<LiveSegment> {
        let failed = |cause| Error::system(format!("read the header of {shown}"), &cause);
        let mut page = [0; HEADER_BYTES];
        let len = source.read_up_to(&mut page, 0).map_err(failed)?;
        let header = Header::check(&page[..len], source.bytes().map_err(failed)?, &shown)?;
        // Memory that is no file has its locks elsewhere.
        let is_file = header.backing != BackingKind::Anonymous as u8 && header.backing != BackingKind::SysV as u8;
        let companion = if header.companion_ino == 0 && is_file { Companion::None } else { Companion::Unknown };
        Ok(LiveSegment {
            source,
            description: describe(&header),
            header,
            shown: shown.to_owned(),
            companion,
            named: None,
        })
    }

    /// What its header says.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What the system knows of its file; `None` if it is read from a process's memory. Of a System V segment the
    /// length is that of its memory, which is allocated beside the file.
    pub fn facts(&self) -> Option<FileFacts> {
        let look = survey::look(self.file()?).ok()?;
        // All of it is there from the start.
        let memory = if let Source::SysV(_) = self.source { self.source.bytes().unwrap_or(0) } else { 0 };
        Some(FileFacts {
            device: look.device,
            inode: look.inode,
            uid: look.uid,
            gid: look.gid,
            mode: look.mode,
            is_linked: look.links > 0,
            bytes: if memory > 0 { memory } else { look.bytes },
            allocated_bytes: look.allocated_bytes.saturating_add(memory),
        })
    }

    /// Whether anybody maps it: the answer of the system, not of the segment.
    pub fn life(&self) -> Life {
        let Some(file) = self.file() else { return Life::Unknown };
        match survey::life(file) {
            Ok(LifeByte::Mapped) => Life::Mapped,
            Ok(LifeByte::Nobody) => Life::Nobody,
            Ok(LifeByte::BeingRemoved) => Life::BeingRemoved,
            Err(_) => Life::Unknown,
        }
    }

    /// Whether the tenant of a slot lives, as far as locks tell.
    pub(super) fn is_slot_held(&self, slot: u32) -> Option<bool> {
        let locks = match &self.companion {
            Companion::None => self.file()?,
            Companion::Open(file) => file,
            Companion::Unknown => return None,
        };
        survey::is_slot_held(locks, slot).ok()
    }

    /// A word of the header that changes while the segment is in use, as it is now; `max` is what bounds it.
    pub(super) fn count_at(&self, at: usize, max: u32) -> Result<u32> {
        let mut word = [0; 4];
        self.source.read(&mut word, at as u64).map_err(|cause| self.cannot_read("header", &cause))?;
        Ok(u32::from_le_bytes(word).min(max))
    }

    pub(super) fn cannot_read(&self, what: &str, cause: &std::io::Error) -> Error {
        Error::system(format!("read the {what} of {}", self.shown), cause)
    }

    pub(super) fn damaged(&self, why: &str) -> Error {
        Error::new(ErrorKind::Corrupt, format!("the segment {} is damaged: {why}", self.shown))
    }
}

/// Whether a segment can have this scope.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`], with what a scope may be.
pub fn check_scope(scope: &str) -> Result<()> {
    environment::check_scope(scope, "the scope").map(|_| ())
}

fn describe(header: &Header) -> Description {
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    let is_sysv = header.backing == BackingKind::SysV as u8 && header.sysv_id != NO_SYSV_ID;
    let companion = format!(".locks-{:032x}", u128::from_le_bytes(header.instance));
    Description {
        used_for: match header.kind {
            kind if kind == SegmentKind::Image as u8 => SegmentUse::Image,
            kind if kind == SegmentKind::Block as u8 => SegmentUse::Block,
            kind if kind == SegmentKind::Objects as u8 => SegmentUse::Objects,
            other => SegmentUse::Unknown(other),
        },
        name: text(&header.name),
        scope: text(&header.scope),
        backing: backing_name(header.backing),
        is_kept: header.keep != 0,
        mode: header.mode,
        build_id: header.build_id[..header.build_id_bytes as usize].to_vec(),
        instance: header.instance,
        creator_pid: header.creator_pid,
        created_unix_ns: header.created_unix_ns,
        fingerprint: header.fingerprint,
        max_bytes: header.max_bytes,
        data_max_bytes: header.max_bytes.saturating_sub(header.data_at),
        data_bytes: header.data_bytes,
        object_count: header.object_count,
        objects_max: header.objects_max,
        participants_max: header.participants_max,
        deaths: header.deaths,
        removals: header.removals,
        companion: (header.companion_ino != 0).then_some(companion),
        sysv_id: is_sysv.then_some(header.sysv_id),
    }
}

fn backing_name(backing: u8) -> &'static str {
    match backing {
        // Segments of blocks do not say it: they have the system's own kind.
        0 => "posix",
        kind if kind == BackingKind::Anonymous as u8 => "anonymous",
        kind if kind == BackingKind::Memfd as u8 => "memfd",
        kind if kind == BackingKind::Posix as u8 => "posix",
        kind if kind == BackingKind::SysV as u8 => "sysv",
        kind if kind == BackingKind::File as u8 => "file",
        kind if kind == BackingKind::FileMapping as u8 => "file-mapping",
        _ => "unknown",
    }
}
