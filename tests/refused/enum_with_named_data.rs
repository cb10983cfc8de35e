//~ the variant `Running` carries data

use cotenant::ProcessSync;

#[derive(ProcessSync)]
#[repr(u8)]
enum Job {
    Running { worker: u32 },
    Idle,
}

fn main() {}
