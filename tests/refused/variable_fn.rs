//~ a block holds `static` variables only: move the `fn` out

use cotenant::shared;

shared! {
    fn next() -> u64 { 0 }
}

fn main() {}
