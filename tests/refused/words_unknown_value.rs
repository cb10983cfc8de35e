//~ `keep` cannot be `forever`.
//~ There is: `while_attached`, `until_removed`

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(keep = forever)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
