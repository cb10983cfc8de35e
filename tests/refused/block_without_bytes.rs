//~ the variables of this block have no bytes: there is nothing to share

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    static NONE: [AtomicU64; 0] = [];
}

fn main() {}
