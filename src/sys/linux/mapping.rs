//! Mappings of a file's pages into this process.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

use libc::{c_int, c_void};

/// What a huge page holds: on x86-64, and on AArch64 with pages of 4 KiB. Where they are larger there are none for us.
pub(crate) const HUGE_PAGE_BYTES: usize = 2 << 20;
/// `madvise(2)`, since Linux 6.1; not in the C library's headers everywhere.
const MADV_COLLAPSE: c_int = 25;

/// Pages of this process, unmapped on drop.
pub(crate) struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: an address range; who reads or writes it answers for how.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

/// The page size of the running kernel, in bytes.
pub(crate) fn page_bytes() -> usize {
    // From the auxiliary vector, which is at hand: sysconf(3) touches two more pages of the C library.
    // SAFETY: no pointer.
    match unsafe { libc::getauxval(libc::AT_PAGESZ) } {
        0 => 4096,
        bytes => bytes as usize,
    }
}

fn map(address: *mut c_void, bytes: usize, protection: c_int, flags: c_int, fd: c_int, at: u64) -> io::Result<*mut u8> {
    // SAFETY: callers pass either no address, or (in `over` and `let_go_of_file`) one whose pages they own.
    let base = unsafe { libc::mmap(address, bytes, protection, flags, fd, at as i64) };
    if base == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(base.cast()) }
}

