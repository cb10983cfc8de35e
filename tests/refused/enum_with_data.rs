//~ the variant `Running` carries data
//~ killed between the tag and the data
//~ cotenant::value::Optional<T>

use cotenant::ProcessSync;

#[derive(ProcessSync)]
#[repr(u8)]
enum Job {
    Idle,
    Running(u32),
}

fn main() {}
