//! Looking at segments from outside: which folders, which files in them, which processes map them.
//!
//! ```text
//! View      whose eyes: --pid, --root, COTENANT_DIR
//!  folders  -> files -> LiveSegment      what they say of themselves (cotenant::inspect::live)
//!  Census   -> /proc/*/maps              what processes map, also files that have lost their names
//!  Row      both together: a segment and who is in it
//! ```
//!
//! Nothing here attaches, locks or writes. What may not be looked at is counted and said.

mod census;
mod choose;
mod elsewhere;
mod folders;
mod object;
mod row;
mod survey;
mod view;
mod words;

pub(crate) use census::{Census, FRESH, FileKey, Process};
pub(crate) use choose::{find, find_exactly};
pub(crate) use folders::{Folder, by_descriptor, names};
pub(crate) use object::{Addressed, addressed, is_a_slip, object};
pub(crate) use row::{Member, Row, State};
pub(crate) use survey::{Survey, Wanted};
pub(crate) use view::{From, View};
pub(crate) use words::{age, bytes, counted, duration, hex, since_unix, user, user_name};
