//~ `#[cfg]` on one variable would give the block another layout
//~ a `shared!` of its own

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #[cfg(unix)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
