//~ a union cannot be shared

use cotenant::ProcessSync;

#[derive(ProcessSync)]
#[repr(C)]
union Word {
    whole: u32,
    halves: [u16; 2],
}

fn main() {}
