//~ a packed type cannot be shared

use cotenant::ProcessSync;

#[derive(ProcessSync)]
#[repr(packed(2))]
struct Entry {
    tag: u8,
    value: u32,
}

fn main() {}
