//~ mode 0o666 would let every user of this machine write: use `group`

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(name = "acme.web", mode = 0o666)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
