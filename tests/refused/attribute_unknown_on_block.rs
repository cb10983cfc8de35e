//~ `#![allow]` says nothing to a block

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![allow(dead_code)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
