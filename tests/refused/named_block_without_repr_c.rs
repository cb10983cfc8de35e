//~ repr(C)

use cotenant::{ProcessSync, shared};

#[derive(ProcessSync)]
struct Limits {
    requests: u32,
    burst: u8,
}

shared! {
    #![shared(name = "acme.web")]
    static LIMITS: Limits = Limits { requests: 100, burst: 20 };
}

fn main() {}
