//~ 'ü' is none of them

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(name = "büro")]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
