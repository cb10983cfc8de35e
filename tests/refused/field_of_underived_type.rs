//~ `Inner` cannot be shared between processes: it is not `ProcessSync`
//~ #[derive(cotenant::ProcessSync)]

use cotenant::ProcessSync;

struct Inner(u32);

#[derive(ProcessSync)]
struct Outer {
    inner: Inner,
}

fn main() {}
