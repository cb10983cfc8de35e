//~ `Vec<u32>` cannot be shared between processes: it is not `ProcessSync`
//~ `cotenant::value::Array<T, N>`

use cotenant::shared;

shared! {
    static QUEUE: Vec<u32> = Vec::new();
}

fn main() {}
