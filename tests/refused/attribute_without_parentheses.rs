//~ the words of a block stand in parentheses

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
