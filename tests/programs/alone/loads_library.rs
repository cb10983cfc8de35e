//! A program with a block of its own that loads a library with its own.

use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::atomic::AtomicU64;

#[path = "../console.rs"]
mod console;
#[path = "../tenancy.rs"]
mod tenancy;

cotenant::shared! {
    static COUNT: AtomicU64 = AtomicU64::new(1000);
}

cotenant::shared! {
    #![shared(name = "test.common")]
    static COMMON: AtomicU64 = AtomicU64::new(500);
}

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

fn main() {
    let path = CString::new(std::env::args().nth(1).expect("the library's path")).expect("a path");
    // SAFETY: a C string; the library's start-up code is ours.
    let library = unsafe { dlopen(path.as_ptr(), 2) };
    assert!(!library.is_null(), "cannot load the library");
    console::serve(&[("COUNT", &COUNT), ("COMMON", &COMMON)], |line| {
        let Some(name) = line.strip_prefix("call ") else { return tenancy::answer(line) };
        let name = CString::new(name).expect("a name");
        // SAFETY: a handle and a C string.
        let function = unsafe { dlsym(library, name.as_ptr()) };
        if function.is_null() {
            return None;
        }
        // SAFETY: all functions of the library have this type.
        let function = unsafe { std::mem::transmute::<*mut c_void, extern "C" fn() -> i64>(function) };
        Some(function().to_string())
    });
}
