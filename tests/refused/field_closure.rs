//~ `Box<dyn Fn() + Sync>` cannot be shared between processes: it is not `ProcessSync`

use cotenant::ProcessSync;

#[derive(ProcessSync)]
struct Entry {
    on_change: Box<dyn Fn() + Sync>,
}

fn main() {}
