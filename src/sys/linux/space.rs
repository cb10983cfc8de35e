//! Why there is no room: which limit was met, how far it is used, and what to do about it.
//!
//! ```text
//! ENOSPC   the file system is full (size, or inodes)        statvfs
//! EDQUOT   the user's quota on it                           -
//! EFBIG    the process's limit for files                    RLIMIT_FSIZE
//! ENOMEM   the memory of the machine or the control group   memory_limit.rs
//! ```
//!
//! A control group that is full has a process ended instead of saying no, so it is asked first (memory_limit.rs).

#![allow(unsafe_code)]

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use super::folder::MAKE_ROOM;
use super::mapping::{HUGE_PAGE_BYTES, Mapping, page_bytes};
use super::{file, file_system, memory_limit, process};
use crate::error::{Error, Result};

/// What is known of a range that is to be reserved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// Nothing behind the page of its start is in use: it may be that nothing is there at all.
    New,
    /// In use: its memory is there, unless damaged bytes say so.
    InUse,
}

/// Reserves as [`file::reserve`] does, in huge pages of a mapping of the whole file where some are wanted and there are
/// any; says which limit was met if it cannot be done. `doing` reads on after "cannot".
pub(super) fn reserve(
    file: &File,
    huge_in: Option<&Mapping>,
    range: Range,
    at: u64,
    bytes: u64,
    doing: &str,
) -> Result<()> {
    if file_system::is_memory(file) {
        match missing(file, range, at, bytes) {
            0 => {}
            missing => memory_limit::check(missing, doing)?,
        }
    }
    // Memory in use has the pages that it got when it was new.
    let huge = huge_in.filter(|_| range == Range::New).map(|memory| take_huge_pages(file, memory, at, bytes));
    file::reserve(file, at, bytes).map_err(|cause| {
        if let Some(taken) = huge.filter(|taken| !taken.is_empty()) {
            // All or nothing, as without huge pages. Nobody uses what lies there yet.
            let _ = file::punch_hole(file, taken.start, taken.end - taken.start);
        }
        explain(&cause, doing, file, at.saturating_add(bytes))
    })
}

/// Has huge pages be there for as much of a new range as has room for whole ones; tells what of it may be given back:
/// all but its first page, which others may use to its middle. There may be no huge pages: then, and for the rest, the
/// small ones serve that the range is reserved with.
fn take_huge_pages(file: &File, memory: &Mapping, at: u64, bytes: u64) -> std::ops::Range<u64> {
    let (at, bytes) = (at as usize, bytes as usize);
    let wanted = Mapping::whole_huge_pages(at, bytes);
    let mut end = wanted.start;
    // A small page makes the file as long as it needs to be, and one in each huge page is what that is made of.
    let is_long_enough = wanted.is_empty() || file::reserve(file, wanted.end as u64 - 1, 1).is_ok();
    while is_long_enough && end < wanted.end && file::reserve(file, end as u64, 1).is_ok() && memory.collapse(end) {
        end += HUGE_PAGE_BYTES;
    }
    let first_page_end = (at / page_bytes() + 1) * page_bytes();
    wanted.start.max(first_page_end) as u64..wanted.end as u64
}

/// How much of the range has no memory yet: of a new one at most, of one in use at least. A file's length says nothing
/// of that (a memfd has its full length from the start), only the memory that it has.
fn missing(file: &File, range: Range, at: u64, bytes: u64) -> u64 {
    let there = file::stat(file).map_or(0, |stat| stat.allocated_bytes);
    let there = match range {
        Range::New => there.saturating_sub(at),
        Range::InUse => there,
    };
    bytes.saturating_sub(there)
}

/// The error for a reservation or a write that failed; `end` is the length that the file was to get.
pub(super) fn explain(cause: &io::Error, doing: &str, file: &File, end: u64) -> Error {
    let error = Error::system(doing, cause);
    match cause.raw_os_error() {
        Some(libc::EFBIG) => error.hint(file_size_limit(end)),
        Some(libc::EDQUOT) => error.hint(format!(
            "the quota of user {} on its file system is used up (quota -s shows it): make room or have it raised",
            process::effective_uid()
        )),
        Some(libc::ENOSPC) => error.hint(file_system(file)),
        Some(libc::ENOMEM) => match memory_limit::in_words() {
            Some(limit) => error.hint(limit),
            None => error.hint("the machine has no memory left (free -m shows it)"),
        },
        Some(libc::EROFS) => error.hint("mount it read-write, or name another folder with COTENANT_DIR"),
        _ => error,
    }
}

