//~ a variable must follow

use cotenant::shared;

shared! {
    /// Requests.
}

fn main() {}
