//! What one process can see of its own segments: access lists, growth, mismatch, damage.

#![allow(unsafe_code)]
#![allow(clippy::upper_case_acronyms)] // The names of variables, in the crate that defines the macro.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACL, DACL_SECURITY_INFORMATION, GetAce, GetKernelObjectSecurity, GetSecurityDescriptorControl,
    GetSecurityDescriptorDacl, SE_DACL_PROTECTED,
};
use windows_sys::Win32::System::Threading::CreateEventW;

use super::attach::{Place, attach};
use super::handle::{Handle, wide};
use super::kernel_mutex::KernelMutex;
use super::{file_mapping, participants, process, security};
use crate::error::{Error, ErrorKind};
use crate::image::block::Descriptor;
use crate::segment::header::SegmentKind;
use crate::segment::plan::{InitialBytes, Plan, Room};

mod old {
    crate::shared! {
        #![shared(name = "unit.grown", attach = by_call)]
        static FIRST: super::AtomicU64 = super::AtomicU64::new(5);
    }
    pub(super) fn first() -> &'static super::AtomicU64 {
        &FIRST
    }
}

mod new {
    crate::shared! {
        #![shared(name = "unit.grown", attach = by_call)]
        static FIRST: super::AtomicU64 = super::AtomicU64::new(6);
        static SECOND: [super::AtomicU64; 2000] = [const { super::AtomicU64::new(9) }; 2000];
    }
    pub(super) fn values() -> (&'static super::AtomicU64, &'static [super::AtomicU64; 2000]) {
        (&FIRST, &SECOND)
    }
}

#[allow(dead_code)] // Attached, but never read.
mod other {
    crate::shared! {
        #![shared(name = "unit.grown", attach = by_call)]
        static FIRST: super::AtomicU32 = super::AtomicU32::new(5);
    }
}

fn block(module: &str) -> &'static Descriptor {
    let mut blocks = crate::image::attach::blocks();
    blocks.find(|block| block.module.as_str().ends_with(module)).expect("a block of this file")
}

/// Blocks are attached again and again here, which moves their values: one test at a time.
static ATTACHING: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ATTACHING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A plan for one block.
fn plan(block: &'static Descriptor, kind: SegmentKind) -> Plan {
    Plan {
        kind,
        name: block.name.as_str().to_owned(),
        scope: String::new(),
        build_id: Vec::new(),
        keep_until_removed: false,
        backing: 0,
        room: Room::to_grow(block.objects.len(), block.schemas.len()),
        mode: 0o600,
        group: None,
        fingerprint: block.fingerprint,
        objects: block.objects.to_vec(),
        schemas: block.schemas.to_vec(),
        data_bytes: (block.used_bytes as u64).next_multiple_of(4096),
        initial: vec![InitialBytes { at: 0, address: block.initial(), bytes: block.used_bytes }],
        page_bytes: process::page_bytes(),
    }
}

fn attach_one(module: &str, name: &str) -> Result<&'static super::Attached, Error> {
    let block = block(module);
    let name = format!("{name}-{}", process::pid());
    attach(&plan(block, SegmentKind::Block), &name, &[Place { block, bytes: block.used_bytes, data_at: 0 }])
}

#[test]
fn a_named_block_grows_at_its_end_and_another_layout_is_refused() {
    let _alone = alone();
    let first = attach_one("old", "grown").expect("a new segment");
    old::first().store(77, Relaxed);
    let second = attach_one("new", "grown").expect("the same segment, larger");
    assert!(first.created && !second.created);
    let (seen, grown) = new::values();
    assert_eq!(seen.load(Relaxed), 77, "the common part");
    assert!(grown.iter().all(|value| value.load(Relaxed) == 9));
    seen.store(78, Relaxed);
    assert_eq!(old::first().load(Relaxed), 78);
    grown[1999].store(1, Relaxed);
    let error = attach_one("other", "grown").err().expect("another layout");
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(error.to_string().contains("FIRST"), "{error}");
    assert_eq!(first.participants().len(), 2, "one process, two slots; the refused one has none");
}

#[test]
fn a_mapping_that_nobody_participates_in_is_started_over() {
    let _alone = alone();
    let attached = attach_one("old", "stale").expect("a new segment");
    let path = attached.path.clone();
    old::first().store(3, Relaxed);
    // Somebody else, such as a debugger, keeps the object.
    let keeper = file_mapping::open(&path, 4096).expect("the same mapping");
    attached.detach();
    let again = attach_one("old", "stale").expect("the same mapping, made anew");
    assert!(again.created);
    assert_eq!(again.slot(), 1);
    assert_eq!(old::first().load(Relaxed), 5);
    drop(keeper);
}

