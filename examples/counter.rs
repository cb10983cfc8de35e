//! The classic: every process that runs this program counts on one variable.
//!
//! Run it in two or three terminals at once: with two the values of each go up by 2, with three by 3.
//!
//!     cargo run --example counter

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{process, thread, time::Duration};

cotenant::shared! {
    /// Lives as long as one of the processes does; the next one starts from 0.
    static G_SHARED_COUNTER: AtomicU64 = AtomicU64::new(0);
}

fn main() {
    for _ in 0..15 {
        let value = G_SHARED_COUNTER.fetch_add(1, Relaxed) + 1;
        println!("[{}] g_sharedCounter = {value}", process::id());
        thread::sleep(Duration::from_millis(200));
    }
}
