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

/// Whether a file's name is one that only makers and removers of segments give, who take such files away again.
pub(crate) fn is_makers_name(name: &[u8]) -> bool {
    let digits = |start: &[u8], count: usize| {
        let rest = name.strip_prefix(start);
        rest.is_some_and(|rest| rest.len() == count && rest.iter().all(u8::is_ascii_hexdigit))
    };
    digits(b".new-", 16) || digits(b".locks-", 32) || digits(b".dead-", 16)
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
