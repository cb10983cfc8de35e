//! Segments: memory that processes share by a name, a key, a path or a fork, with named, typed objects in it.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use cotenant_rust::__c::ObjectType;
use cotenant_rust::{Backing, Keep, Segment, SegmentOptions, SegmentReader, SysVKey};

use crate::block::cotenant_type;
use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, Result, call, invalid};

/// A segment that this process is attached to. Opaque: made by cotenant_segment_create and its kin, freed by
/// cotenant_segment_close.
pub struct cotenant_segment {
    pub(crate) segment: Arc<Segment>,
    path: CString,
}

/// A segment that this process only reads. Opaque: made by cotenant_reader_open, freed by cotenant_reader_close.
pub struct cotenant_reader {
    pub(crate) reader: SegmentReader,
}

/// What the memory of a segment is made of; docs/segments.md says what each can do.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(dead_code)] // C names them; here they are numbers that were checked.
pub enum cotenant_backing {
    /// What has a name on this system: a POSIX segment on Linux, a file mapping on Windows.
    COTENANT_BACKING_DEFAULT = 0,
    /// Memory without a name: for a process and the children that it forks.
    COTENANT_BACKING_ANONYMOUS = 1,
    /// A file in memory without a name: for children, and for whoever is sent its descriptor.
    COTENANT_BACKING_MEMFD = 2,
    /// A file in a folder of /dev/shm, found by its name.
    COTENANT_BACKING_POSIX = 3,
    /// A System V segment, found by sysv_key, or by sysv_file and a number in sysv_key.
    COTENANT_BACKING_SYSV = 4,
    /// A file on any disk, found by its path, which is the name.
    COTENANT_BACKING_FILE = 5,
    /// A named file mapping of Windows.
    COTENANT_BACKING_FILE_MAPPING = 6,
}

/// How a segment is to be. All zero are the defaults, so set what you want of `cotenant_segment_options options = {0};`
/// (in C++ `{}`), or pass a null pointer. They count for the one who creates the segment; who finds it gets it as it
/// is, but for mode and group: those that are given must be the segment's. What a backing cannot do is refused before
/// any system call.
#[repr(C)]
pub struct cotenant_segment_options {
    /// A cotenant_backing.
    pub backing: u32,
    /// Permission bits: who may write and read. 0: 0600. Others: 0660 for a group, 0640 or 0644 for readers.
    pub mode: u32,
    /// Bytes that its objects may come to take: address space, not memory. 0: 64 MiB.
    pub max_bytes: u64,
    /// Objects that it may come to hold, 1 to 65,536. 0: 1,024.
    pub max_objects: u32,
    /// Processes that may be attached at once, 1 to 4,095. 0: 1,024.
    pub max_participants: u32,
    /// The values live until the name is removed, not only while somebody is attached.
    pub keep_until_removed: bool,
    /// Asks for huge pages (2 MiB) for what is reserved at once: a wish.
    pub huge_pages: bool,
    /// Has memory be there before the first access.
    pub prefault: bool,
    /// Of readers: `user` is whose segment it is; else the one who runs the program.
    pub has_user: bool,
    /// The user that `has_user` speaks of.
    pub user: u32,
    /// Of COTENANT_BACKING_SYSV: the key, 0 for IPC_PRIVATE; with sysv_file a number from 1 to 255, as of ftok.
    pub sysv_key: i32,
    /// Zero.
    pub reserved_number: u32,
    /// Of COTENANT_BACKING_SYSV: a file or folder that goes into the key; null: the key is sysv_key alone.
    pub sysv_file: *const c_char,
    /// The group that mode speaks of; null: the process's own.
    pub group: *const c_char,
    /// Keeps segments of one name apart; null: COTENANT_SCOPE, "": none.
    pub scope: *const c_char,
    /// Where it lies, an absolute path; null: COTENANT_DIR, or the user's own folder in /dev/shm.
    pub folder: *const c_char,
    /// Zero: for options of later versions.
    pub reserved: [u64; 4],
}

/// Makes the value of an object: `object` is its memory, all zero, and `argument` what was passed beside it. Gives 0, or
/// anything else if it cannot: then there is no object, and the next one who asks makes it. It may ask for other objects
/// of the segment. (A flag's seed and a histogram's usual ranges are there already.) It must not throw, and not jump
/// out.
pub type cotenant_init = Option<unsafe extern "C" fn(object: *mut c_void, argument: *mut c_void) -> i32>;

