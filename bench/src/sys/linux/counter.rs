//! A counter in a mapped file, as people write it by hand.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::AtomicU64;

const PAGE_BYTES: usize = 65_536;

/// Maps a new file in `folder` and gives the counter at its start. It stays mapped.
pub(crate) fn map_counter(folder: &Path) -> io::Result<&'static AtomicU64> {
    let file = File::options().read(true).write(true).create_new(true).open(folder.join("by-hand"))?;
    file.set_len(PAGE_BYTES as u64)?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: no address is given, so nothing that is mapped is touched.
    let base =
        unsafe { libc::mmap(std::ptr::null_mut(), PAGE_BYTES, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if base == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a page of zeros, which is a counter at 0; never unmapped, and the file keeps its size.
    Ok(unsafe { &*base.cast::<AtomicU64>() })
}
