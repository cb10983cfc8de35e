//! A counter for the group that is called `cotenant-test`.

use std::sync::atomic::AtomicU64;

#[path = "../console.rs"]
mod console;
#[path = "../tenancy.rs"]
mod tenancy;

cotenant::shared! {
    #![shared(name = "test.grouped", mode = 0o660, group = "cotenant-test")]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {
    console::serve(&[("COUNT", &COUNT)], tenancy::answer);
}
