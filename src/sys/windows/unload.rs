//! What happens when the image is unloaded: its slots are given back and its mappings closed.
//!
//! A callback for thread-local storage is the one hook that a library linked into any EXE or DLL has
//! ([PE format, The .tls Section](https://learn.microsoft.com/windows/win32/debug/pe-format#the-tls-section)); the
//! standard library's thread-locals have the linker make the directory. At the end of the process the system does it.

#![allow(unsafe_code)]

use std::ffi::c_void;

/// `DLL_PROCESS_DETACH`.
const PROCESS_DETACH: u32 = 0;

type Callback = unsafe extern "system" fn(*mut c_void, u32, *mut c_void);

// SAFETY: the linker puts the pointers of these sections, sorted, into the table of callbacks that the loader calls.
#[used]
#[unsafe(link_section = ".CRT$XLC")]
static ON_UNLOAD: Callback = on_unload;

/// `reserved` is null where a library is unloaded, not null where the process ends.
unsafe extern "system" fn on_unload(_image: *mut c_void, reason: u32, reserved: *mut c_void) {
    if reason == PROCESS_DETACH && reserved.is_null() {
        super::attached::detach_all();
    }
}
