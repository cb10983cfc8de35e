//~ `std::time::Duration` cannot be shared between processes: it is not `ProcessSync`
//~ instead of `std::time::Duration` use `cotenant::value::Duration`

use cotenant::shared;
use std::time::Duration;

shared! {
    static IT: Duration = Duration::from_secs(1);
}

fn main() {}
