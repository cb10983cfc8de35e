//~ mode 0o600 lets nobody of the group in

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(name = "acme.web", mode = 0o600, group = "www-data")]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