fn file_size_limit(end: u64) -> String {
    let limit = file::size_limit();
    let needed = end.div_ceil(1024);
    if end <= limit {
        return format!("its file would be {needed} KiB long (with holes), more than the file system allows");
    }
    format!(
        "its file would be {needed} KiB long (with holes), more than the process's limit for files of {} KiB (ulimit \
         -f, LimitFSIZE= of systemd)",
        limit / 1024
    )
}

/// [`fstatvfs(3)`](https://man7.org/linux/man-pages/man3/statvfs.3.html) in words, and the ways out.
#[doc(alias = "fstatvfs")]
fn file_system(file: &File) -> String {
    let mut stat = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the buffer is as large as the call wants.
    if unsafe { libc::fstatvfs(file.as_raw_fd(), stat.as_mut_ptr()) } != 0 {
        return MAKE_ROOM.into();
    }
    // SAFETY: the call succeeded and has filled it.
    let stat = unsafe { stat.assume_init() };
    #[allow(clippy::unnecessary_cast)] // 32 bits wide on some targets.
    let (block, free, all) = (stat.f_frsize as u64, stat.f_bavail as u64, stat.f_blocks as u64);
    let kib = |blocks: u64| blocks.saturating_mul(block) / 1024;
    let mut text = format!("its file system has {} of {} KiB free", kib(free), kib(all));
    if stat.f_files != 0 && stat.f_favail == 0 {
        // Writing into a String cannot fail.
        let _ = write!(text, ", and none of its {} inodes (mount option nr_inodes)", stat.f_files);
    }
    let _ = write!(text, ": {MAKE_ROOM}, or mount it larger (mount -o remount,size=...)");
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn memory_counts_and_not_the_length() {
        let page = page_bytes() as u64;
        let file = super::super::memfd::new(c"test").expect("a memfd");
        file.set_len(100 * page).expect("a length");
        assert_eq!(missing(&file, Range::New, 10 * page, 20 * page), 20 * page);
        file::reserve(&file, 10 * page, 20 * page).expect("memory");
        // Of what is there it is not known where it lies: as much as could lie before the range may.
        assert_eq!(missing(&file, Range::New, 10 * page, 20 * page), 10 * page);
        assert_eq!(missing(&file, Range::InUse, 10 * page, 20 * page), 0);
        assert_eq!(missing(&file, Range::InUse, 10 * page, 21 * page), page);
    }

    /// A file that cannot get longer, and a mapping of it: what goes beyond its end is refused.
    fn file_that_is_full(bytes: usize) -> (File, Mapping) {
        let file = super::super::memfd::new(c"test").expect("a memfd");
        file.set_len(bytes as u64).expect("a length");
        // SAFETY: no pointer.
        assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_GROW) }, 0);
        let memory = Mapping::shared(&file, 0, bytes, true).expect("a mapping");
        (file, memory)
    }

    #[test]
    fn what_is_given_back_does_not_take_the_end_of_another_object_with_it() {
        let (file, memory) = file_that_is_full(3 * HUGE_PAGE_BYTES);
        let (at, page) = (HUGE_PAGE_BYTES as u64, page_bytes() as u64);
        // Another process's object ends in the page that the new one begins in.
        file.write_all_at(&[7; 100], at).expect("room");
        file.write_all_at(&[7; 100], at + page).expect("room");
        let refused = reserve(&file, Some(&memory), Range::New, at, 4 * at, "grow");
        assert_eq!(refused.expect_err("too long").os_error(), Some(libc::EPERM));
        let mut found = [[0; 100]; 2];
        file.read_exact_at(&mut found[0], at).expect("its bytes");
        file.read_exact_at(&mut found[1], at + page).expect("its bytes");
        assert_eq!(found, [[7; 100], [0; 100]]);
    }

    #[test]
    fn range_without_room_for_a_huge_page_is_refused_too() {
        let page = page_bytes();
        let (file, memory) = file_that_is_full(HUGE_PAGE_BYTES + 2 * page);
        let at = (HUGE_PAGE_BYTES + page) as u64;
        let refused = reserve(&file, Some(&memory), Range::New, at, 4 * page as u64, "grow");
        assert_eq!(refused.expect_err("too long").os_error(), Some(libc::EPERM));
    }
}
