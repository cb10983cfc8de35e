//! A POSIX segment as people make it by hand.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr::{NonNull, null_mut};
use std::time::Instant;

const MIB: usize = 1 << 20;
const GROWTHS: usize = 8;

/// Mapped; unmapped and removed when dropped.
struct ByHand {
    file: File,
    base: NonNull<u8>,
    bytes: usize,
    /// `None`: somebody else removes it.
    name: Option<CString>,
}

impl ByHand {
    fn new(name: &CString, flags: i32, bytes: usize) -> io::Result<ByHand> {
        // SAFETY: a C text.
        let descriptor = unsafe { libc::shm_open(name.as_ptr(), flags | libc::O_RDWR | libc::O_CLOEXEC, 0o600) };
        if descriptor == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and nobody else's.
        let file = unsafe { File::from_raw_fd(descriptor) };
        let is_new = flags & libc::O_CREAT != 0;
        if is_new {
            file.set_len(bytes as u64)?;
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: no address is given, so nothing that is mapped is touched.
        let base = unsafe { libc::mmap(null_mut(), bytes, protection, libc::MAP_SHARED, descriptor, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mapped at address 0"))?;
        Ok(ByHand { file, base, bytes, name: is_new.then(|| name.clone()) })
    }

    /// Uses its first page.
    fn touch(&self) {
        // SAFETY: mapped, and as long as that.
        unsafe { self.base.write_volatile(1) };
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and not used again.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
        if let Some(name) = &self.name {
            // SAFETY: a C text. If it fails, a file is left.
            unsafe { libc::shm_unlink(name.as_ptr()) };
        }
    }
}

fn name() -> CString {
    CString::new(format!("/cotenant-bench-by-hand-{}", std::process::id())).unwrap_or_default()
}

fn us_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}

pub(crate) fn create(bytes: usize) -> io::Result<f64> {
    let name = name();
    let start = Instant::now();
    let made = ByHand::new(&name, libc::O_CREAT | libc::O_EXCL, bytes)?;
    made.touch();
    Ok(us_since(start))
}

pub(crate) fn open(bytes: usize) -> io::Result<f64> {
    let name = name();
    let _made = ByHand::new(&name, libc::O_CREAT | libc::O_EXCL, bytes)?;
    let start = Instant::now();
    let opened = ByHand::new(&name, 0, bytes)?;
    opened.touch();
    Ok(us_since(start))
}

/// Reserves and fills a MiB at a time.
pub(crate) fn grow(bytes: usize) -> io::Result<f64> {
    let made = ByHand::new(&name(), libc::O_CREAT | libc::O_EXCL, bytes)?;
    let values = vec![1_u8; MIB];
    let start = Instant::now();
    for at in (0..GROWTHS).map(|number| number * MIB) {
        // SAFETY: an open file; no pointer.
        let status = unsafe { libc::posix_fallocate(made.file.as_raw_fd(), at as i64, MIB as i64) };
        if status != 0 {
            return Err(io::Error::from_raw_os_error(status));
        }
        let there = made.base.as_ptr().wrapping_add(at);
        // SAFETY: inside the mapping, which is longer than all growths together.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), there, MIB) };
    }
    Ok(us_since(start) / GROWTHS as f64)
}
