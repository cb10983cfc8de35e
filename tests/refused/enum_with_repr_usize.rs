//~ same size everywhere

use cotenant::ProcessSync;

#[derive(ProcessSync)]
#[repr(usize)]
enum Mode {
    Normal,
    Maintenance,
}

fn main() {}
