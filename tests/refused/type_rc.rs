//~ `Option<Rc<u32>>` cannot be shared between processes: it is not `ProcessSync`
//~ means nothing in another process: share an index, or the value itself

use cotenant::shared;
use std::rc::Rc;

shared! {
    static IT: Option<Rc<u32>> = None;
}

fn main() {}
