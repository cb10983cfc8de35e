//~ `COUNT` needs a type

use cotenant::shared;

shared! {
    static COUNT: _ = 0;
}

fn main() {}
