//~ a mode is an integer

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(name = "acme.web", mode = "660")]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
