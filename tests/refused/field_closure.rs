//~ `Box<dyn Fn() + Sync>` cannot be shared between processes: it is not `ProcessSync`
//~ means nothing in another process: share an index, or the value itself

use cotenant::ProcessSync;

#[derive(ProcessSync)]
struct Entry {
    on_change: Box<dyn Fn() + Sync>,
}

fn main() {}
