//~ a packed type cannot be shared
//~ Remove `packed`

use cotenant::ProcessSync;

#[derive(ProcessSync)]
#[repr(C, packed)]
struct Entry {
    tag: u8,
    value: u32,
}

fn main() {}
