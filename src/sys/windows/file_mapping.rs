//! Segments in pagefile-backed file mappings: named blocks, blocks that are attached by call, and scopes.
//!
//! ```text
//! Local\cotenant-SID-NAME          the mapping: header | participants | objects | schemas | data ... room to grow
//! Local\cotenant-SID-NAME!attach   the mutex under which it is made, grown, started over, and slots are taken
//! ```
//!
//! The kernel keeps the mapping while a process has it open. Memory is reserved up to a maximum and committed as far
//! as it is used. The first bytes, the magic, are stored last: a creator that was killed leaves a mapping without. One
//! that nobody alive participates in (a debugger or a service may hold it open) is started over in place, with another
//! instance id: everybody who joins does so under the mutex, so nobody can be in the middle of it.

#![allow(unsafe_code)]

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_COMMITMENT_LIMIT, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Memory::{CreateFileMappingW, PAGE_READWRITE, SEC_RESERVE};

use super::attach::Place;
use super::attached::Attached;
use super::handle::{Handle, wide};
use super::kernel_mutex::KernelMutex;
use super::view::View;
use super::{participants, process, security};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::compare::{self, Known};
use crate::segment::header::{HEADER_BYTES, Header, SegmentKind};
use crate::segment::live::Live;
use crate::segment::plan::Plan;
use crate::segment::request::{Opening, Request};
use crate::sys::ranges;

/// Room for the data of a named block: the system sets eight bytes aside for each of its pages.
const GROWING_DATA_BYTES: u64 = 64 << 20;
/// A maximum in somebody's header beyond this is taken for damage.
const MAX_BYTES: u64 = 1 << 32;
/// Names of kernel objects have at most 260 units.
const MAX_NAME_UNITS: usize = 160;

/// A view of the whole mapping, and the handle that keeps its name.
pub(crate) struct FileMapping {
    view: View,
    _handle: Handle,
}

impl FileMapping {
    /// Has memory behind the `bytes` bytes at `at`: committed in this view, as each process must before it looks.
    pub(crate) fn commit_range(&self, at: u64, bytes: u64, path: &str) -> Result<()> {
        self.view
            .commit_range(at, bytes)
            .map_err(|cause| no_memory(&format!("get {bytes} bytes of memory at {at} for {path}"), &cause))
    }
}

/// A mapping that is ready for use.
struct Segment {
    mapping: FileMapping,
    header: Header,
    live: Live,
    created: bool,
}

