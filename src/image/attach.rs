//! From a program's blocks to attached segments: which blocks go together, under which name, and what happens when
//! it cannot be done.
//!
//! ```text
//! .init_array.00101  each block: register            -> PENDING
//! .init_array.00102  first block: attach all at_load -> unnamed blocks in one segment, each named block in its own
//! attach()           the blocks that wait for the call
//! .fini_array        an unloaded library gives its slots back
//! ```

use std::rc::Rc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU32};
use std::time::Duration;

use super::block::{Descriptor, ObjectEntry, Outcome};
use crate::error::{EXIT_STATUS, Error, ErrorKind, Result};
use crate::segment::environment;
use crate::segment::header::SegmentKind;
use crate::segment::plan::{InitialBytes, Plan, Room};
use crate::sys::{self, Image, Place, process};

/// The image's blocks, newest first.
static BLOCKS: AtomicPtr<Descriptor> = AtomicPtr::new(std::ptr::null_mut());
/// One thread attaches at a time: 0, or the process id of the one that does. A fork copies the word and not the thread,
/// so in the child its parent's id is nobody's; a mutex would stay locked there for ever.
static ATTACHING: AtomicU32 = AtomicU32::new(0);

/// That this thread is the one; dropped, it is not any more.
pub(crate) struct Attaching(());

