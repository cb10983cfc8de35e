//~ this block holds no variable

use cotenant::shared;

shared! {}

fn main() {}
