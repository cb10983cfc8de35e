//~ `Option<Box<u32>>` cannot be shared between processes: it is not `ProcessSync`

use cotenant::shared;

shared! {
    static LIMIT: Option<Box<u32>> = None;
}

fn main() {}
