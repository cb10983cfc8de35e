//~ `attach` needs a value: `attach = by_call`

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(attach)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
