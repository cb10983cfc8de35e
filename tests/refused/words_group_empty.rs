//~ a group is the name of one, as a string

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(name = "acme.web", group = "")]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
