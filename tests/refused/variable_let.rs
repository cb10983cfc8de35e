//~ write `static` instead of `let`

use cotenant::shared;

shared! {
    let count: u64 = 0;
}

fn main() {}
