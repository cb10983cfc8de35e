//! Locks between processes that the system or other libraries have.

#![allow(unsafe_code)]

mod guarded;
mod kernel;
mod mmap_sync;
mod pthread;
mod raw_sync;
mod through_c;

pub(crate) use mmap_sync::add_publishers;

use std::ffi::CStr;

use crate::locks::{Cases, Reach};

/// Adds what there is to the cases of the group `locks`.
pub(crate) fn add_peers(cases: &mut Cases<'_>) {
    let pthread = |what: &str| format!("pthread {what}, process-shared ({})", c_library());
    cases.lock("cotenant Mutex, in a segment, through libcotenant.so", Reach::Processes, through_c::mutex);
    cases.lock(&pthread("robust mutex"), Reach::Processes, pthread::robust_mutex);
    cases.lock(&pthread("mutex"), Reach::Processes, pthread::mutex);
    cases.lock("raw_sync 0.1 Mutex", Reach::Processes, raw_sync::mutex);
    cases.lock("POSIX semaphore", Reach::Processes, kernel::posix_semaphore);
    cases.lock("System V semaphore, SEM_UNDO", Reach::Processes, kernel::sysv_semaphore);
    cases.lock("flock", Reach::Processes, kernel::flock);
    cases.read(&pthread("rwlock"), pthread::rw_lock);
}

/// Gives back what outlives a process.
pub(crate) fn remove_peers() {
    kernel::SysvSemaphore::remove_if_made();
}

/// The C library and its version.
fn c_library() -> String {
    // SAFETY: takes nothing.
    let version = unsafe { libc::gnu_get_libc_version() };
    // SAFETY: a C text that stays.
    let version = unsafe { CStr::from_ptr(version) };
    format!("glibc {}", version.to_string_lossy())
}