/// # Safety
/// A C string that stays during the call, or null.
pub(crate) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str> {
    if text.is_null() {
        return Err(invalid(&format!("{what} is a null pointer")));
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| invalid(&format!("{what} is not UTF-8")))
}

/// # Safety
/// As of [`text`].
pub(crate) unsafe fn some_text<'a>(value: *const c_char, what: &str) -> Result<Option<&'a str>> {
    // SAFETY: the caller's promise.
    if value.is_null() { Ok(None) } else { unsafe { text(value, what) }.map(Some) }
}

/// # Safety
/// Null, or options whose texts are C strings that stay during the call.
pub(crate) unsafe fn options(options: *const cotenant_segment_options) -> Result<SegmentOptions> {
    let mut all = Segment::options();
    // SAFETY: the caller's promise.
    let Some(given) = (unsafe { options.as_ref() }) else { return Ok(all) };
    if given.reserved != [0; 4] || given.reserved_number != 0 {
        return Err(invalid(
            "the options say something that this version of the library does not know: begin with {0}",
        ));
    }
    // SAFETY: the caller's promise.
    if let Some(backing) = unsafe { backing(given) }? {
        all = all.backing(backing);
    }
    // What is 0 or null is not said.
    all = if given.mode == 0 { all } else { all.mode(given.mode) };
    all = if given.max_bytes == 0 { all } else { all.max_bytes(given.max_bytes) };
    all = if given.max_objects == 0 { all } else { all.max_objects(given.max_objects) };
    all = if given.max_participants == 0 { all } else { all.max_participants(given.max_participants) };
    all = if given.keep_until_removed { all.keep(Keep::UntilRemoved) } else { all };
    all = if given.has_user { all.user(given.user) } else { all };
    // SAFETY: the caller's promise.
    let group = unsafe { some_text(given.group, "the group") }?;
    // SAFETY: the caller's promise.
    let scope = unsafe { some_text(given.scope, "the scope") }?;
    // SAFETY: the caller's promise.
    let folder = unsafe { some_text(given.folder, "the folder") }?;
    all = group.map_or(all.clone(), |group| all.group(group));
    all = scope.map_or(all.clone(), |scope| all.scope(scope));
    all = folder.map_or(all.clone(), |folder| all.folder(folder));
    Ok(all.huge_pages(given.huge_pages).prefault(given.prefault))
}

/// # Safety
/// As of [`options`].
unsafe fn backing(given: &cotenant_segment_options) -> Result<Option<Backing>> {
    // SAFETY: the caller's promise.
    let file = unsafe { some_text(given.sysv_file, "the file of the System V key") }?;
    let backing = match given.backing {
        0 => return Ok(None),
        1 => Backing::Anonymous,
        2 => Backing::Memfd,
        3 => Backing::Posix,
        4 => Backing::SysV(match (file, given.sysv_key) {
            (Some(path), number) => SysVKey::File {
                path: path.into(),
                number: number.try_into().map_err(|_| invalid("the number of a System V key's file is 1 to 255"))?,
            },
            (None, 0) => SysVKey::Private,
            (None, key) => SysVKey::Number(key),
        }),
        5 => Backing::File,
        6 => Backing::FileMapping,
        other => return Err(invalid(&format!("{other} is no cotenant_backing"))),
    };
    Ok(Some(backing))
}

/// # Safety
/// Null, or a segment that is not closed during the call.
pub(crate) unsafe fn at<'a>(segment: *const cotenant_segment) -> Result<&'a cotenant_segment> {
    // SAFETY: the caller's promise.
    unsafe { segment.as_ref() }.ok_or_else(|| invalid("the segment is a null pointer"))
}

/// # Safety
/// Null, or a place for a pointer.
pub(crate) unsafe fn out<'a, T>(place: *mut *mut T) -> Result<&'a mut *mut T> {
    // SAFETY: the caller's promise; it is written only.
    unsafe { place.as_mut() }.ok_or_else(|| invalid("the place for the result is a null pointer"))
}

pub(crate) fn handle(segment: Segment) -> *mut cotenant_segment {
    let path = CString::new(segment.path()).unwrap_or_default();
    Box::into_raw(Box::new(cotenant_segment { segment: Arc::new(segment), path }))
}

