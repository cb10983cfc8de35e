//~ names that begin with `image-` belong to blocks without a name

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(name = "image-7f")]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
