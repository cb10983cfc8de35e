//~ repr(C)

use cotenant::shared;

shared! {
    #![shared(name = "acme.web")]
    static LIMITS: (u32, u8) = (100, 20);
}

fn main() {}
