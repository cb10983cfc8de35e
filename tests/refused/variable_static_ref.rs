//~ remove `ref`

use cotenant::shared;

shared! {
    static ref COUNT: u64 = 0;
}

fn main() {}
