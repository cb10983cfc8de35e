//~ a type with a destructor cannot be shared between processes

use cotenant::{ProcessSync, shared};

#[derive(ProcessSync)]
struct Lease<T>(T);

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {}
}

shared! {
    static LEASE: Lease<u32> = Lease(0);
}

fn main() {}