/// Attaches to the mapping, or makes it.
pub(crate) fn attach(plan: &Plan, file_name: &str, places: &[Place<'_>]) -> Result<&'static Attached> {
    let path = object_name(file_name)?;
    let mutex = KernelMutex::open(&format!("{path}!attach"))?;
    let _held = mutex.hold(&path)?;
    let segment = open_or_create(plan, &path, Opening::OpenOrCreate)?;
    let Segment { mapping, header, live, created } = segment;
    if !created {
        reconcile(plan, &mapping.view, &header, live, &path).map_err(|error| name_users(error, live))?;
    }
    let owner = participants::take(live, &path)?;
    let objects = format!(r"Local\cotenant-{:032x}", u128::from_le_bytes(header.instance));
    let base = mapping.view.base().as_ptr();
    let attached = Attached::new((path, objects), live, (owner, created), Some(mapping));
    let attached: &'static Attached = Box::leak(Box::new(attached));
    for place in places {
        let values = base.wrapping_add((header.data_at + place.data_at) as usize);
        ranges::publish(values as usize, place.bytes, attached, header.data_at + place.data_at);
        place.set_target(values);
    }
    Ok(attached)
}

/// Attaches to the segment of objects, or makes it.
pub(crate) fn open_objects(request: &Request<'_>) -> Result<Attached> {
    let path = object_name(request.name)?;
    if request.plan.header([0; 16], 0, 0).max_bytes > MAX_BYTES {
        let what = format!("the segment {path} is to have {} bytes", request.plan.room.data_bytes);
        return Err(Error::new(ErrorKind::Unsupported, what)
            .hint("a file mapping has at most 4 GiB here, its tables included: lower `max_bytes`"));
    }
    let mutex = KernelMutex::open(&format!("{path}!attach"))?;
    let _held = mutex.hold(&path)?;
    let Segment { mapping, header, live, created } = open_or_create(request.plan, &path, request.opening)?;
    if header.kind != SegmentKind::Objects as u8 {
        let what = format!("the segment {path} holds variables of a `shared!` block, not objects");
        let error = Error::new(ErrorKind::Mismatch, what).hint("use another name");
        return Err(name_users(error, live));
    }
    // The tables are read wherever the header says that they are.
    commit(&mapping.view, header.data_at, &path)?;
    if request.prefault {
        commit(&mapping.view, header.max_bytes, &path)?;
    }
    let owner = participants::take(live, &path)?;
    let objects = format!(r"Local\cotenant-{:032x}", u128::from_le_bytes(header.instance));
    let attached = Attached::new((path, objects), live, (owner, created), Some(mapping));
    attached.set_header(header);
    Ok(attached)
}

/// In the session's own namespace: mappings in `Global\` need a privilege (SeCreateGlobalPrivilege).
fn object_name(file_name: &str) -> Result<String> {
    let mut name = file_name.to_owned();
    if name.len() > MAX_NAME_UNITS {
        let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = file_name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, step);
        name.truncate(MAX_NAME_UNITS - 17); // Names are ASCII.
        name = format!("{name}~{hash:016x}");
    }
    Ok(format!(r"Local\cotenant-{}-{name}", security::this_user()?.text()))
}

/// The maximum size: less than where there are files with holes.
fn whole_bytes(plan: &Plan, header: &Header) -> u64 {
    if plan.kind == SegmentKind::Objects {
        return header.max_bytes.next_multiple_of(plan.page_bytes as u64);
    }
    let grows = header.max_bytes > header.file_bytes;
    let room = if grows { GROWING_DATA_BYTES.max(plan.data_bytes.saturating_mul(2)) } else { plan.data_bytes };
    (header.data_at + room).next_multiple_of(plan.page_bytes as u64)
}

/// The segment that others participate in, or a new one. Under the attach mutex.
fn open_or_create(plan: &Plan, path: &str, opening: Opening) -> Result<Segment> {
    let instance = process::random().map_err(|cause| Error::system("get random bytes", &cause))?;
    let mut fresh = plan.header(instance, process::pid(), process::unix_time_ns());
    fresh.max_bytes = whole_bytes(plan, &fresh);
    fresh.participants_reserved = fresh.participants_max;
    let handle = open(path, fresh.max_bytes)?;
    let there = header_of(&handle, path)?;
    let size_to_map = there.as_ref().map_or(fresh.max_bytes, |header| header.max_bytes);
    let view = map(&handle, size_to_map, path)?;
    if let Some(header) = there {
        commit(&view, header.data_at + header.data_bytes, path)?;
        // SAFETY: committed pages of a view that lives as long as what is made of it.
        let live = unsafe { Live::with_events(view.base(), &header) };
        if participants::anybody(live) {
            if opening == Opening::Create {
                let error = Error::new(ErrorKind::AlreadyExists, format!("there is a segment {path} already"));
                return Err(name_users(error.hint("open it, or use another name or scope"), live));
            }
            return Ok(Segment { mapping: FileMapping { view, _handle: handle }, header, live, created: false });
        }
        drop(view);
        refuse_to_make(opening, path)?;
        return create(plan, map(&handle, fresh.max_bytes, path)?, handle, fresh, path);
    }
    refuse_to_make(opening, path)?;
    create(plan, view, handle, fresh, path)
}

fn refuse_to_make(opening: Opening, path: &str) -> Result<()> {
    if opening != Opening::Open {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotFound, format!("there is no segment {path}"))
        .hint("the program that makes it does not run in this session, or has another scope"))
}

/// Opens the mapping, or makes one of `bytes` reserved bytes, and checks that it is this user's.
#[doc(alias = "CreateFileMappingW")]
pub(crate) fn open(path: &str, bytes: u64) -> Result<Handle> {
    let user = security::this_user()?;
    let doing = format!("create the file mapping {path} of {bytes} bytes");
    let (name, kind, none) = (wide(path), PAGE_READWRITE | SEC_RESERVE, INVALID_HANDLE_VALUE);
    let (high, low) = ((bytes >> 32) as u32, bytes as u32);
    // SAFETY: the attributes are whole, and the name ends with a zero.
    let make = |attributes| unsafe { CreateFileMappingW(none, attributes, kind, high, low, name.as_ptr()) };
    let handle = security::for_user_only(&user, make).map_err(|cause| Error::system(&doing, &cause))?;
    // SAFETY: fresh, and used nowhere else.
    let Some(handle) = (unsafe { Handle::new(handle) }) else {
        let cause = io::Error::last_os_error();
        if cause.raw_os_error() == Some(ERROR_ACCESS_DENIED as i32) {
            return Err(Error::new(ErrorKind::Foreign, format!("cannot open the file mapping {path}: {cause}"))
                .hint("another user's program has the name: set COTENANT_SCOPE to get another one"));
        }
        return Err(no_memory(&doing, &cause));
    };
    security::check_owner(handle.raw(), path, &user)?;
    Ok(handle)
}

fn no_memory(doing: &str, cause: &io::Error) -> Error {
    if cause.raw_os_error() == Some(ERROR_COMMITMENT_LIMIT as i32) {
        return Error::new(ErrorKind::NoSpace, format!("cannot {doing}: {cause}")).hint("enlarge the paging file");
    }
    Error::system(doing, cause)
}

fn map(handle: &Handle, bytes: u64, path: &str) -> Result<View> {
    View::map(handle, bytes).map_err(|cause| {
        Error::system(format!("map the {bytes} bytes of {path}"), &cause)
            .hint("end the programs that have it open, so that the next one makes it anew")
    })
}

