//~ `#![shared(..)]` stands in this block twice

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(keep = until_removed)]
    #![shared(attach = by_call)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
