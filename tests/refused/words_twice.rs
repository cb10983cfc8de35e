//~ `keep` is said twice

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(keep = until_removed, attach = by_call, keep = while_attached)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
