//~ `NonZero<u32>` cannot be shared between processes: it is not `ProcessSync`
//~ instead of `NonZeroU32` use `u32` or `Optional<u32>`

use cotenant::shared;
use std::num::NonZeroU32;

shared! {
    static IT: NonZeroU32 = NonZeroU32::MIN;
}

fn main() {}
