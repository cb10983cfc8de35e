//! A program with a block of 50 pages: see `probe/mod.rs`.

#[path = "../probe/mod.rs"]
mod probe;

use std::process::ExitCode;
use std::sync::atomic::AtomicU64;

use cotenant::sync::Mutex;

cotenant::shared! {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    static LOCK: Mutex<u64> = Mutex::new(0);
    /// Makes it 50 pages.
    static REST: [AtomicU64; 49 * 512] = [const { AtomicU64::new(0) }; 49 * 512];
}

fn main() -> ExitCode {
    probe::run(&COUNTER, || *LOCK.lock_or_repair(|_| ()) += 1)
}
