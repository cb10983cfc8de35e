//~ a name has 1 to 100 characters; this one has 0

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(name = "")]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
