//! What there is: the segments of this user, the objects of one, and the removal of what the dead left.

use std::ffi::{CString, c_char, c_void};

use cotenant_rust::{Contents, Keep, Leftover, ObjectState, PruneOptions, Segment};

use crate::segment::{at, cotenant_reader, cotenant_segment, some_text};
use crate::status::cotenant_status;
use crate::status::{Result, call, invalid};

/// What a segment was made for.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(dead_code)] // C names them; here they are numbers.
pub enum cotenant_contents {
    /// Its header does not say.
    COTENANT_CONTENTS_UNKNOWN = 0,
    /// The unnamed blocks of one program or library.
    COTENANT_CONTENTS_IMAGE = 1,
    /// One named block.
    COTENANT_CONTENTS_BLOCK = 2,
    /// Objects.
    COTENANT_CONTENTS_OBJECTS = 3,
}

/// A segment as it was found: what its header says and what the system tells about it. The texts stay during the
/// callback that gets it.
#[repr(C)]
pub struct cotenant_segment_info {
    /// Its file.
    pub path: *const c_char,
    /// Its name; of an image's unnamed blocks, the program's.
    pub name: *const c_char,
    /// Its scope; "" without one.
    pub scope: *const c_char,
    /// What its memory is made of: "posix", "file", "system v".
    pub backing: *const c_char,
    /// Why the numbers make no sense, which are zeros then; null: they do.
    pub damage: *const c_char,
    /// Memory, or disk, that it takes, in bytes.
    pub allocated_bytes: u64,
    /// Bytes of values in use.
    pub used_bytes: u64,
    /// Bytes that its file may grow to.
    pub max_bytes: u64,
    /// A cotenant_contents.
    pub contents: u32,
    /// How many processes are attached, readers not among them.
    pub participants: u32,
    /// The user who owns it.
    pub user: u32,
    /// Permission bits of the file.
    pub mode: u32,
    /// Whether a process, or a reader, has it mapped. If not, the next one to attach starts afresh, unless it is kept.
    pub is_alive: bool,
    /// Whether its values live until its name is removed.
    pub is_kept: bool,
    /// Zero.
    pub reserved: [u8; 6],
}

/// Is called for each segment. Gives 0 to go on, anything else to end there. It must not throw, and not jump out.
pub type cotenant_segment_visit =
    Option<unsafe extern "C" fn(segment: *const cotenant_segment_info, argument: *mut c_void) -> i32>;

/// An object of a segment. The texts stay during the callback that gets it.
#[repr(C)]
pub struct cotenant_object_info {
    /// Its name.
    pub name: *const c_char,
    /// Its type, as a Rust programmer would write it.
    pub type_name: *const c_char,
    /// The size of its value.
    pub bytes: u64,
    /// Where the value lies: bytes from the start of the segment.
    pub at: u64,
    /// Equal for types that may share bytes.
    pub fingerprint: u64,
    /// Whether the value is there: not if somebody makes it, or was killed making it.
    pub is_ready: bool,
    /// Zero.
    pub reserved: [u8; 7],
}

/// As cotenant_segment_visit, for objects.
pub type cotenant_object_visit =
    Option<unsafe extern "C" fn(object: *const cotenant_object_info, argument: *mut c_void) -> i32>;

/// What cotenant_prune has removed, or would remove.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(dead_code)] // As above.
pub enum cotenant_leftover {
    /// Something of a later version of this library.
    COTENANT_LEFTOVER_OTHER = 0,
    /// A segment that nobody is attached to, and that was not to be kept.
    COTENANT_LEFTOVER_DEAD = 1,
    /// A kept segment that nobody is attached to.
    COTENANT_LEFTOVER_KEPT = 2,
    /// A segment whose maker was killed before it was whole.
    COTENANT_LEFTOVER_UNFINISHED = 3,
    /// The locks of a segment that is gone.
    COTENANT_LEFTOVER_LOCKS = 4,
}

/// Is called for what cotenant_prune has removed or, in a dry run, would remove: its file, a cotenant_leftover, and the
/// bytes of memory or disk that it took. It must not throw, and not jump out.
pub type cotenant_prune_visit =
    Option<unsafe extern "C" fn(path: *const c_char, leftover: u32, allocated_bytes: u64, argument: *mut c_void)>;