/// Makes a segment and attaches to it: COTENANT_ALREADY_EXISTS if a process is attached to one of that name, or it is
/// kept. What only the dead left is removed first.
///
/// The name has at most 100 of A-Z a-z 0-9 . _ -, and is shared with named blocks; of a file it is a path. Other
/// statuses: COTENANT_INVALID_INPUT, COTENANT_UNSUPPORTED (an option), COTENANT_NO_SPACE, COTENANT_PERMISSION_DENIED,
/// COTENANT_FOREIGN, COTENANT_PRIVATE, COTENANT_SYSTEM. Blocks while others are at work on the name, about two seconds
/// at most. Killed in it, a process leaves nothing, or a segment that the next one removes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_create(
    name: *const c_char,
    options: *const cotenant_segment_options,
    segment: *mut *mut cotenant_segment,
) -> cotenant_status {
    // SAFETY: the caller passes a name, options and a place.
    unsafe { open_with(name, options, segment, SegmentOptions::create) }
}

/// Attaches to a segment that is there: COTENANT_NOT_FOUND if there is none, or only what the dead left.
/// COTENANT_FULL if as many processes as it was made for are attached, COTENANT_MISMATCH if it has another mode or
/// holds a block's variables, COTENANT_CORRUPT; else as cotenant_segment_create.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_open(
    name: *const c_char,
    options: *const cotenant_segment_options,
    segment: *mut *mut cotenant_segment,
) -> cotenant_status {
    // SAFETY: the caller passes a name, options and a place.
    unsafe { open_with(name, options, segment, SegmentOptions::open) }
}

/// Attaches to the segment of that name, and makes it if there is none; of those who try at the same time one makes it
/// (cotenant_segment_is_created). As cotenant_segment_open and cotenant_segment_create.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_open_or_create(
    name: *const c_char,
    options: *const cotenant_segment_options,
    segment: *mut *mut cotenant_segment,
) -> cotenant_status {
    // SAFETY: the caller passes a name, options and a place.
    unsafe { open_with(name, options, segment, SegmentOptions::open_or_create) }
}

/// # Safety
/// What each argument is to be, or null.
unsafe fn open_with(
    name: *const c_char,
    given: *const cotenant_segment_options,
    segment: *mut *mut cotenant_segment,
    open: impl FnOnce(&SegmentOptions, &str) -> cotenant_rust::Result<Segment>,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller's promise.
        let place = unsafe { out(segment) }?;
        // SAFETY: the caller's promise.
        let name = unsafe { text(name, "the name of the segment") }?;
        // SAFETY: the caller's promise.
        let options = unsafe { options(given) }?;
        *place = handle(open(&options, name)?);
        Ok(())
    })
}

/// Takes the name from a segment, in use or not: whoever starts from here on makes another one; those attached go on
/// with each other. COTENANT_NOT_FOUND if there is none. Waits while others are at work on the name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_unlink(
    name: *const c_char,
    options: *const cotenant_segment_options,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the segment") }?;
        // SAFETY: the caller passes options, or null.
        Ok(unsafe { self::options(options) }?.unlink(name)?)
    })
}

/// Detaches, and frees the handle: no thread may use it, or an object of it, any more. The values stay for the others.
/// Of a null pointer it does nothing. Does not block. (At the end of a process the system does it.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_close(segment: *mut cotenant_segment) {
    call(|| {
        if !segment.is_null() {
            // SAFETY: made by `handle`, and freed here alone.
            drop(unsafe { Box::from_raw(segment) });
        }
        Ok(())
    });
}

