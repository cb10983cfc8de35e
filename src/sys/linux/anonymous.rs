//! Memory that only children of a fork reach: `mmap(MAP_SHARED | MAP_ANONYMOUS)`.
//!
//! ```text
//! memory   all max_bytes, there from the start (MADV_POPULATE_WRITE), gone with the last process that maps it
//! locks    a companion memfd of one page; its descriptor is inherited, and opened again through /proc/self/fd/N
//! ```
//!
//! Nobody else can come, so there is no life byte to ask and nothing to remove. A process that closed the companion's
//! descriptor (closefrom) keeps the slot that it has; without one it is told that it is no participant.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering::Release};

use super::attached::{Attached, Parts};
use super::mapping::{HUGE_PAGE_BYTES, Mapping, page_bytes};
use super::memfd;
use super::{memory_limit, process, segment_file};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::Header;
use crate::segment::request::Request;

/// Makes the segment.
pub(super) fn open(request: &Request<'_>) -> Result<Attached> {
    memfd::refuse_to_open(request, "by fork from the process that makes it")?;
    let name = memfd::display_name(request, "anonymous");
    let header = new_header(request, &name)?;
    let bytes = usize::try_from(header.max_bytes).unwrap_or(usize::MAX);
    memory_limit::check(header.max_bytes, &format!("make the segment {name}"))?;
    let made = Mapping::anonymous(bytes).and_then(|memory| {
        if request.huge_pages {
            memory.want_huge_pages();
            for at in Mapping::whole_huge_pages(0, bytes).step_by(HUGE_PAGE_BYTES) {
                memory.populate(at, page_bytes())?;
                if !memory.collapse(at) {
                    break;
                }
            }
        }
        memory.populate(0, bytes).map(|()| memory)
    });
    let memory = made.map_err(|cause| {
        Error::system(format!("make the segment {name} of {} KiB", bytes / 1024), &cause)
            .hint("its memory is taken at once: make room, raise the cgroup's memory.max, or lower `max_bytes`")
    })?;
    write_header(&memory, &header);
    let locks = memfd::new_companion(&request.plan.name)?;
    let segment = locks.same();
    Attached::new(Parts { path: name, segment, locks, header, memory, created: true })
}

/// The header of memory whose size is fixed, and which is there from the start.
pub(super) fn new_header(request: &Request<'_>, name: &str) -> Result<Header> {
    let instance = process::random().map_err(|cause| Error::system(format!("make the segment {name}"), &cause))?;
    Ok(fixed_size(request.plan.header(instance, process::pid(), segment_file::unix_ns())))
}

pub(super) fn fixed_size(mut header: Header) -> Header {
    header.file_bytes = header.max_bytes;
    header.participants_reserved = header.participants_max;
    header
}

/// Writes the header into fresh zeroed memory, the magic last: who finds that finds all of it.
pub(super) fn write_header(memory: &Mapping, header: &Header) {
    let bytes = header.to_bytes();
    for (at, word) in bytes.chunks_exact(8).enumerate().rev() {
        let word = u64::from_ne_bytes(word.try_into().unwrap_or_default());
        // SAFETY: the memory is larger than a header.
        let address = unsafe { memory.base().add(at * 8) };
        // SAFETY: aligned (a page's start plus a multiple of 8), mapped, and only ever accessed as an atomic.
        let place = unsafe { address.cast::<AtomicU64>().as_ref() };
        // Release pairs with the Acquire of who looks for the magic.
        place.store(word, Release);
    }
}

/// What a participant is told whose companion is gone.
#[cold]
pub(super) fn no_descriptor(path: &str) -> Error {
    let what = format!(
        "cannot take a slot of the segment {path}: the descriptor that leads to its locks was closed, or /proc is \
         not there to open it again"
    );
    Error::new(ErrorKind::Unsupported, what)
        .hint("lock something before closing all descriptors (closefrom), spare it, or mount /proc")
}