/// Shared pages; where they may be huge, from an address on that a huge page can begin at.
fn shared(bytes: usize, protection: c_int, flags: c_int, fd: c_int, at: u64) -> io::Result<Mapping> {
    let flags = flags | libc::MAP_SHARED;
    let may_be_huge = bytes >= HUGE_PAGE_BYTES && at % HUGE_PAGE_BYTES as u64 == 0;
    if let Some(room) = may_be_huge.then(|| Mapping::room_for_huge_pages(bytes)).flatten() {
        map(room.base.as_ptr().cast(), bytes, protection, flags | libc::MAP_FIXED, fd, at)?;
        return Ok(room);
    }
    let base = map(std::ptr::null_mut(), bytes, protection, flags, fd, at)?;
    NonNull::new(base).map(|base| Mapping { base, bytes }).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

impl Mapping {
    /// Shared pages of `file`, wherever the kernel likes
    /// ([`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html)).
    #[doc(alias = "mmap")]
    pub(crate) fn shared(file: &File, at: u64, bytes: usize, writable: bool) -> io::Result<Mapping> {
        let protection = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        shared(bytes, protection, 0, file.as_raw_fd(), at)
    }

    /// Pages shared with children of a fork ([`MAP_ANONYMOUS`](https://man7.org/linux/man-pages/man2/mmap.2.html)).
    #[doc(alias = "MAP_ANONYMOUS")]
    pub(crate) fn anonymous(bytes: usize) -> io::Result<Mapping> {
        shared(bytes, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_ANONYMOUS, -1, 0)
    }

    /// Addresses without memory that begin where a huge page can; `None`: there are none left, or may be none.
    fn room_for_huge_pages(bytes: usize) -> Option<Mapping> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let whole_bytes = bytes.checked_add(HUGE_PAGE_BYTES)?;
        let whole = map(std::ptr::null_mut(), whole_bytes, libc::PROT_NONE, flags, -1, 0).ok()?;
        let before = whole.align_offset(HUGE_PAGE_BYTES);
        let base = NonNull::new(whole.wrapping_add(before))?;
        let end = before + bytes.next_multiple_of(page_bytes());
        for (at, length) in [(0, before), (end, whole_bytes.saturating_sub(end))] {
            if length > 0 {
                // SAFETY: pages that were just mapped, beside those that are wanted; nobody knows of them.
                unsafe { libc::munmap(whole.wrapping_add(at).cast(), length) };
            }
        }
        Some(Mapping { base, bytes })
    }

    /// Private zeroed pages that the kernel zeroes again in every child of a fork, however it is made
    /// ([`MADV_WIPEONFORK`](https://man7.org/linux/man-pages/man2/madvise.2.html)).
    #[doc(alias = "MADV_WIPEONFORK")]
    pub(crate) fn wiped_on_fork(bytes: usize) -> io::Result<Mapping> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
        let base = map(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)?;
        let mapping = NonNull::new(base).map(|base| Mapping { base, bytes }).ok_or(io::ErrorKind::OutOfMemory)?;
        mapping.advise(libc::MADV_WIPEONFORK)?;
        Ok(mapping)
    }

    /// Keeps these pages out of the children of a fork
    /// ([`MADV_DONTFORK`](https://man7.org/linux/man-pages/man2/madvise.2.html)).
    #[doc(alias = "MADV_DONTFORK")]
    pub(crate) fn keep_from_children(&self) -> io::Result<()> {
        self.advise(libc::MADV_DONTFORK)
    }

    /// Asks for huge pages ([`MADV_HUGEPAGE`](https://man7.org/linux/man-pages/man2/madvise.2.html)). A wish: a kernel
    /// without them says no.
    #[doc(alias = "MADV_HUGEPAGE")]
    pub(crate) fn want_huge_pages(&self) {
        let _ = self.advise(libc::MADV_HUGEPAGE);
    }

    /// The range, from multiples of a huge page to multiples of one, within `bytes` bytes at `at`.
    pub(crate) fn whole_huge_pages(at: usize, bytes: usize) -> Range<usize> {
        let start = at.next_multiple_of(HUGE_PAGE_BYTES);
        start..(at + bytes) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES
    }

    /// Puts a huge page in the place of small ones
    /// ([`MADV_COLLAPSE`](https://man7.org/linux/man-pages/man2/madvise.2.html)), also where the system's settings
    /// give none by themselves. At least one of the small ones must be there; those that are not are then there, too.
    /// `false`: there is none, or the kernel is older than 6.1. What the memory holds stays.
    #[doc(alias = "MADV_COLLAPSE")]
    pub(crate) fn collapse(&self, at: usize) -> bool {
        if at.saturating_add(HUGE_PAGE_BYTES) > self.bytes {
            return false;
        }
        let start = self.base.as_ptr().wrapping_add(at);
        // SAFETY: a range of our own pages; the call changes no byte of them.
        unsafe { libc::madvise(start.cast(), HUGE_PAGE_BYTES, MADV_COLLAPSE) == 0 }
    }

    /// Has the pages of a range be there before they are used
    /// ([`MADV_POPULATE_WRITE`](https://man7.org/linux/man-pages/man2/madvise.2.html)). The file's memory behind them
    /// is reserved. Kernels before 5.14 do not have the call: then every page is written to, with what it holds.
    #[doc(alias = "MADV_POPULATE_WRITE")]
    pub(crate) fn populate(&self, at: usize, bytes: usize) -> io::Result<()> {
        let bytes = bytes.min(self.bytes.saturating_sub(at));
        let start = self.base.as_ptr().wrapping_add(at);
        loop {
            // SAFETY: a range of our own writable pages; the call changes no byte of them.
            let done = unsafe { libc::madvise(start.cast(), bytes, libc::MADV_POPULATE_WRITE) };
            match io::Error::last_os_error() {
                _ if done == 0 => return Ok(()),
                cause if cause.kind() == io::ErrorKind::Interrupted => {}
                cause if cause.raw_os_error() == Some(libc::EINVAL) => break,
                cause => return Err(cause),
            }
        }
        for page in (0..bytes).step_by(page_bytes()) {
            // SAFETY: inside the range, which is mapped for writing and has memory; others change it by atomics, too.
            let byte = unsafe { AtomicU8::from_ptr(start.wrapping_add(page)) };
            byte.fetch_or(0, Relaxed);
        }
        Ok(())
    }

    /// Writes the first `bytes` bytes to the file's disk, and waits for it.
    pub(crate) fn write_out(&self, bytes: usize) -> io::Result<()> {
        // SAFETY: the start of our own pages; the call changes no byte of them.
        let result = unsafe { libc::msync(self.base.as_ptr().cast(), bytes, libc::MS_SYNC) };
        if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn advise(&self, advice: c_int) -> io::Result<()> {
        // SAFETY: our own pages; the kinds of advice used here change what children see, or the size of pages.
        let result = unsafe { libc::madvise(self.base.as_ptr().cast(), self.bytes, advice) };
        if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Puts private zeroed pages in the place of the mapped ones, so that the file's locks fall that the mapping kept,
    /// and whoever comes late with an address into it finds memory there.
    pub(crate) fn let_go_of_file(&self) -> io::Result<()> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        map(self.base.as_ptr().cast(), self.bytes, protection, flags, -1, 0).map(drop)
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes over pages that another call mapped (a System V segment: unmapping detaches it).
    ///
    /// # Safety
    /// The range is mapped, and nobody else unmaps it.
    #[allow(dead_code)]
    pub(crate) unsafe fn adopt(base: NonNull<u8>, bytes: usize) -> Mapping {
        Mapping { base, bytes }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by this value, and who holds an address into it promised not to outlive it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// Maps shared pages of `file` over pages that this image already has (`MAP_FIXED`): from here on the variables at
/// those addresses are the file's bytes.
///
/// # Safety
/// `address` and `bytes` are whole pages of this image's writable data that hold nothing but the block that is to be
/// shared, and the file's bytes are values of the same types.
#[doc(alias = "MAP_FIXED")]
pub(crate) unsafe fn over(address: *mut u8, bytes: usize, file: &File, at: u64) -> io::Result<()> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    map(address.cast(), bytes, protection, libc::MAP_SHARED | libc::MAP_FIXED, file.as_raw_fd(), at).map(drop)
}
