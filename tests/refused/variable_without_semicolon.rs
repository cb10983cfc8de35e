//~ `;` is missing after the initial value of `COUNT`

use cotenant::shared;

shared! {
    static COUNT: u64 = 0
}

fn main() {}