fn commit(view: &View, bytes: u64, path: &str) -> Result<()> {
    view.commit(bytes).map_err(|cause| no_memory(&format!("get {bytes} bytes of memory for {path}"), &cause))
}

/// The checked header of a segment that somebody finished making.
fn header_of(handle: &Handle, path: &str) -> Result<Option<Header>> {
    let view = map(handle, HEADER_BYTES as u64, path)?;
    commit(&view, HEADER_BYTES as u64, path)?;
    // Acquire pairs with the Release in `create`.
    if magic(&view).load(Acquire) == 0 {
        return Ok(None);
    }
    let mut bytes = [0; size_of::<Header>()];
    view.read(&mut bytes, 0).map_err(|cause| Error::system(format!("read the header of {path}"), &cause))?;
    let header = Header::check(&bytes, MAX_BYTES, &path)?;
    if header.max_bytes > MAX_BYTES || header.data_at + header.data_bytes > header.max_bytes {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("the segment {path} is damaged: its data lie behind its end"),
        )
        .hint("end the programs that use it"));
    }
    Ok(Some(header))
}

/// The first eight bytes: zero until the segment is whole.
fn magic(view: &View) -> &AtomicU64 {
    // SAFETY: in the first page of the view, which callers have committed; used as an atomic only.
    unsafe { view.base().cast::<AtomicU64>().as_ref() }
}

/// Writes a whole segment. Killed on the way: there is no magic, and the next one writes it again.
fn create(plan: &Plan, view: View, handle: Handle, fresh: Header, path: &str) -> Result<Segment> {
    let failed = |cause: io::Error| Error::system(format!("write the segment {path}"), &cause);
    commit(&view, fresh.data_at + fresh.data_bytes, path)?;
    magic(&view).store(0, Release);
    // What the dead left: slots, locks, objects. (Schemas and data are written before they are read.)
    view.write(&vec![0; fresh.schemas_at as usize - 8], 8).map_err(failed)?;
    let bytes = fresh.to_bytes();
    view.write(&bytes[8..], 8).map_err(failed)?;
    view.write(&plan.objects_bytes(), fresh.objects_at).map_err(failed)?;
    view.write(&plan.schemas, fresh.schemas_at).map_err(failed)?;
    for part in &plan.initial {
        // SAFETY: a block's initial bytes, which nobody changes while it is being attached.
        unsafe { view.write_from(part.address, part.bytes, fresh.data_at + part.at) }.map_err(failed)?;
    }
    // Release pairs with the Acquire in `header_of`.
    magic(&view).store(u64::from_le_bytes(fresh.magic), Release);
    // SAFETY: committed pages of a view that lives as long as what is made of it.
    let live = unsafe { Live::with_events(view.base(), &fresh) };
    Ok(Segment { mapping: FileMapping { view, _handle: handle }, header: fresh, live, created: true })
}

/// Says who uses the segment that this program cannot share.
fn name_users(error: Error, live: Live) -> Error {
    if !matches!(error.kind(), ErrorKind::Mismatch | ErrorKind::AlreadyExists) {
        return error;
    }
    let users = participants::list(live);
    compare::name_users(error, users.iter().map(|user| (user.pid, user.program.as_str())))
}

/// Compares what is there with the plan; makes the segment grow if the plan only adds at its end. The attach mutex
/// keeps others from doing the same. Nobody uses new objects before `object_count` is stored, so a death on the way
/// leaves bytes that the next one writes again.
fn reconcile(plan: &Plan, view: &View, header: &Header, live: Live, path: &str) -> Result<()> {
    let failed = |cause: io::Error| Error::system(format!("make the segment {path} grow"), &cause);
    if compare::is_same_image(plan, header) {
        return Ok(()); // The name said so already.
    }
    let known = Known::read(&|bytes, at| view.read(bytes, at), header, live, path)?;
    if compare::grows(plan, &known, path)? {
        let additions = known.additions(plan, header)?;
        commit(view, header.data_at + plan.data_bytes, path)?;
        for object in &plan.objects[known.objects.len()..] {
            let (initial, at) = (plan.initial_of(object), header.data_at + object.data_at);
            // SAFETY: inside the plan's own initial bytes.
            unsafe { view.write_from(initial, object.bytes as usize, at) }.map_err(failed)?;
        }
        let objects_at = header.objects_at + known.objects.len() as u64 * u64::from(header.object_bytes);
        view.write(&additions.schemas, additions.schemas_at).map_err(failed)?;
        view.write(&additions.objects, objects_at).map_err(failed)?;
        live.data_bytes().fetch_max(plan.data_bytes, Relaxed);
        // Release pairs with the Acquire in `Known::read`: who sees the count sees the objects.
        live.object_count().store(plan.objects.len() as u32, Release);
    }
    compare::initial_values(plan, &known, path, process::complain);
    Ok(())
}
