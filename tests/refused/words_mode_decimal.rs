//~ 660 is a decimal number: did you mean `0o660`?

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(name = "acme.web", mode = 660)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
