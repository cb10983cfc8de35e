//~ `std::sync::Mutex<u32>` cannot be shared between processes: it is not `ProcessSync`
//~ `cotenant::sync::Mutex`

use cotenant::shared;
use std::sync::Mutex;

shared! {
    static COUNT: Mutex<u32> = Mutex::new(0);
}

fn main() {}
