//~ expected the variable's name

use cotenant::shared;

shared! {
    static _: u64 = 0;
}

fn main() {}
