//~ this block holds no variable

use cotenant::shared;

shared! {
    #![shared(keep = until_removed)]
}

fn main() {}
