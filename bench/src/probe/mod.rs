//! A program that ends at once: what its start costs is measured, with shared variables and without.
//!
//! Both have the same code. Without arguments the program counts once and ends; `time` writes how long attaching
//! took, in nanoseconds; `hold` takes part in the segment, says so, and stays until its standard input ends.

#![allow(unsafe_code)]

use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

static BEFORE: OnceLock<Instant> = OnceLock::new();
static AFTER: OnceLock<Instant> = OnceLock::new();

extern "C" fn before_attaching() {
    let _ = BEFORE.set(Instant::now());
}

extern "C" fn after_attaching() {
    let _ = AFTER.set(Instant::now());
}

// Blocks register at 00101 and attach at 00102.
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array.00100"))]
static RUN_BEFORE: extern "C" fn() = before_attaching;
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array.00103"))]
static RUN_AFTER: extern "C" fn() = after_attaching;

/// The program's `main`: with its counter, and with what makes it hold a lock once.
pub(crate) fn run(counter: &AtomicU64, take_part: fn()) -> ExitCode {
    counter.fetch_add(1, Relaxed);
    let Some(role) = std::env::args_os().nth(1) else { return ExitCode::SUCCESS };
    let done = match role.to_str() {
        Some("time") => tell_time(),
        Some("hold") => hold(take_part),
        _ => Err(std::io::ErrorKind::InvalidInput.into()),
    };
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell_time() -> std::io::Result<()> {
    let (Some(before), Some(after)) = (BEFORE.get(), AFTER.get()) else {
        return Err(std::io::ErrorKind::Unsupported.into());
    };
    println!("{}", after.duration_since(*before).as_nanos());
    Ok(())
}

fn hold(take_part: fn()) -> std::io::Result<()> {
    take_part();
    let mut out = std::io::stdout();
    out.write_all(b".")?;
    out.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
