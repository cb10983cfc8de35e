//~ `String` cannot be shared between processes: it is not `ProcessSync`
//~ use `cotenant::value::Text<N>`

use cotenant::shared;

shared! {
    static TITLE: String = String::new();
}

fn main() {}
