//~ mode 0o770 has bits other than read and write

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(name = "acme.web", mode = 0o770)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
