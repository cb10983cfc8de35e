//~ `Option<u32>` cannot be shared between processes: it is not `ProcessSync`
//~ `cotenant::value::Optional<T>`

use cotenant::shared;

shared! {
    static LIMIT: Option<u32> = None;
}

fn main() {}
