//~ `group` needs a `name` beside it

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(group = "www-data")]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
