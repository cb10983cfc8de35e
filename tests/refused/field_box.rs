//~ `Box<u32>` cannot be shared between processes: it is not `ProcessSync`
//~ means nothing in another process: share an index, or the value itself

use cotenant::ProcessSync;

#[derive(ProcessSync)]
#[repr(C)]
struct Entry {
    key: u32,
    value: Box<u32>,
}

fn main() {}
