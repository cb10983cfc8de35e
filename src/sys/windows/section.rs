//! The section `.shared`: memory of the image that the loader maps into every process that runs it.
//!
//! ```text
//! .shared:  Head: header, epoch, user, participants  |  Twin of a block: values, epoch  |  Twin ...
//! .data:    Indirect of a block: pointer, private values
//! ```
//!
//! The loader shares it with everybody who maps the image, and no access list can be put on it. So the first attacher
//! writes a random instance id and its user into the head; kernel objects are named after the id, and another user is
//! refused. Until it has attached, and if it cannot, a process uses the private values: the twin is reached through the
//! pointer only.
//!
//! Anybody may keep the image mapped (a process that shares nothing, a scanner), so the loader's fresh copy is not
//! relied on: who attaches and finds nobody alive begins a new **epoch**, and a twin of another epoch gets the initial
//! values first. All of it happens under the kernel's mutex `Global\cotenant-INSTANCE-attach`.

#![allow(unsafe_code)]

use std::mem::offset_of;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::attach::Place;
use super::attached::Attached;
use super::kernel_mutex::KernelMutex;
use super::loader;
use super::participants::{self, OwnerHalf};
use super::process;
use super::security::{self, MAX_SID_BYTES, Sid};
use crate::error::{Error, ErrorKind, Result};
use crate::image::block::Descriptor;
use crate::segment::header::{HEADER_BYTES, Header};
use crate::segment::live::Live;
use crate::segment::plan::Plan;
use crate::sys::ranges;

const PARTICIPANTS_MAX: u32 = 512;
/// Where the head keeps what the header of a mapping has no place for.
const EPOCH_AT: usize = 1024;
const SID_LEN_AT: usize = 1032;
const SID_AT: usize = 1040;
const SID_WORDS: usize = MAX_SID_BYTES.div_ceil(8);
const WORDS: usize = Live::mapped_bytes(PARTICIPANTS_MAX) / 8;

const _: () = assert!(SID_AT + SID_WORDS * 8 <= HEADER_BYTES && WORDS * 8 % 4096 == 0);
const _: () = assert!(offset_of!(Header, magic) == 0 && offset_of!(Header, instance) % 8 == 0);

/// Header and participants, all zeros in the file.
#[repr(C, align(4096))]
struct Head {
    words: [AtomicU64; WORDS],
}

#[used]
#[unsafe(link_section = ".shared")]
static HEAD: Head = Head { words: [const { AtomicU64::new(0) }; WORDS] };

// The flag IMAGE_SCN_MEM_SHARED. GNU ld gives an output section the flags of all its parts; this one lies in the object
// of `HEAD`, which every block refers to.
#[cfg(all(target_env = "gnu", not(target_abi = "llvm")))]
std::arch::global_asm!(".section .shared,\"dws\"", ".byte 0", ".text");

/// lld-link and link.exe take it from a directive.
#[cfg(not(all(target_env = "gnu", not(target_abi = "llvm"))))]
#[used]
#[unsafe(link_section = ".drectve")]
static DIRECTIVE: [u8; 22] = *b" /SECTION:.shared,RWS ";

/// Whether the block's values lie in the section. Not those of an image that uses this library as a DLL: the section's
/// head lies in the DLL, which other images use, too. They lie in a file mapping, as named blocks do.
pub(crate) fn holds(block: &Descriptor) -> bool {
    !block.is_named() && !block.words.attach_by_call && loader::is_one_image(block.declared_at(), address())
}

/// Where the section begins.
pub(crate) fn address() -> usize {
    std::ptr::from_ref(&HEAD) as usize
}

/// The shared values of a block that [`holds`]: what is its pristine copy in the file.
pub(crate) fn values(block: &Descriptor) -> *mut u8 {
    block.pristine.cast_mut()
}

/// What this process has of the section after its first attach.
#[derive(Clone, Copy)]
struct Joined {
    owner: OwnerHalf,
    created: bool,
}

