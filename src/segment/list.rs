//! Which segments there are, and the removal of those that nobody is attached to.
//!
//! What is removed is found dead by the same steps as by one who joins: whoever can lock the life byte knows that
//! nobody maps the segment. So a clean-up is safe at any moment, while programs start and end.

use std::path::PathBuf;
use std::time::SystemTime;

use super::backing::Keep;
use super::segment::Segment;
use crate::error::Result;
use crate::segment::participant::Participant;
use crate::sys;

/// A segment as it was found in a folder: what its header says and what the system tells about it. The bytes are
/// another program's word, checked but not believed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// Its file.
    pub path: PathBuf,
    /// Its name; of an image's unnamed blocks, the program's.
    pub name: String,
    /// Its scope; empty without one.
    pub scope: String,
    /// What it was made for.
    pub contents: Contents,
    /// What its memory is made of: `posix`, `file`, `system v`.
    pub backing: &'static str,
    /// Length of the file, holes included.
    pub file_bytes: u64,
    /// Memory, or disk, that it takes.
    pub allocated_bytes: u64,
    /// Bytes of values in use.
    pub used_bytes: u64,
    /// Length that the file may grow to.
    pub max_bytes: u64,
    /// When it was made.
    pub created: SystemTime,
    /// How long its values live.
    pub keep: Keep,
    /// Permission bits of the file.
    pub mode: u32,
    /// The user who owns it.
    pub uid: u32,
    /// The group that it is for.
    pub gid: u32,
    /// Whether a process, or a reader, has it mapped. If not, the next one to attach starts afresh, unless it is kept.
    pub is_alive: bool,
    /// The attached processes, readers not among them.
    pub participants: Vec<Participant>,
    /// Why the numbers make no sense; those above are zeros then.
    pub damage: Option<String>,
}

/// What a segment was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Contents {
    /// The unnamed blocks of one program or library.
    Image,
    /// One named block.
    Block,
    /// Objects of a [`Segment`](crate::Segment).
    Objects,
    /// Its header does not say.
    Unknown,
}

/// What a clean-up removed, or (in a dry run) would remove.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// The file.
    pub path: PathBuf,
    /// What it was.
    pub leftover: Leftover,
    /// Memory, or disk, that it took.
    pub allocated_bytes: u64,
}

/// What is left behind by programs that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Leftover {
    /// A segment that nobody is attached to, and that was not to be kept.
    Dead,
    /// A kept segment that nobody is attached to: only if asked for.
    Kept,
    /// A segment whose maker was killed before it was whole.
    Unfinished,
    /// The locks of a segment that is gone.
    Locks,
}

/// What a clean-up may do: [`Segment::prune`](crate::Segment::prune).
///
/// ```
/// # fn main() -> cotenant::Result<()> {
/// use cotenant::{PruneOptions, Segment};
///
/// for found in Segment::prune(&PruneOptions::default().dry_run(true))? {
///     println!("{} would free {} bytes", found.path.display(), found.allocated_bytes);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct PruneOptions {
    pub(crate) dry_run: bool,
    pub(crate) kept_too: bool,
    pub(crate) folder: Option<PathBuf>,
}

impl PruneOptions {
    /// Only tells what would be removed.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Also removes segments that were to be kept, if nobody is attached to them. Their values are lost.
    pub fn kept_too(mut self, kept_too: bool) -> Self {
        self.kept_too = kept_too;
        self
    }

    /// Looks into this folder instead of those where this user's programs put segments.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }
}

impl SegmentInfo {
    /// Removes the segment's name, also while it is in use: those attached go on with each other and notice it
    /// (`is_unlinked`), and the next one to attach makes a new segment. Waits for others at work on the same name for
    /// about two seconds.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if it is gone or another segment has its name;
    /// [`ErrorKind::PermissionDenied`](crate::ErrorKind::PermissionDenied) if it is another user's.
    pub fn unlink(&self) -> Result<()> {
        sys::catalog::unlink(&self.path)
    }
}

impl Segment {
    /// As [`Segment::list`], in one folder alone.
    ///
    /// # Errors
    ///
    /// The folder cannot be read; `Unsupported` where segments lie in no folder (Windows).
    pub fn list_in(folder: impl Into<PathBuf>) -> Result<Vec<SegmentInfo>> {
        list(Some(folder.into()))
    }
}

/// The segments in `folder`, or in the folders where this user's programs put them, by path.
pub(crate) fn list(folder: Option<PathBuf>) -> Result<Vec<SegmentInfo>> {
    let mut found = sys::catalog::list(folder)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Removes what the dead left.
pub(crate) fn prune(options: &PruneOptions) -> Result<Vec<Pruned>> {
    let mut pruned = sys::catalog::prune(options)?;
    pruned.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(pruned)
}
