//! The program without a block: see `probe/mod.rs`.

#[path = "../probe/mod.rs"]
mod probe;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

static COUNTER: AtomicU64 = AtomicU64::new(0);
static LOCK: Mutex<u64> = Mutex::new(0);

fn main() -> ExitCode {
    probe::run(&COUNTER, || *LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += 1)
}
