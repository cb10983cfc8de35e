//~ Did you mean `until_removed`?

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(keep = untill_removed)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
