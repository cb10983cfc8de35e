//~ a `const` has no place in memory to share: write `static`

use cotenant::shared;

shared! {
    const COUNT: u64 = 0;
}

fn main() {}
