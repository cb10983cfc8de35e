//! The other of two programs that share a named block: shows what `named_web` has served, and sets its maintenance.
//!
//!     cargo run --example named_admin
//!     cargo run --example named_admin -- on
//!     cargo run --example named_admin -- off
//!
//! Values live as long as a program that declares the block is attached: without a server, this one sees zeros.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

cotenant::shared! {
    #![shared(name = "acme.web")]
    /// Requests answered, by all servers.
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    /// While it is set, servers turn requests away.
    static MAINTENANCE: AtomicBool = AtomicBool::new(false);
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("on") => MAINTENANCE.store(true, Relaxed),
        Some("off") => MAINTENANCE.store(false, Relaxed),
        Some(_) => {
            eprintln!("usage: named_admin [on | off]");
            return ExitCode::from(2);
        }
    }
    println!("{} requests answered, maintenance {}", REQUESTS.load(Relaxed), MAINTENANCE.load(Relaxed));
    ExitCode::SUCCESS
}
