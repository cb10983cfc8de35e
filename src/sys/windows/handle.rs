//! A handle of the kernel's, closed on drop; names as the wide calls want them.

#![allow(unsafe_code)]

use windows_sys::Win32::Foundation::{CloseHandle, HANDLE, INVALID_HANDLE_VALUE};

/// An open handle.
pub(crate) struct Handle(HANDLE);

// SAFETY: the kernel's handles belong to the process, not to a thread.
unsafe impl Send for Handle {}
// SAFETY: the calls on them may be made by several threads at once.
unsafe impl Sync for Handle {}

impl Handle {
    /// `None` for what the calls return on failure.
    ///
    /// # Safety
    /// `handle` is a fresh result of a call that opens one, and nobody else closes it.
    pub(crate) unsafe fn new(handle: HANDLE) -> Option<Handle> {
        // Lazily: closing what is no handle would overwrite the error that the caller is about to ask for.
        (!handle.is_null() && handle != INVALID_HANDLE_VALUE).then(|| Handle(handle))
    }

    pub(crate) fn raw(&self) -> HANDLE {
        self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: open, and only this value closes it.
        unsafe { CloseHandle(self.0) };
    }
}

/// UTF-16 with a zero at the end.
pub(crate) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
