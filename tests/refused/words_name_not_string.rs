//~ a name is a string

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(name = acme)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
