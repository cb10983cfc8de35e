//! Only ever reads its shared variables: an optimiser that saw plain statics would put the initial values in their
//! place.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[path = "../../console.rs"]
mod console;

cotenant::shared! {
    static LIMIT: AtomicU64 = AtomicU64::new(0x5eed);
}

cotenant::shared! {
    #![shared(name = "test.block")]
    static FIRST: AtomicU64 = AtomicU64::new(1);
    static SECOND: AtomicU64 = AtomicU64::new(2);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn read_limit() -> u64 {
    LIMIT.load(Relaxed)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn read_second() -> u64 {
    SECOND.load(Relaxed)
}

fn main() {
    let read_first = || FIRST.load(Relaxed);
    console::serve(&[], |line| match line {
        "limit" => Some(read_limit().to_string()),
        "first" => Some(read_first().to_string()),
        "second" => Some(read_second().to_string()),
        _ => None,
    });
}
