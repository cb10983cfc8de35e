//~ the enum `Mode` does not say which integer
//~ add `#[repr(u8)]`

use cotenant::ProcessSync;

#[derive(ProcessSync)]
enum Mode {
    Normal,
    Maintenance,
}

fn main() {}
