//~ `&'static str` cannot be shared between processes: it is not `ProcessSync`
//~ use `cotenant::value::Text<N>`

use cotenant::shared;

shared! {
    static TITLE: &'static str = "title";
}

fn main() {}
