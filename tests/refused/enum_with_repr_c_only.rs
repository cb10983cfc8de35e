//~ add `#[repr(u8)]`

use cotenant::ProcessSync;

#[derive(ProcessSync)]
#[repr(C)]
enum Mode {
    Normal,
    Maintenance,
}

fn main() {}
