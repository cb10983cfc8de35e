//~ `#[link_section]` cannot stand on a shared variable

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #[link_section = ".shared"]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
