//! A view of a reserved file mapping: pages of this process that are shared.
//!
//! Bytes are copied in and out, never referred to: other processes may write them at the same time.

#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;

use windows_sys::Win32::System::Memory::{
    FILE_MAP_READ, FILE_MAP_WRITE, MEM_COMMIT, MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFile, PAGE_READWRITE,
    UnmapViewOfFile, VirtualAlloc,
};

use super::handle::Handle;

/// Mapped pages, unmapped on drop.
pub(crate) struct View {
    base: NonNull<u8>,
    bytes: u64,
}

// SAFETY: an address range; who reads or writes it answers for how.
unsafe impl Send for View {}

impl View {
    /// The first `bytes` of the mapping; an error if it has fewer.
    #[doc(alias = "MapViewOfFile")]
    pub(crate) fn map(mapping: &Handle, bytes: u64) -> io::Result<View> {
        // SAFETY: an open handle of a mapping; the address is the system's choice.
        let view = unsafe { MapViewOfFile(mapping.raw(), FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, bytes as usize) };
        let base = NonNull::new(view.Value.cast::<u8>()).ok_or_else(io::Error::last_os_error)?;
        Ok(View { base, bytes })
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Has the system set memory aside for the first `bytes`; what is there already stays as it is. Bytes that were
    /// not committed cannot be touched.
    #[doc(alias = "VirtualAlloc")]
    pub(crate) fn commit(&self, bytes: u64) -> io::Result<()> {
        self.commit_range(0, bytes)
    }

    /// As [`View::commit`], for the `bytes` bytes at `at`.
    pub(crate) fn commit_range(&self, at: u64, bytes: u64) -> io::Result<()> {
        if at.checked_add(bytes).is_none_or(|end| end > self.bytes) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        if bytes == 0 {
            return Ok(());
        }
        let first = self.base.as_ptr().wrapping_add(at as usize);
        // SAFETY: inside a view of a reserved mapping; committing changes no byte that is in use.
        let done = unsafe { VirtualAlloc(first.cast(), bytes as usize, MEM_COMMIT, PAGE_READWRITE) };
        if done.is_null() { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The address of `len` bytes at `at`; an error unless they lie inside the view.
    fn range(&self, at: u64, len: usize) -> io::Result<*mut u8> {
        let inside = at.checked_add(len as u64).is_some_and(|end| end <= self.bytes);
        if inside { Ok(self.base.as_ptr().wrapping_add(at as usize)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Copies bytes out of committed pages.
    pub(crate) fn read(&self, to: &mut [u8], at: u64) -> io::Result<()> {
        let from = self.range(at, to.len())?;
        for (i, byte) in to.iter_mut().enumerate() {
            // SAFETY: inside the view and committed. Volatile: somebody may write it at the same time.
            *byte = unsafe { from.wrapping_add(i).read_volatile() };
        }
        Ok(())
    }

    /// Copies bytes into committed pages.
    pub(crate) fn write(&self, from: &[u8], at: u64) -> io::Result<()> {
        // SAFETY: a slice's own bytes.
        unsafe { self.write_from(from.as_ptr(), from.len(), at) }
    }

    /// Copies `len` bytes from `from` into committed pages.
    ///
    /// # Safety
    /// `from` points to that many bytes that nobody changes meanwhile.
    pub(crate) unsafe fn write_from(&self, from: *const u8, len: usize, at: u64) -> io::Result<()> {
        let to = self.range(at, len)?;
        for i in 0..len {
            // SAFETY: the caller's promise. Volatile, because padding is not read as the value that it is no part of.
            let byte = unsafe { from.wrapping_add(i).read_volatile() };
            // SAFETY: inside the view and committed.
            unsafe { to.wrapping_add(i).write_volatile(byte) };
        }
        Ok(())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: a view of ours; who drops it uses no address in it any more.
        unsafe { UnmapViewOfFile(MEMORY_MAPPED_VIEW_ADDRESS { Value: self.base.as_ptr().cast() }) };
    }
}