/// The object of that name and type; if there is none it is made by `init` (a null pointer: all zero), once, however
/// many processes and threads ask at the same time.
///
/// `type` is COTENANT_TYPE(u64), of a type word that may stand in a block, or COTENANT_VALUE_TYPE(word) for values that
/// are written by init alone. A name has 1 to 128 bytes of UTF-8 without control characters.
///
/// COTENANT_MISMATCH: it has another type; the message tells field by field how. COTENANT_CANCELLED: init gave another
/// number than 0. COTENANT_NO_SPACE: the table, the segment or the system's memory is full; nothing was changed.
/// COTENANT_WOULD_DEADLOCK: init asked for its own object. COTENANT_BUSY, COTENANT_CORRUPT, COTENANT_FULL.
///
/// Blocks while another one makes the object; if that one is killed, one of those who wait makes it. Later calls for the
/// same name take some ten nanoseconds. The pointer is valid until cotenant_segment_close.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_get_or_init(
    segment: *const cotenant_segment,
    name: *const c_char,
    r#type: *const cotenant_type,
    init: cotenant_init,
    argument: *mut c_void,
    object: *mut *mut c_void,
) -> cotenant_status {
    // SAFETY: the caller passes what each is to be.
    unsafe { get_or_init(segment, name, r#type, None, init, argument, object) }
}

/// As cotenant_segment_get_or_init, but waits at most timeout_ms milliseconds while another one makes the object: then
/// COTENANT_TIMED_OUT, with who makes it in the message. How long one's own init takes is not bounded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_get_or_init_timeout(
    segment: *const cotenant_segment,
    name: *const c_char,
    r#type: *const cotenant_type,
    timeout_ms: u64,
    init: cotenant_init,
    argument: *mut c_void,
    object: *mut *mut c_void,
) -> cotenant_status {
    let timeout = Some(Duration::from_millis(timeout_ms));
    // SAFETY: the caller passes what each is to be.
    unsafe { get_or_init(segment, name, r#type, timeout, init, argument, object) }
}

/// # Safety
/// What each argument is to be, or null.
unsafe fn get_or_init(
    segment: *const cotenant_segment,
    name: *const c_char,
    of: *const cotenant_type,
    timeout: Option<Duration>,
    init: cotenant_init,
    argument: *mut c_void,
    object: *mut *mut c_void,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller's promise.
        let segment = &unsafe { at(segment) }?.segment;
        // SAFETY: the caller's promise.
        let place = unsafe { out(object) }?;
        // SAFETY: the caller's promise.
        let name = unsafe { text(name, "the name of the object") }?;
        // SAFETY: the caller's promise.
        let of = unsafe { object_type(of) }?;
        let run = |bytes: NonNull<u8>| match init {
            // SAFETY: the caller's function, with what it was promised.
            Some(init) => unsafe { init(bytes.as_ptr().cast(), argument) == 0 },
            None => true,
        };
        let made = segment.get_or_make_described(name, of, timeout, run)?;
        let cancelled = || Failure {
            status: COTENANT_CANCELLED,
            message: format!("what was to make the object `{name}` said that it cannot"),
        };
        *place = made.ok_or_else(cancelled)?.as_ptr().cast();
        Ok(())
    })
}

/// # Safety
/// Null, or a table that `cotenant.h` made.
unsafe fn object_type<'a>(of: *const cotenant_type) -> Result<&'a ObjectType> {
    // SAFETY: the caller's promise.
    let table = unsafe { of.as_ref() }.ok_or_else(|| invalid("the type is a null pointer"))?;
    // SAFETY: the caller's promise.
    Ok(unsafe { ObjectType::of(table) }?)
}

/// The object of that name and type, if it is there: COTENANT_NOT_FOUND if there is none, or if its value is still being
/// made. Waits for nobody. Else as cotenant_segment_get_or_init.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_get(
    segment: *const cotenant_segment,
    name: *const c_char,
    r#type: *const cotenant_type,
    object: *mut *mut c_void,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a segment.
        let segment = &unsafe { at(segment) }?.segment;
        // SAFETY: the caller passes a place.
        let place = unsafe { out(object) }?;
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the object") }?;
        // SAFETY: the caller passes a type.
        let found = segment.get_described(name, unsafe { object_type(r#type) }?)?;
        *place = found.ok_or_else(|| no_object(name, segment.path()))?.as_ptr().cast();
        Ok(())
    })
}

fn no_object(name: &str, path: &str) -> Failure {
    let message = format!("the segment {path} has no object `{name}`, or it is still being made");
    Failure { status: COTENANT_NOT_FOUND, message }
}

/// Takes the name from an object: COTENANT_NOT_FOUND if there is none. Who has a pointer goes on with the value, and the
/// next cotenant_segment_get_or_init of that name makes another object; the memory is free again when nobody is attached
/// any more. Waits some microseconds for others who add or remove. COTENANT_BUSY, COTENANT_CORRUPT, COTENANT_FULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_remove(
    segment: *const cotenant_segment,
    name: *const c_char,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a segment.
        let segment = &unsafe { at(segment) }?.segment;
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the object") }?;
        if segment.remove(name)? { Ok(()) } else { Err(no_object(name, segment.path())) }
    })
}

