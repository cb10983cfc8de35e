//~ a type with a lifetime cannot be shared

use cotenant::ProcessSync;

#[derive(ProcessSync)]
struct View<'a> {
    text: &'a str,
}

fn main() {}