#[test]
fn a_damaged_segment_is_refused() {
    let _alone = alone();
    let attached = attach_one("old", "damaged").expect("a new segment");
    attached.live.object_count().store(600, Relaxed);
    let error = attach_one("old", "damaged").err().expect("damage is noticed");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

/// The access list of a kernel object: (protected from inheritance, the users that it admits).
fn access_list(object: &Handle) -> (bool, Vec<security::Sid>) {
    let mut descriptor = [0_u64; 64];
    let this = descriptor.as_mut_ptr().cast();
    let (mut bytes, mut present, mut defaulted) = (0, 0, 0);
    // SAFETY: an open handle, and a buffer of that size.
    let done = unsafe { GetKernelObjectSecurity(object.raw(), DACL_SECURITY_INFORMATION, this, 512, &raw mut bytes) };
    assert_ne!(done, 0, "{}", std::io::Error::last_os_error());
    let (mut control, mut revision) = (0, 0);
    // SAFETY: the call above wrote a descriptor.
    unsafe { GetSecurityDescriptorControl(this, &raw mut control, &raw mut revision) };
    let mut acl: *mut ACL = std::ptr::null_mut();
    // SAFETY: as above.
    unsafe { GetSecurityDescriptorDacl(this, &raw mut present, &raw mut acl, &raw mut defaulted) };
    assert!(present != 0 && !acl.is_null(), "no access list admits everybody");
    // SAFETY: it points into the descriptor.
    let count = unsafe { acl.read() }.AceCount;
    let sid_of = |i| {
        let mut entry = std::ptr::null_mut();
        // SAFETY: one of the list's entries.
        unsafe { GetAce(acl, i, &raw mut entry) };
        let sid = entry.cast::<u8>().wrapping_add(std::mem::offset_of!(ACCESS_ALLOWED_ACE, SidStart));
        // SAFETY: entries of this kind end with a SID.
        unsafe { security::Sid::copy_from(sid.cast()) }.expect("a SID")
    };
    (control & SE_DACL_PROTECTED != 0, (0..u32::from(count)).map(sid_of).collect())
}

#[test]
fn mappings_and_mutexes_admit_this_user_alone() {
    let user = security::this_user().expect("a user");
    assert!(user.text().starts_with("S-1-5-"), "{}", user.text());
    let name = format!(r"Local\cotenant-unit-acl-{}", process::pid());
    let mapping = file_mapping::open(&name, 4096).expect("a mapping");
    let mutex = KernelMutex::open(&format!("{name}-mutex")).expect("a mutex");
    for object in [&mapping, mutex.handle()] {
        let (_protected, users) = access_list(object);
        assert!(users == [user], "{:?}", users.iter().map(security::Sid::text).collect::<Vec<_>>());
        security::check_owner(object.raw(), &name, &user).expect("our own");
    }
}

#[test]
fn an_object_of_another_kind_or_owner_is_refused() {
    let name = format!(r"Local\cotenant-unit-taken-{}", process::pid());
    let wide_name = wide(&name);
    // SAFETY: the name ends with a zero.
    let event = unsafe { CreateEventW(std::ptr::null(), 0, 0, wide_name.as_ptr()) };
    // SAFETY: fresh, and used nowhere else.
    let _event = unsafe { Handle::new(event) }.expect("an event");
    let error = KernelMutex::open(&name).err().expect("the name is taken");
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");

    let mutex = KernelMutex::open(&format!("{name}-mutex")).expect("a mutex");
    let mut bytes = *security::this_user().expect("a user").bytes();
    bytes[24] ^= 1;
    let somebody = security::Sid::from_bytes(&bytes, 28).expect("a SID");
    let error = security::check_owner(mutex.handle().raw(), &name, &somebody).expect_err("not theirs");
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
}

#[test]
fn a_process_lives_with_its_own_time_of_creation_only() {
    let created = process::creation_time().expect("a time");
    assert!(process::is_alive(process::pid(), created));
    assert!(!process::is_alive(process::pid(), created + 1), "an earlier process with this id");
    assert!(!process::is_alive(0x00ff_fffc, created), "{}", std::io::Error::last_os_error());
    assert!(participants::OwnerHalf(7 << 20 | 3 << 1).slot() == 7);
}
