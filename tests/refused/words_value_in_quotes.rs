//~ `keep = until_removed`

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(keep = "until_removed")]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
