//~ `Option<Box<u32>>` cannot be shared between processes: it is not `ProcessSync`
//~ means nothing in another process: share an index, or the value itself

use cotenant::shared;

shared! {
    static LIMIT: Option<Box<u32>> = None;
}

fn main() {}
