//~ a shared variable cannot be `static mut`

use cotenant::shared;

shared! {
    static mut COUNT: u64 = 0;
}

fn main() {}
