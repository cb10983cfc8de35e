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

use std::ffi::CString;
use std::path::Path;
use std::sync::atomic::Ordering::Acquire;

use super::attach::{self, audience};
use super::attached::Attached;
use super::folder::{self, Folder};
use super::{anonymous, catalog, file, file_system, leftovers, memfd, owner, segment_file, siblings, sysv};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::BackingKind;
use crate::segment::plan::Plan;
use crate::segment::request::{Opening, Request};
use crate::sys::ranges;

pub(crate) use super::reader::{Reading, open as open_reader};

/// What can back a segment here.
pub(crate) const BACKINGS: &[BackingKind] =
    &[BackingKind::Anonymous, BackingKind::Memfd, BackingKind::Posix, BackingKind::SysV, BackingKind::File];

/// How often the search for a segment starts over because others come and go.
const ATTEMPTS: u32 = 20;

/// Opens or creates the segment, and makes this process a participant.
pub(crate) fn open(request: &Request<'_>) -> Result<&'static Attached> {
    let find = || folder::find(request.folder.as_deref(), audience(request.plan)?);
    let mut attached = match request.backing {
        BackingKind::Anonymous => anonymous::open(request)?,
        BackingKind::Memfd => memfd::open(request)?,
        BackingKind::Posix => posix(request, &find()?)?,
        BackingKind::SysV => sysv::open(request, find)?,
        BackingKind::File => in_file(request)?,
        BackingKind::FileMapping => {
            return Err(Error::new(ErrorKind::Unsupported, "Windows file mappings cannot back a segment on Linux"));
        }
    };
    attached.prefault = request.prefault;
    if request.huge_pages {
        attached.want_huge_pages();
    }
    admit(attached)
}

/// A segment found by its name alone: its mode says in which folder it lies, and may have been left open. One that is
/// where it should be is found as fast as if there were no others.
///
/// Two processes that make one of the same name with different modes at the same moment may both find nothing.
fn posix(request: &Request<'_>, folder: &Folder) -> Result<Attached> {
    let name = c_name(request.name)?;
    let siblings = || siblings::of(request.folder.as_deref(), folder, &name);
    if request.opening == Opening::Create {
        siblings::refuse(&siblings()?)?;
        return in_folder(request, request.plan, folder, request.name, Opening::Create);
    }
    for _ in 0..ATTEMPTS {
        let missing = match in_folder(request, request.plan, folder, request.name, Opening::Open) {
            Err(error) if error.kind() == ErrorKind::NotFound => error,
            other => return other,
        };
        let makes = request.opening == Opening::OpenOrCreate;
        let Some(sibling) = siblings::choose(siblings()?, request.plan, request.mode_is_given, makes)? else {
            if !makes {
                return Err(missing);
            }
            return in_folder(request, request.plan, folder, request.name, Opening::OpenOrCreate);
        };
        // As it is: nobody but this user writes it.
        let plan = Plan { mode: sibling.mode(), ..request.plan.clone() };
        match in_folder(request, &plan, &sibling.folder, request.name, Opening::Open) {
            // Its last user has left meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
    }
    let what = format!("the segment `{}` comes and goes in several folders", request.name);
    Err(Error::new(ErrorKind::Busy, what).hint("let its programs agree on one mode"))
}

fn c_name(name: &str) -> Result<CString> {
    file::c_string(name.as_bytes()).map_err(|cause| Error::system("use that name", &cause))
}

/// A segment in a file of `folder`.
fn in_folder(request: &Request<'_>, plan: &Plan, folder: &Folder, name: &str, opening: Opening) -> Result<Attached> {
    let name = c_name(name)?;
    let open = segment_file::open(folder, &name, plan, opening)?;
    if request.mode_is_given && !open.created {
        siblings::check_asked(plan, &open.stat, &folder.path_of(&name))?;
    }
    let bytes = usize::try_from(open.header.max_bytes).unwrap_or(usize::MAX);
    let mut attached = attach::map(folder, &name, &open, bytes)?;
    if request.prefault {
        // Of the tables only what is used has memory. The data has: it is in use; reserved again, because a touch of
        // what is not there would be a signal.
        let used = attached.live.data_bytes().load(Acquire);
        attached.prefault = true;
        attached.reserve_data(0, used)?;
    }
    Ok(attached)
}

/// A segment in the file at the path that was given.
fn in_file(request: &Request<'_>) -> Result<Attached> {
    let path = Path::new(request.name);
    let folder = folder::of_file(path, audience(request.plan)?)?;
    if let Some(network) = file_system::of_several_machines(&folder.file) {
        let what = format!("the file {} lies on {network}, where other machines change files unseen", path.display());
        return Err(Error::new(ErrorKind::Unsupported, what).hint("put it on a disk of this machine"));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    in_folder(request, request.plan, &folder, &name, request.opening)
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
    ranges::withdraw(attached);
    let attached = std::ptr::from_ref(attached).cast_mut();
    // SAFETY: leaked by `admit`; the caller gives up the last reference, and the locks' one was just withdrawn.
    let attached = unsafe { Box::from_raw(attached) };
    let (segment, is_kept) = (attached.segment.same(), attached.header.keep != 0);
    // The life byte falls here, unless a child of a fork has the mapping, too. Killed before the name is gone: the
    // next who opens or prunes finds everybody dead.
    drop(attached);
    if !is_kept {
        leftovers::remove_if_left(&segment);
    }
}

/// Takes the name from a segment, in use or not.
pub(crate) fn unlink(request: &Request<'_>) -> Result<()> {
    let unlink = |folder: &Folder, name: &str| catalog::unlink_in(folder, &c_name(name)?);
    match request.backing {
        BackingKind::File => {
            let path = Path::new(request.name);
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            unlink(&folder::of_file(path, audience(request.plan)?)?, &name)
        }
        BackingKind::SysV => {
            let name = sysv::companion_of(request)?;
            catalog::unlink_in(&folder::find(request.folder.as_deref(), audience(request.plan)?)?, &name)
        }
        _ => {
            let folder = folder::find(request.folder.as_deref(), audience(request.plan)?)?;
            let missing = match unlink(&folder, request.name) {
                Err(error) if error.kind() == ErrorKind::NotFound => error,
                other => return other,
            };
            let siblings = siblings::of(request.folder.as_deref(), &folder, &c_name(request.name)?)?;
            match siblings::choose(siblings, request.plan, request.mode_is_given, false)? {
                Some(sibling) => unlink(&sibling.folder, request.name),
                None => Err(missing),
            }
        }
    }
}