/// Calls `visit` for each segment of this user (and, if they can be seen, those that others let us read), of blocks,
/// too; in `folder` alone, if that is not null. For people and tools: it asks the system about each.
/// COTENANT_PERMISSION_DENIED, COTENANT_SYSTEM: a folder cannot be read. COTENANT_INVALID_INPUT. Waits for nobody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_list(
    folder: *const c_char,
    visit: cotenant_segment_visit,
    argument: *mut c_void,
) -> cotenant_status {
    call(|| {
        let visit = visit.ok_or_else(null)?;
        // SAFETY: the caller passes a folder, or null.
        let found = match unsafe { some_text(folder, "the folder") }? {
            Some(folder) => Segment::list_in(folder)?,
            None => Segment::list()?,
        };
        for segment in found {
            let path = c_text(&segment.path.to_string_lossy());
            let [name, scope, backing] = [&segment.name, &segment.scope, segment.backing].map(c_text);
            let damage = segment.damage.as_deref().map(c_text);
            let info = cotenant_segment_info {
                path: path.as_ptr(),
                name: name.as_ptr(),
                scope: scope.as_ptr(),
                backing: backing.as_ptr(),
                damage: damage.as_ref().map_or(std::ptr::null(), |damage| damage.as_ptr()),
                allocated_bytes: segment.allocated_bytes,
                used_bytes: segment.used_bytes,
                max_bytes: segment.max_bytes,
                contents: match segment.contents {
                    Contents::Image => 1,
                    Contents::Block => 2,
                    Contents::Objects => 3,
                    _ => 0,
                },
                participants: segment.participants.len() as u32,
                user: segment.uid,
                mode: segment.mode,
                is_alive: segment.is_alive,
                is_kept: segment.keep == Keep::UntilRemoved,
                reserved: [0; 6],
            };
            // SAFETY: the caller's function, with what it was promised.
            if unsafe { visit(&raw const info, argument) } != 0 {
                break;
            }
        }
        Ok(())
    })
}

/// Removes what nobody is attached to: segments of programs that were killed, halves of segments, locks without a
/// segment; `kept_too`: also segments that were to be kept, whose values are lost. With `dry_run` it only tells.
/// `folder` is where, or null: where this user's programs put segments. `visit` is called for each, and may be null.
/// Safe at any moment, also while programs start. COTENANT_PERMISSION_DENIED, COTENANT_SYSTEM, COTENANT_INVALID_INPUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_prune(
    folder: *const c_char,
    kept_too: bool,
    dry_run: bool,
    visit: cotenant_prune_visit,
    argument: *mut c_void,
) -> cotenant_status {
    call(|| {
        let mut options = PruneOptions::default().kept_too(kept_too).dry_run(dry_run);
        // SAFETY: the caller passes a folder, or null.
        if let Some(folder) = unsafe { some_text(folder, "the folder") }? {
            options = options.folder(folder);
        }
        for pruned in Segment::prune(&options)? {
            let Some(visit) = visit else { continue };
            let leftover = match pruned.leftover {
                Leftover::Dead => 1,
                Leftover::Kept => 2,
                Leftover::Unfinished => 3,
                Leftover::Locks => 4,
                _ => 0,
            };
            let path = c_text(&pruned.path.to_string_lossy());
            // SAFETY: the caller's function, with what it was promised.
            unsafe { visit(path.as_ptr(), leftover, pruned.allocated_bytes, argument) };
        }
        Ok(())
    })
}

/// Calls `visit` for each object of the segment that has a name, those that others add meanwhile included. For
/// diagnostics: it reads every object's description. Waits for nobody. COTENANT_INVALID_INPUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_objects(
    segment: *const cotenant_segment,
    visit: cotenant_object_visit,
    argument: *mut c_void,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a segment.
        let segment = &unsafe { at(segment) }?.segment;
        // SAFETY: the caller passes a function.
        unsafe { each_object(segment.objects(), visit, argument) }
    })
}

/// As cotenant_segment_objects, of a segment that this process only reads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_reader_objects(
    reader: *const cotenant_reader,
    visit: cotenant_object_visit,
    argument: *mut c_void,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a reader.
        let reader = unsafe { reader.as_ref() }.ok_or_else(|| invalid("the reader is a null pointer"))?;
        // SAFETY: the caller passes a function.
        unsafe { each_object(reader.reader.objects(), visit, argument) }
    })
}

/// # Safety
/// A function that keeps what a cotenant_object_visit promises, or null.
unsafe fn each_object(
    objects: cotenant_rust::Objects<'_>,
    visit: cotenant_object_visit,
    argument: *mut c_void,
) -> Result<()> {
    let visit = visit.ok_or_else(null)?;
    for object in objects {
        let [name, type_name] = [&object.name, &object.type_name].map(|text| c_text(text));
        let info = cotenant_object_info {
            name: name.as_ptr(),
            type_name: type_name.as_ptr(),
            bytes: object.bytes,
            at: object.at,
            fingerprint: object.fingerprint,
            is_ready: object.state == ObjectState::Ready,
            reserved: [0; 7],
        };
        // SAFETY: the caller's promise.
        if unsafe { visit(&raw const info, argument) } != 0 {
            break;
        }
    }
    Ok(())
}

fn null() -> crate::status::Failure {
    invalid("the function to call is a null pointer")
}

/// Names are other programs' words: a zero byte in one ends nothing here.
fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}
