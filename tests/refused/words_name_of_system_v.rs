//~ names that begin with `sysv-` belong to System V segments, which are found by their key

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(name = "sysv-00001234")]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
