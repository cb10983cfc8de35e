//~ a block knows no word `colour`.
//~ There is: `name`, `mode`, `group`, `keep`, `attach`, `on_failure`, `on_mismatch`, `when_privileged`

use cotenant::shared;
use std::sync::atomic::AtomicU64;

shared! {
    #![shared(colour = blue)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

fn main() {}
