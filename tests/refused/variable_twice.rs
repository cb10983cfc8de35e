//~ this block has two variables `COUNT`

use cotenant::shared;

shared! {
    static COUNT: u64 = 0;
    static TIME: u64 = 0;
    static COUNT: u32 = 0;
}

fn main() {}