/// Attaches blocks that lie in the section.
pub(crate) fn attach(plan: &Plan, places: &[Place<'_>]) -> Result<&'static Attached> {
    static JOINED: OnceLock<Joined> = OnceLock::new();

    let [low, high] = instance().map_err(|cause| Error::system("get random bytes", &cause))?;
    let objects = format!(r"Global\cotenant-{high:016x}{low:016x}");
    let path = format!("section .shared of {} ({objects})", plan.name);
    let mutex = KernelMutex::open(&format!("{objects}-attach")).map_err(not_ours)?;
    let _held = mutex.hold(&path)?;
    let header = check_user(plan, [low, high])?;
    // SAFETY: a static of that many bytes, aligned to a page, atomics only.
    let live = unsafe { Live::new(NonNull::from(&HEAD).cast(), PARTICIPANTS_MAX) };
    let joined = match JOINED.get() {
        Some(joined) => *joined,
        None => {
            let created = !participants::anybody(live);
            if created {
                header.store();
                // Killed before it is among the participants: the next one finds nobody and begins another epoch.
                word(EPOCH_AT).fetch_add(1, Relaxed);
            }
            let owner = participants::take(live, &path)?;
            *JOINED.get_or_init(|| Joined { owner, created })
        }
    };
    for place in places {
        begin_epoch(place.block);
    }
    let names = (path, objects);
    let attached = Attached::new(names, live, (joined.owner, joined.created), None);
    let attached: &'static Attached = Box::leak(Box::new(attached));
    for place in places {
        let start = values(place.block) as usize;
        // The linker may have put it before the head: then a number that is unique all the same.
        ranges::publish(start, place.block.used_bytes, attached, start.wrapping_sub(address()) as u64);
        place.set_target(values(place.block));
    }
    Ok(attached)
}

fn word(at: usize) -> &'static AtomicU64 {
    &HEAD.words[at / 8]
}

/// The section's random id: whoever comes first puts it there, each half in one step.
fn instance() -> std::io::Result<[u64; 2]> {
    let at = offset_of!(Header, instance);
    let mut halves = [word(at).load(Relaxed), word(at + 8).load(Relaxed)];
    if halves.contains(&0) {
        let random = u128::from_le_bytes(process::random()?);
        for (i, fresh) in [random as u64 | 1, (random >> 64) as u64 | 1].into_iter().enumerate() {
            halves[i] = match word(at + i * 8).compare_exchange(0, fresh, Relaxed, Relaxed) {
                Ok(_) => fresh,
                Err(theirs) => theirs,
            };
        }
    }
    Ok(halves)
}

fn not_ours(error: Error) -> Error {
    if error.kind() != ErrorKind::Foreign {
        return error;
    }
    error.hint(
        "a PE section is shared by all users of the program's file and cannot be protected: give the block a name, \
         which puts it into memory that only this user can open, or use a copy of the program",
    )
}

/// A header that is to be written once it is known that nobody is attached.
struct Fresh([u8; size_of::<Header>()]);

impl Fresh {
    fn store(&self) {
        let instance = offset_of!(Header, instance);
        for (i, bytes) in self.0.chunks_exact(8).enumerate() {
            let at = i * 8;
            if !(instance..instance + 16).contains(&at) {
                word(at).store(u64::from_le_bytes(bytes.try_into().unwrap_or_default()), Relaxed);
            }
        }
    }
}

/// Refuses another user's section; the first attacher's becomes ours. Under the attach mutex.
fn check_user(plan: &Plan, instance: [u64; 2]) -> Result<Fresh> {
    let user = security::this_user()?;
    let mut bytes = [0; SID_WORDS * 8];
    // Acquire pairs with the Release below.
    let len = word(SID_LEN_AT).load(Acquire) as usize;
    if len == 0 {
        bytes[..MAX_SID_BYTES].copy_from_slice(user.bytes());
        for (i, chunk) in bytes.chunks_exact(8).enumerate() {
            word(SID_AT + i * 8).store(u64::from_le_bytes(chunk.try_into().unwrap_or_default()), Relaxed);
        }
        // Killed before it: the next one writes it all again.
        word(SID_LEN_AT).store(user.len() as u64, Release);
    } else {
        for (i, chunk) in bytes.chunks_exact_mut(8).enumerate() {
            chunk.copy_from_slice(&word(SID_AT + i * 8).load(Relaxed).to_le_bytes());
        }
        let theirs = bytes.first_chunk().and_then(|bytes| Sid::from_bytes(bytes, len));
        if theirs != Some(user) {
            let whose = theirs.map_or_else(|| "nobody".to_owned(), |sid| sid.text());
            let why = format!("the section .shared of {} is in use by {whose}, not by {}", plan.name, user.text());
            return Err(not_ours(Error::new(ErrorKind::Foreign, why)));
        }
    }
    let instance = u128::from(instance[1]) << 64 | u128::from(instance[0]);
    let mut header = plan.header(instance.to_le_bytes(), process::pid(), process::unix_time_ns());
    header.file_bytes = WORDS as u64 * 8;
    header.max_bytes = header.file_bytes;
    (header.participants_max, header.participants_reserved) = (PARTICIPANTS_MAX, PARTICIPANTS_MAX);
    (header.events_at, header.events_max, header.event_bytes) = (0, 0, 0);
    // The values lie behind the head, where the linker put them; objects and schemas are read from the image's file.
    (header.objects_at, header.objects_max, header.object_count) = (header.file_bytes, 0, 0);
    (header.schemas_at, header.schemas_max_bytes) = (header.file_bytes, 0);
    (header.data_at, header.data_bytes) = (header.file_bytes, 0);
    Ok(Fresh(header.to_bytes()))
}

/// Gives the block's twin the initial values, unless it got them in this epoch. Under the attach mutex.
fn begin_epoch(block: &Descriptor) {
    let shared = values(block);
    let epoch_at = shared.wrapping_add(block.used_bytes.next_multiple_of(8)).cast::<AtomicU64>();
    // SAFETY: a `Twin`: the epoch lies behind the values, aligned, in the image.
    let twin_epoch = unsafe { &*epoch_at };
    let epoch = word(EPOCH_AT).load(Relaxed);
    if twin_epoch.load(Relaxed) == epoch {
        return;
    }
    for i in 0..block.used_bytes {
        // SAFETY: inside the private copy, which nobody has changed before the block is attached.
        let byte = unsafe { block.initial().wrapping_add(i).read_volatile() };
        // SAFETY: inside the twin; nobody has its address yet: who attached in an earlier epoch is dead.
        unsafe { shared.wrapping_add(i).write_volatile(byte) };
    }
    // Killed before it: the next one copies again. Others see it, and the values, through the mutex.
    twin_epoch.store(epoch, Relaxed);
}
