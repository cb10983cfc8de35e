//~ a type with a destructor cannot be shared between processes

use cotenant::ProcessSync;

#[derive(ProcessSync)]
struct Lease(u32);

impl Drop for Lease {
    fn drop(&mut self) {}
}

fn main() {}
