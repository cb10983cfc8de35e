//! Memory that processes share, made by hand.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// `bytes` of zeros that this process and its children share; mapped for ever.
pub(crate) fn map_anonymous(bytes: usize) -> io::Result<NonNull<u8>> {
    map(bytes, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1)
}

/// Words of zeros that this process and its children share; mapped for ever.
pub(crate) fn shared_words(words: usize) -> io::Result<&'static [AtomicU64]> {
    let base = map_anonymous(words * 8)?;
    // SAFETY: mapped to its end, aligned to a page, never unmapped.
    Ok(unsafe { std::slice::from_raw_parts(base.cast::<AtomicU64>().as_ptr(), words) })
}

/// The words of a file that is there for as long; mapped for ever. The file has (or gets) room for them.
pub(crate) fn map_words(file: &File, words: usize) -> io::Result<&'static [AtomicU64]> {
    let bytes = words * 8;
    if file.metadata()?.len() < bytes as u64 {
        file.set_len(bytes as u64)?;
    }
    let base = map(bytes, libc::MAP_SHARED, file.as_raw_fd())?;
    // SAFETY: mapped to its end, aligned to a page, never unmapped; nobody makes the file shorter.
    Ok(unsafe { std::slice::from_raw_parts(base.cast::<AtomicU64>().as_ptr(), words) })
}

fn map(bytes: usize, flags: i32, descriptor: i32) -> io::Result<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: no address is given, so nothing that is mapped is touched.
    let base = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, descriptor, 0) };
    if base == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mapped at address 0"))
}
