//~ required for `cotenant::__private::Pages<Cell<u64>>` to implement `Sync`

use std::cell::Cell;

use cotenant::__private::Pages;

static VALUE: Pages<Cell<u64>> = Pages::new(Cell::new(0));

fn main() {
    VALUE.get().set(1);
}
