//~ `COUNT` needs a type: `static COUNT: Type = value;`

use cotenant::shared;

shared! {
    static COUNT = 0;
}

fn main() {}
