//~ `String` cannot be shared between processes: it is not `ProcessSync`

use cotenant::shared;

shared! {
    static NAMES: [String; 2] = [String::new(), String::new()];
}

fn main() {}
