//~ `*const u8` cannot be shared between processes: it is not `ProcessSync`

use cotenant::ProcessSync;

#[derive(ProcessSync)]
#[repr(C)]
struct Entry {
    key: u32,
    value: *const u8,
}

fn main() {}
