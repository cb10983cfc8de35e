//~ process_sync(crate = "path::to::cotenant")

use cotenant::ProcessSync;

#[derive(ProcessSync)]
#[process_sync(skip)]
struct Entry(u32);

fn main() {}
