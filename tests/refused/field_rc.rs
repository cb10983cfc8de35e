//~ `Rc<u32>` cannot be shared between processes: it is not `ProcessSync`
//~ means nothing in another process: share an index, or the value itself

use cotenant::ProcessSync;
use std::rc::Rc;

#[derive(ProcessSync)]
struct Entry(u32, Rc<u32>);

fn main() {}
