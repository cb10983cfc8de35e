//~ `String` cannot be shared between processes: it is not `ProcessSync`

use cotenant::ProcessSync;

#[derive(ProcessSync)]
struct Holder<T> {
    value: T,
}

const fn check<T: ProcessSync>() {}
const _: () = check::<Holder<String>>();

fn main() {}
