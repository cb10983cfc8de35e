//! Attaching: from a plan to mapped pages. ARCHITECTURE.md lists the steps with what a death at each leaves behind.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Duration;

use super::attached::{Attached, Parts};
use super::file::{self, LockKind, lock_byte};
use super::folder::{self, Audience};
use super::mapping::{self, Mapping, page_bytes};
use super::reopen::Reopen;
use super::segment_file::{self, OpenSegment};
use super::{file_system, memory_limit, owner, process, siblings};
use crate::error::{EXIT_STATUS, Error, ErrorKind, Result};
use crate::image::block::Descriptor;
use crate::segment::compare::{self, Known};
use crate::segment::events::{Happened, Who};
use crate::segment::header::SegmentKind;
use crate::segment::live::Live;
use crate::segment::plan::Plan;
use crate::segment::request::Opening;
use crate::sys::ranges;

/// A block, how many bytes of whole pages it covers, and where in the segment's data they lie.
pub(crate) struct Place<'a> {
    pub(crate) block: &'a Descriptor,
    pub(crate) bytes: usize,
    pub(crate) data_at: u64,
}

/// Attaches this process to the segment `file_name`, made after `plan` if there is none, and maps it over `places`.
/// The blocks have been through [`check_block`](super::check_block), and `plan` was made from them.
pub(crate) fn attach(plan: &Plan, file_name: &str, places: &[Place<'_>]) -> Result<&'static Attached> {
    let folder = folder::find(None, audience(plan)?)?;
    let name = file::c_string(file_name.as_bytes()).map_err(|cause| Error::system("use that name", &cause))?;
    let open = open_or_create(&folder, &name, plan)?;
    let file = &open.file;
    let mut attached = prepare(&folder, &name, &open)?;
    if !open.created {
        reconcile(plan, &attached, file).map_err(|error| refused(error, &attached))?;
    }
    attached.ensure_slot(owner::current_epoch())?;
    let mut views = Vec::new();
    for (done, (place, bytes)) in runs(places).enumerate() {
        let at = attached.header.data_at + place.data_at;
        let mapped = match place.block.target {
            Some(_) => Mapping::shared(file, at, bytes, true).map(|view| views.push(view)),
            // SAFETY: a descriptor's block is padded to whole pages of its own, `check_block` found it where it should
            // be, and `reconcile` found the same types at the same offsets.
            None => unsafe { mapping::over(place.block.block.cast_mut(), bytes, file, at) },
        };
        if let Err(cause) = mapped {
            attached.detach();
            let error = cannot_map(&attached.path, &cause);
            if done > views.len() {
                // Some blocks are shared and some are not: nothing can be said of the program any more.
                process::end(&format!("cotenant: {error}"), EXIT_STATUS);
            }
            return Err(error);
        }
    }
    attached.keep_views(views);
    let attached: &'static Attached = Box::leak(Box::new(attached));
    let mut views = attached.views();
    for place in places {
        let at = attached.header.data_at + place.data_at;
        let Some(target) = place.block.target else {
            ranges::publish(place.block.block as usize, place.bytes, attached, at);
            continue;
        };
        let Some(view) = views.next() else { break };
        ranges::publish(view.as_ptr() as usize, place.bytes, attached, at);
        // Release pairs with the Acquire of `Indirect::get`: who sees the address finds the range known to the locks.
        target.store(view.as_ptr(), Release);
    }
    Ok(attached)
}

/// A named block's name may be in use with another mode, in another folder: then it is not made a second time.
fn open_or_create(folder: &folder::Folder, name: &CStr, plan: &Plan) -> Result<OpenSegment> {
    if plan.kind == SegmentKind::Block {
        match segment_file::open(folder, name, plan, Opening::Open) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
        siblings::choose(siblings::of(None, folder, name)?, plan, true, true)?;
    }
    segment_file::open(folder, name, plan, Opening::OpenOrCreate)
}

/// Places that follow each other in memory as in the segment are mapped in one call: the first of them, and all bytes.
fn runs<'a>(places: &'a [Place<'a>]) -> impl Iterator<Item = (&'a Place<'a>, usize)> {
    let follows = |a: &Place<'_>, b: &Place<'_>| {
        let in_place = a.block.target.is_none() && b.block.target.is_none();
        in_place
            && a.block.block as usize + a.bytes == b.block.block as usize
            && a.data_at + a.bytes as u64 == b.data_at
    };
    places.chunk_by(follows).map(|run| (&run[0], run.iter().map(|place| place.bytes).sum()))
}

pub(super) fn audience(plan: &Plan) -> Result<Audience> {
    if plan.mode & 0o020 != 0 {
        let gid = match &plan.group {
            None => process::effective_gid(),
            Some(group) => process::group_id(group).ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidInput,
                    format!("the segment {} is for the group `{group}`, which does not exist", plan.name),
                )
                .hint("create the group, or name it by its number")
            })?,
        };
        return Ok(Audience::Group(gid));
    }
    Ok(if plan.mode & 0o044 != 0 { Audience::Readable } else { Audience::Own })
}

fn prepare(folder: &folder::Folder, name: &CStr, open: &OpenSegment) -> Result<Attached> {
    let bytes = Live::mapped_bytes_of(&open.header).next_multiple_of(page_bytes());
    map(folder, name, open, bytes)
}

