//~ it must stand first in it

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    #![shared(keep = until_removed)]
}

fn main() {}
