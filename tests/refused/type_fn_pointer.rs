//~ `fn(u32) -> u32` cannot be shared between processes: it is not `ProcessSync`
//~ means nothing in another process: share an index, or the value itself

use cotenant::shared;

shared! {
    static NEXT: fn(u32) -> u32 = |value| value + 1;
}

fn main() {}
