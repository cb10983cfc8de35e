//! The second piece of code in README.md, so that it is known to compile and to run (a test compares the two).
//!
//!     cargo run --example readme_segment

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cotenant::{Segment, sync::Mutex};

fn main() -> cotenant::Result<()> {
    let jobs = Segment::options().max_bytes(64 << 20).open_or_create("acme.jobs")?;
    let done: &AtomicU64 = jobs.get_or_init("done", || AtomicU64::new(0))?; // made once, however many race
    let last: &Mutex<[u64; 4]> = jobs.get_or_init("last", || Mutex::new([0; 4]))?;
    last.lock_or_repair(|broken| *broken = [0; 4])[0] = done.fetch_add(1, Relaxed);
    Ok(())
}
