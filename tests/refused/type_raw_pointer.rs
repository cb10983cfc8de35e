//~ `*const u8` cannot be shared between processes: it is not `ProcessSync`
//~ means nothing in another process: share an index, or the value itself

use cotenant::shared;

shared! {
    static IT: *const u8 = std::ptr::null();
}

fn main() {}
