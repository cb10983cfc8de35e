//~ `on_mismatch` needs a `name` beside it: a block without a name is shared by one build only

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(on_mismatch = separate)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
