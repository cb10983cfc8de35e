//~ expected `static NAME: Type = value;`

use cotenant::shared;

shared! {
    COUNT: u64 = 0;
}

fn main() {}
