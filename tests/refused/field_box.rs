//~ `Box<u32>` cannot be shared between processes: it is not `ProcessSync`

use cotenant::ProcessSync;

#[derive(ProcessSync)]
#[repr(C)]
struct Entry {
    key: u32,
    value: Box<u32>,
}

fn main() {}
