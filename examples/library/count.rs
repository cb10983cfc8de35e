//! A Rust program that loads the library at run time and counts with it: `count LIBRARY [TICKS]`.

// Calling into a library is a promise about what is in it.
#![allow(unsafe_code)]

use std::error::Error;
use std::ffi::c_ulonglong;
use std::{env, process, thread, time::Duration};

use libloading::{Library, Symbol};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let path = arguments.next().ok_or("usage: count LIBRARY [TICKS]")?;
    let ticks: u32 = arguments.next().map_or(Ok(10), |ticks| ticks.parse())?;

    // SAFETY: loading it attaches its variables and does nothing else.
    let library = unsafe { Library::new(&path) }?;
    // SAFETY: visits.rs declares it so.
    let visits_add: Symbol<'_, extern "C" fn(c_ulonglong) -> c_ulonglong> = unsafe { library.get(b"visits_add\0") }?;
    for _ in 0..ticks {
        println!("[{}] Rust: visits = {}", process::id(), visits_add(1));
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
