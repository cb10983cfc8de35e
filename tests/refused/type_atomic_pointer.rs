//~ `AtomicPtr<u8>` cannot be shared between processes: it is not `ProcessSync`
//~ means nothing in another process: share an index, or the value itself

use cotenant::shared;
use std::sync::atomic::AtomicPtr;

shared! {
    static IT: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
}

fn main() {}