/// Maps the first `bytes` bytes of a segment, its life byte included.
pub(super) fn map(folder: &folder::Folder, name: &CStr, open: &OpenSegment, bytes: usize) -> Result<Attached> {
    let path = folder.path_of(name);
    let failed = |cause: std::io::Error| {
        let error = Error::system(format!("map {bytes} bytes of {path}"), &cause);
        match cause.raw_os_error() {
            Some(libc::ENOMEM) => error
                .hint("they need addresses, not memory: raise the limit for them (ulimit -v), or lower `max_bytes`"),
            _ => error,
        }
    };
    let reopen = |name: &CStr, stat| {
        file::c_string(folder.path_of(name).as_bytes()).map(|path| Reopen::ByPath { path, stat }).map_err(failed)
    };
    let segment = reopen(name, open.stat)?;
    let locks = match &open.companion {
        Some((companion, stat)) => reopen(companion, *stat)?,
        None => reopen(name, open.stat)?,
    };
    let memory = Mapping::shared(&open.file, 0, bytes, true).map_err(failed)?;
    Attached::new(Parts { path: path.clone(), segment, locks, header: open.header, memory, created: open.created })
}

/// Compares what is there with the plan; makes the segment grow if the plan only adds at its end.
fn reconcile(plan: &Plan, attached: &Attached, file: &File) -> Result<()> {
    if compare::is_same_image(plan, &attached.header) {
        return Ok(());
    }
    let known =
        Known::read(&|bytes, at| file.read_exact_at(bytes, at), &attached.header, attached.live, &attached.path)?;
    if compare::grows(plan, &known, &attached.path)? {
        grow(plan, attached, file)?;
    }
    compare::initial_values(plan, &known, &attached.path, process::complain);
    Ok(())
}

/// Says who uses the segment that this program cannot share; and writes down, for them, that it came.
fn refused(error: Error, attached: &Attached) -> Error {
    if error.kind() != ErrorKind::Mismatch {
        return error;
    }
    attached.live.record(0, Happened::Refused, 0, Some(newcomer()));
    let users = attached.participants();
    compare::name_users(error, users.iter().map(|user| (user.pid, user.program.as_str())))
}

/// This process, before it has a slot.
fn newcomer() -> Who {
    let [first, second] = [0, 8].map(|at| process::program_name()[at..].first_chunk().copied().unwrap_or_default());
    Who { half: 0, pid: process::pid(), program: [u64::from_le_bytes(first), u64::from_le_bytes(second)] }
}

/// Appends the plan's further objects. Nobody uses them before `object_count` is stored, so a death on the way leaves
/// bytes that the next one writes again.
fn grow(plan: &Plan, attached: &Attached, file: &File) -> Result<()> {
    let failed = |cause: std::io::Error| {
        Error::system(format!("make the segment {} grow to {} bytes of data", attached.path, plan.data_bytes), &cause)
    };
    let lock = attached.locks.open().map_err(failed)?;
    let mut waited = Duration::ZERO;
    while !file::try_lock(&lock, LockKind::Write, lock_byte::GROW).map_err(failed)? {
        if waited > Duration::from_secs(2) {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("another process makes {} grow and does not finish", attached.path),
            )
            .hint("look for a stopped program of this user"));
        }
        std::thread::sleep(Duration::from_millis(1));
        waited += Duration::from_millis(1);
    }
    let known =
        Known::read(&|bytes, at| file.read_exact_at(bytes, at), &attached.header, attached.live, &attached.path)?;
    if !compare::grows(plan, &known, &attached.path)? {
        return Ok(()); // Somebody did it meanwhile.
    }
    let header = &attached.header;
    let additions = known.additions(plan, header)?;
    if file_system::is_memory(file) {
        let more = plan.data_bytes.saturating_sub(attached.live.data_bytes().load(Relaxed));
        memory_limit::check(more, &format!("make the segment {} grow", attached.path))?;
    }
    file::reserve(file, header.data_at, plan.data_bytes).map_err(failed)?;
    let objects_at = header.objects_at + known.objects.len() as u64 * u64::from(header.object_bytes);
    file::reserve(file, objects_at, additions.objects.len() as u64).map_err(failed)?;
    file::reserve(file, additions.schemas_at, additions.schemas.len().max(1) as u64).map_err(failed)?;
    for object in &plan.objects[known.objects.len()..] {
        let initial = plan.initial_of(object);
        // SAFETY: inside the plan's own initial bytes.
        unsafe { file::write_from(file, initial, object.bytes as usize, header.data_at + object.data_at) }
            .map_err(failed)?;
    }
    file.write_all_at(&additions.schemas, additions.schemas_at).map_err(failed)?;
    file.write_all_at(&additions.objects, objects_at).map_err(failed)?;
    attached.live.data_bytes().fetch_max(plan.data_bytes, Relaxed);
    attached.live.record(0, Happened::Grown, header.data_at + plan.data_bytes, Some(newcomer()));
    // Release pairs with the Acquire in `Known::read`: who sees the count sees the objects.
    attached.live.object_count().store(plan.objects.len() as u32, Release);
    Ok(())
}

fn cannot_map(path: &str, cause: &std::io::Error) -> Error {
    let error = Error::system(format!("map {path} over the shared variables"), cause);
    if cause.raw_os_error() == Some(libc::EPERM) {
        return error.hint("the image's pages are sealed: link it without `-z memory-seal`");
    }
    error
}
