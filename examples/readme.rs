//! The code in README.md, so that it is known to compile and to run (a test compares the two).
//!
//!     cargo run --example readme

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cotenant::sync::Mutex;
use cotenant::{ProcessSync, shared};

#[derive(ProcessSync)]
struct Limits {
    requests_per_second: u32,
    burst: u32,
}

shared! {
    /// Requests served by every process that runs this program.
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    static LIMITS: Mutex<Limits> = Mutex::new(Limits { requests_per_second: 100, burst: 20 });
}

fn main() {
    REQUESTS.fetch_add(1, Relaxed); // no set-up, no handle, no unwrap
    let mut limits = LIMITS.lock_or_repair(|broken| broken.burst = broken.requests_per_second / 5);
    limits.requests_per_second += 5;
    limits.burst = limits.requests_per_second / 5; // killed before this line: the next one repairs
    println!("request {}, {} a second allowed", REQUESTS.load(Relaxed), limits.requests_per_second);
}
