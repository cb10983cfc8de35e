//! Two programs, one named block: this one serves, `named_admin` looks at it and sends it into maintenance.
//!
//!     cargo run --example named_web                # first terminal: serves for ten seconds
//!     cargo run --example named_admin              # second terminal: how much was served
//!     cargo run --example named_admin -- on        # the server answers 503 from the next request on
//!
//! Both declare the block `acme.web` alike: variables, types and order. Either may be started first.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::{thread, time::Duration};

cotenant::shared! {
    #![shared(name = "acme.web")]
    /// Requests answered, by all servers.
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    /// While it is set, servers turn requests away.
    static MAINTENANCE: AtomicBool = AtomicBool::new(false);
}

fn main() {
    for _ in 0..50 {
        thread::sleep(Duration::from_millis(200)); // a request comes in
        if MAINTENANCE.load(Relaxed) {
            println!("503 down for maintenance");
        } else {
            println!("200 request {}", REQUESTS.fetch_add(1, Relaxed) + 1);
        }
    }
}
