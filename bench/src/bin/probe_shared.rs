//! A program with a block of one page: see `probe/mod.rs`.

#[path = "../probe/mod.rs"]
mod probe;

use std::process::ExitCode;
use std::sync::atomic::AtomicU64;

use cotenant::sync::Mutex;

cotenant::shared! {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    static LOCK: Mutex<u64> = Mutex::new(0);
}

fn main() -> ExitCode {
    probe::run(&COUNTER, || *LOCK.lock_or_repair(|_| ()) += 1)
}