/// Where the segment is found, for people. The text stays until cotenant_segment_close. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_path(segment: *const cotenant_segment) -> *const c_char {
    // SAFETY: the caller passes a segment.
    unsafe { at(segment) }.map_or(c"".as_ptr(), |segment| segment.path.as_ptr())
}

/// Whether the call that gave this handle made the segment. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_is_created(segment: *const cotenant_segment) -> bool {
    // SAFETY: the caller passes a segment.
    unsafe { at(segment) }.is_ok_and(|segment| segment.segment.is_created())
}

/// Whether the segment's name is gone: processes that start now share with each other, and not with this one. Asks the
/// system.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_is_unlinked(segment: *const cotenant_segment) -> bool {
    // SAFETY: the caller passes a segment.
    unsafe { at(segment) }.is_ok_and(|segment| segment.segment.is_unlinked())
}

/// Bytes that objects can take, as the creator chose it. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_max_bytes(segment: *const cotenant_segment) -> u64 {
    // SAFETY: the caller passes a segment.
    unsafe { at(segment) }.map_or(0, |segment| segment.segment.max_bytes())
}

/// Bytes that objects take, those whose names were removed included. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_used_bytes(segment: *const cotenant_segment) -> u64 {
    // SAFETY: the caller passes a segment.
    unsafe { at(segment) }.map_or(0, |segment| segment.segment.used_bytes())
}

/// How many processes are attached and hold a slot, this one included. Asks the system; for diagnostics.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_participants(segment: *const cotenant_segment) -> u32 {
    // SAFETY: the caller passes a segment.
    unsafe { at(segment) }.map_or(0, |segment| segment.segment.participants().len() as u32)
}

/// Writes the values of a file to the disk, and waits for it: they survive a fall of the machine from then on. Of other
/// backings there is nothing to do. COTENANT_SYSTEM, COTENANT_NO_SPACE: what the system says of the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_sync(segment: *const cotenant_segment) -> cotenant_status {
    // SAFETY: the caller passes a segment.
    call(|| Ok(unsafe { at(segment) }?.segment.sync()?))
}

/// Attaches to a segment to read it: it is mapped read-only, takes no slot and no lock, and holds nobody up.
/// COTENANT_NOT_FOUND: there is none, or nobody is attached to it and it is not kept. COTENANT_UNSUPPORTED: a backing
/// that cannot be read without being written. COTENANT_PERMISSION_DENIED, COTENANT_FOREIGN, COTENANT_MISMATCH,
/// COTENANT_CORRUPT, COTENANT_SYSTEM. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_reader_open(
    name: *const c_char,
    options: *const cotenant_segment_options,
    reader: *mut *mut cotenant_reader,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a place.
        let place = unsafe { out(reader) }?;
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the segment") }?;
        // SAFETY: the caller passes options, or null.
        let reader = unsafe { self::options(options) }?.open_reader(name)?;
        *place = Box::into_raw(Box::new(cotenant_reader { reader }));
        Ok(())
    })
}

/// The object of that name and type: COTENANT_NOT_FOUND if there is none. Others may change it at any moment, so read
/// variables with their _load; a value under a lock may be half changed. The memory can only be read: a store, and any
/// call that locks, is a signal. The pointer is valid until cotenant_reader_close. Waits for nobody.
/// COTENANT_MISMATCH, COTENANT_INVALID_INPUT, COTENANT_CORRUPT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_reader_get(
    reader: *const cotenant_reader,
    name: *const c_char,
    r#type: *const cotenant_type,
    object: *mut *const c_void,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a reader.
        let reader = unsafe { reader.as_ref() }.ok_or_else(|| invalid("the reader is a null pointer"))?;
        // SAFETY: the caller passes a place.
        let place = unsafe { object.as_mut() }.ok_or_else(|| invalid("the place for the result is a null pointer"))?;
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the object") }?;
        // SAFETY: the caller passes a type.
        let found = reader.reader.get_described(name, unsafe { object_type(r#type) }?)?;
        *place = found.ok_or_else(|| no_object(name, reader.reader.path()))?.as_ptr().cast();
        Ok(())
    })
}

/// Detaches, and frees the handle: no thread may use it, or an object of it, any more. Of a null pointer it does
/// nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_reader_close(reader: *mut cotenant_reader) {
    call(|| {
        if !reader.is_null() {
            // SAFETY: made by `cotenant_reader_open`, and freed here alone.
            drop(unsafe { Box::from_raw(reader) });
        }
        Ok(())
    });
}
