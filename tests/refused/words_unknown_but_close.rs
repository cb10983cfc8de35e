//~ Did you mean `on_failure`?

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(on_failur = private)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
