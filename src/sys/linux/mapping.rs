//! Mappings of a file's pages into this process.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

use libc::{c_int, c_void};

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

impl Mapping {
    /// Shared pages of `file`, wherever the kernel likes
    /// ([`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html)).
    #[doc(alias = "mmap")]
    pub(crate) fn shared(file: &File, at: u64, bytes: usize, writable: bool) -> io::Result<Mapping> {
        let protection = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let base = map(std::ptr::null_mut(), bytes, protection, libc::MAP_SHARED, file.as_raw_fd(), at)?;
        NonNull::new(base).map(|base| Mapping { base, bytes }).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
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

    fn advise(&self, advice: c_int) -> io::Result<()> {
        // SAFETY: our own pages; both kinds of advice used here change only what children see.
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
