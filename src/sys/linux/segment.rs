//! Segments of objects: opened by backing, mapped whole, closed again.
//!
//! ```text
//! open:   open or create (as for blocks) -> map all max_bytes -> take a slot -> known to the locks
//! close:  unknown to the locks -> slot given back -> unmapped: the life byte falls -> the last one removes the name
//! ```
//!
//! All of `max_bytes` is mapped at once and never again: memory comes behind the addresses as it is reserved, and what
//! one process reserves all others have, too.

#![allow(unsafe_code)]

use super::attach::{self, audience};
use super::attached::Attached;
use super::folder::{self, Folder};
use super::{anonymous, file, leftovers, memfd, owner, segment_file, sysv};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::BackingKind;
use crate::segment::request::Request;
use crate::sys::ranges;

/// What can back a segment here.
pub(crate) const BACKINGS: &[BackingKind] = &[
    BackingKind::Anonymous,
    BackingKind::Memfd,
    BackingKind::Posix,
    BackingKind::SysV,
    BackingKind::File,
];

/// Opens or creates the segment, and makes this process a participant.
pub(crate) fn open(request: &Request<'_>) -> Result<&'static Attached> {
    let attached = match request.backing {
        BackingKind::Posix => named(request, &folder::find(request.folder.as_deref(), audience(request.plan)?)?)?,
        BackingKind::Anonymous => anonymous::open(request)?,
        BackingKind::Memfd => memfd::open(request)?,
        BackingKind::SysV => sysv::open(request, || folder::find(request.folder.as_deref(), audience(request.plan)?))?,
        other => {
            return Err(Error::new(ErrorKind::Unsupported, format!("{other:?} cannot back a segment on Linux")));
        }
    };
    admit(attached)
}

/// A segment in a file of `folder`.
fn named(request: &Request<'_>, folder: &Folder) -> Result<Attached> {
    let name = file::c_string(request.name.as_bytes()).map_err(|cause| Error::system("use that name", &cause))?;
    let open = segment_file::open(folder, &name, request.plan, request.opening)?;
    let bytes = usize::try_from(open.header.max_bytes).unwrap_or(usize::MAX);
    attach::map(folder, &name, &open, bytes)
}

/// The last steps for every backing: a slot, and addresses that the locks know.
pub(super) fn admit(attached: Attached) -> Result<&'static Attached> {
    attached.ensure_slot(owner::current_epoch())?;
    let attached: &'static Attached = Box::leak(Box::new(attached));
    ranges::publish(attached.base().as_ptr() as usize, attached.mapped_bytes(), attached, 0);
    Ok(attached)
}

/// Lets go of a segment: slot, memory, locks. The last one to leave removes the name, unless it is kept.
///
/// # Safety
/// `attached` came from [`open`], is not used again, and nothing refers to the segment's memory any more.
pub(crate) unsafe fn close(attached: &'static Attached) {
    // Puts empty pages in the place of the segment's, so that its addresses, which the locks know, lead nowhere else.
    // The life byte falls here, unless a child of a fork has the mapping, too. Killed before the name is gone: the
    // next who opens or prunes finds everybody dead.
    attached.detach();
    if attached.header.keep == 0 {
        leftovers::remove_if_left(&attached.segment);
    }
    attached.segment.let_go();
    attached.locks.let_go();
}