/// Held while the list of blocks is walked or changed. Waits while another thread attaches.
pub(crate) fn attaching() -> Attaching {
    let process_id = std::process::id();
    loop {
        let held = ATTACHING.load(Relaxed);
        // Acquire pairs with the Release in `drop`.
        if held != process_id && ATTACHING.compare_exchange(held, process_id, Acquire, Relaxed).is_ok() {
            return Attaching(());
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}

impl Drop for Attaching {
    fn drop(&mut self) {
        ATTACHING.store(0, Release);
    }
}

/// Start-up entry: makes a block known.
///
/// # Safety
/// The descriptor tells the truth about the block: its pages are its own, and hold variables of those schemas.
#[allow(unsafe_code)]
pub unsafe fn register(block: &'static Descriptor) {
    let this = std::ptr::from_ref(block).cast_mut();
    let mut head = BLOCKS.load(Relaxed);
    loop {
        block.status.next.store(head, Relaxed);
        // Release pairs with the Acquire in `blocks`.
        match BLOCKS.compare_exchange_weak(head, this, Release, Relaxed) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}

/// The blocks of this image. The caller holds [`attaching`].
pub(crate) fn blocks() -> impl Iterator<Item = &'static Descriptor> {
    let first = Descriptor::at(BLOCKS.load(Acquire));
    std::iter::successors(first, |block| Descriptor::at(block.status.next.load(Acquire)))
}

/// Start-up entry: attaches what is to be attached at load. The first call does it for all blocks.
pub extern "C" fn attach_at_load() {
    let _one_at_a_time = attaching();
    let fresh = |block: &&Descriptor| !block.words.attach_by_call && block.status.outcome.get().is_none();
    let waiting: Vec<_> = blocks().filter(fresh).collect();
    if waiting.is_empty() {
        return;
    }
    for (group, result) in attach_all(&waiting) {
        let Err(error) = result else { continue };
        let must_end = error.kind() != ErrorKind::Private && group.iter().any(|block| !block.words.private_on_failure);
        if must_end {
            process::end(
                &format!("cotenant: cannot share the variables of `{}`: {error}", group[0].label()),
                EXIT_STATUS,
            );
        }
        keep_private(&group, error);
    }
}

/// Attaches the blocks of this program or library that say `attach = by_call`. Until then their values are private;
/// from then on the same variables hold the shared values, whatever they held before. A reference or a guard that was
/// taken before stays with the private values.
///
/// May be called any number of times, from any thread; blocks only for the time of a few system calls, or while
/// another process that removes or grows the same segment finishes (about two seconds at most).
///
/// # Errors
///
/// What kept a block from being shared; its values stay private, and the call can be repeated. Of several failures
/// the first is given. [`ErrorKind::Private`] if sharing was switched off (`COTENANT_PRIVATE`, raised privileges).
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// cotenant::shared! {
///     #![shared(attach = by_call)]
///     static VISITS: AtomicU64 = AtomicU64::new(0);
/// }
///
/// VISITS.fetch_add(1, Relaxed); // private: nobody else sees it
/// match cotenant::attach() {
///     Ok(()) => assert_eq!(VISITS.load(Relaxed), 0), // shared, and nobody has counted yet
///     Err(error) => eprintln!("counting alone: {error}"),
/// }
/// ```
pub fn attach() -> Result<()> {
    let _one_at_a_time = attaching();
    attach_waiting(blocks())
}

/// [`attach`] for one block alone.
pub(crate) fn attach_one(block: &'static Descriptor) -> Result<()> {
    let _one_at_a_time = attaching();
    attach_waiting(std::iter::once(block))
}

fn attach_waiting(blocks: impl Iterator<Item = &'static Descriptor>) -> Result<()> {
    let waiting: Vec<_> = blocks.filter(|block| block.status.outcome.get().is_none()).collect();
    let mut first_error = None;
    for (_, result) in attach_all(&waiting) {
        if let Err(error) = result {
            first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// Start-down entry: a library that is unloaded gives its slots back. At the end of the program the system does it,
/// because other threads may hold locks to the last.
pub fn detach_at_unload(block: &'static Descriptor) {
    let attached = match block.status.outcome.get() {
        Some(Outcome::Attached(segment)) => Some(segment),
        _ => None,
    };
    if process::is_ending() {
        attached.into_iter().for_each(|segment| segment.announce_end());
        return;
    }
    let _one_at_a_time = attaching();
    attached.into_iter().for_each(|segment| segment.detach());
    forget(block);
}

/// Takes a block out of the list. (The loader runs one image's start-up or start-down entries at a time.)
fn forget(block: &'static Descriptor) {
    let this = std::ptr::from_ref(block).cast_mut();
    let next = block.status.next.load(Relaxed);
    if BLOCKS.compare_exchange(this, next, AcqRel, Relaxed).is_err() {
        let before = blocks().find(|before| before.status.next.load(Relaxed) == this);
        before.into_iter().for_each(|before| before.status.next.store(next, Release));
    }
}

fn keep_private(group: &[&'static Descriptor], error: Error) {
    let reason = error.to_string();
    for block in group {
        let _ = block.status.outcome.set(Outcome::Private(Error::new(error.kind(), reason.clone())));
    }
}

/// Blocks that are attached together, and the image that declares them.
struct Group {
    blocks: Vec<&'static Descriptor>,
    image: Rc<Image>,
}

type Attempt = (Vec<&'static Descriptor>, Result<()>);

/// Unnamed blocks of one image and with the same words go together, named ones each alone.
fn attach_all(blocks: &[&'static Descriptor]) -> Vec<Attempt> {
    let mut groups: Vec<Group> = Vec::new();
    let mut attempts = Vec::new();
    let mut images: Vec<Rc<Image>> = Vec::new();
    for block in blocks {
        let image = match images.iter().find(|image| image.holds(block.declared_at(), 1)) {
            Some(image) => Ok(image.clone()),
            None => sys::image_of(block).map(Rc::new),
        };
        match image {
            Ok(image) => {
                if !images.iter().any(|known| Rc::ptr_eq(known, &image)) {
                    images.push(image.clone());
                }
                join_group(&mut groups, block, image);
            }
            Err(error) => attempts.push((vec![*block], Err(error))),
        }
    }
    attempts.extend(groups.into_iter().map(|mut group| {
        group.blocks.sort_by_key(|block| block.block as usize);
        let result = attach_group(&group);
        (group.blocks, result)
    }));
    attempts
}

fn join_group(groups: &mut Vec<Group>, block: &'static Descriptor, image: Rc<Image>) {
    let same = |group: &&mut Group| {
        let first = group.blocks[0];
        !block.is_named()
            && !first.is_named()
            && block.words == first.words
            && group.image.holds(block.declared_at(), 1)
    };
    match groups.iter_mut().find(same) {
        Some(group) => group.blocks.push(block),
        None => groups.push(Group { blocks: vec![block], image }),
    }
}

fn attach_group(group: &Group) -> Result<()> {
    let first = group.blocks[0];
    const CONSENT: &str =
        "write `when_privileged = share` into the block if whoever starts it may stop it inside a lock";
    if let Some(error) = environment::switched_off(first.words.share_when_privileged, CONSENT) {
        return Err(error);
    }
    for block in &group.blocks {
        if !block.status.says_on_failure && !block.words.attach_by_call && !group.image.is_program() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "it belongs to a library, which must say what is to happen to its programs if it cannot be shared",
            )
            .hint("write on_failure(exit) or on_failure(private) into COTENANT_SHARED"));
        }
        sys::check_block(block, &group.image)?;
    }
    let plan = plan(group)?;
    let segment = attach_planned(&plan, &group.blocks)?;
    for block in &group.blocks {
        let _ = block.status.outcome.set(Outcome::Attached(segment));
    }
    Ok(())
}

fn attach_planned(plan: &Plan, group: &[&'static Descriptor]) -> Result<&'static sys::Attached> {
    let name = file_name(plan, group, false);
    let mut at = 0;
    let places: Vec<_> = group
        .iter()
        .map(|block| {
            let place = Place { block, bytes: mapped_bytes(block), data_at: at };
            at += place.bytes as u64;
            place
        })
        .collect();
    match sys::attach(plan, &name, &places) {
        Err(error) if error.kind() == ErrorKind::Mismatch && group[0].words.separate_on_mismatch => {
            sys::attach(plan, &file_name(plan, group, true), &places)
        }
        other => other,
    }
}

/// Whole pages of the running system that hold the block's variables.
fn mapped_bytes(block: &Descriptor) -> usize {
    block.used_bytes.max(1).next_multiple_of(sys::page_bytes())
}

/// `image-BUILDID-FINGERPRINT[-kept][-by-call][@SCOPE]` or `NAME[+FINGERPRINT][@SCOPE]`. Neither `@` nor `+` can stand
/// in a name.
fn file_name(plan: &Plan, group: &[&'static Descriptor], separate: bool) -> String {
    let mut name = match plan.kind {
        SegmentKind::Image => {
            let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
            let id: String = plan.build_id.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect();
            let keep = if plan.keep_until_removed { "-kept" } else { "" };
            let by_call = if group[0].words.attach_by_call { "-by-call" } else { "" };
            format!("image-{id}-{:016x}{keep}{by_call}", plan.fingerprint)
        }
        SegmentKind::Block if separate => format!("{}+{:016x}", plan.name, plan.fingerprint),
        SegmentKind::Block | SegmentKind::Objects => plan.name.clone(),
    };
    if !plan.scope.is_empty() {
        name = format!("{name}@{}", plan.scope);
    }
    name
}

fn plan(group: &Group) -> Result<Plan> {
    let first = group.blocks[0];
    let mut plan = Plan {
        kind: if first.is_named() { SegmentKind::Block } else { SegmentKind::Image },
        name: if first.is_named() { first.name.as_str().to_owned() } else { group.image.program_name() },
        scope: environment::scope()?,
        build_id: group.image.build_id.clone(),
        keep_until_removed: first.words.keep_until_removed,
        mode: first.words.mode,
        group: Some(first.group.as_str()).filter(|group| !group.is_empty()).map(str::to_owned),
        fingerprint: seed(first),
        objects: Vec::new(),
        schemas: Vec::new(),
        data_bytes: 0,
        initial: Vec::new(),
        page_bytes: sys::page_bytes(),
        room: Room::exactly(0, 0, 0),
        backing: 0,
    };
    for block in &group.blocks {
        plan.fingerprint = crate::schema::hash(plan.fingerprint, &block.fingerprint.to_le_bytes());
        for object in block.objects.iter() {
            let initial_hash = if first.is_named() { block.hash_initial(object) } else { 0 };
            plan.objects.push(ObjectEntry {
                schema_at: object.schema_at + plan.schemas.len() as u64,
                data_at: object.data_at + plan.data_bytes,
                initial_hash,
                ..*object
            });
        }
        plan.schemas.extend_from_slice(&block.schemas);
        plan.initial.push(InitialBytes { at: plan.data_bytes, address: block.initial(), bytes: block.used_bytes });
        plan.data_bytes += mapped_bytes(block) as u64;
    }
    plan.room = if first.is_named() {
        Room::to_grow(plan.objects.len(), plan.schemas.len())
    } else {
        Room::exactly(plan.objects.len(), plan.schemas.len(), plan.data_bytes)
    };
    Ok(plan)
}

/// Blocks of other words go into another segment, even if their variables are alike.
fn seed(block: &Descriptor) -> u64 {
    if block.is_named() { crate::schema::FINGERPRINT_SEED } else { block.words.hash(crate::schema::FINGERPRINT_SEED) }
}
