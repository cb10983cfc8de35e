//! What is asked of the system: a segment by its name, made after a plan or found.

use std::path::PathBuf;

use super::backing::SysVKey;
use super::header::BackingKind;
use super::plan::Plan;

/// What may happen to the name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(dead_code)] // Where nothing is shared.
pub(crate) enum Opening {
    /// A living or kept segment of that name is an error.
    Create,
    /// No segment, or only what the dead left, is an error.
    Open,
    OpenOrCreate,
}

/// One segment of objects, as the options ask for it. What the backing cannot do was refused before.
#[allow(dead_code)] // Where nothing is shared.
pub(crate) struct Request<'a> {
    /// What it is to be, if it is made.
    pub(crate) plan: &'a Plan,
    /// `NAME[@SCOPE]`, a path for a file, empty for what has no name.
    pub(crate) name: &'a str,
    pub(crate) backing: BackingKind,
    pub(crate) opening: Opening,
    /// The plan's mode was asked for; else it is what a new segment gets, and one that is there may have another.
    pub(crate) mode_is_given: bool,
    /// Instead of the folder that the plan's mode and the environment lead to.
    pub(crate) folder: Option<PathBuf>,
    /// Of readers: whose segment it is. `None`: this user's.
    pub(crate) user: Option<u32>,
    /// All memory that is reserved is also there before the first access.
    pub(crate) prefault: bool,
    pub(crate) huge_pages: bool,
    /// Of a System V segment only.
    pub(crate) sysv_key: Option<&'a SysVKey>,
}
