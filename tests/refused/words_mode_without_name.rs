//~ `mode` needs a `name` beside it: a block without a name is private to the user

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(mode = 0o600)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
