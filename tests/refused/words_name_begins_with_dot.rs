//~ a name begins with a letter or a digit, not with `.`

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(name = ".hidden")]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
