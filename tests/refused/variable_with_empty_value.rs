//~ `COUNT` needs an initial value

use cotenant::shared;

shared! {
    static COUNT: u64 = ;
}

fn main() {}
