//! The other program of the System V segment of `sysv`: it buys a loaf of bread, and shows what `ipcs -m` lists. Linux.
//!
//!     cargo run --example sysv_other         # in the folder where `sysv` was started
//!
//! Alone it makes the segment, finds no price, and removes the segment again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{env, process::Command};

use cotenant::{Backing, ErrorKind, Segment, SysVKey};

fn main() -> cotenant::Result<()> {
    let path = env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let key = SysVKey::File { path: path.into(), number: b'B' };
    let options = Segment::options().backing(Backing::SysV(key)).max_bytes(1 << 20);
    let segment = match options.open_or_create("bakery") {
        // Windows and others.
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            println!("{error}");
            return Ok(());
        }
        opened => opened?,
    };
    match segment.get_or_init("cents", || AtomicU64::new(0))?.load(Relaxed) {
        0 => println!("nobody sells bread at {}", segment.path()),
        cents => {
            let sold = segment.get_or_init("sold", || AtomicU64::new(0))?;
            println!("bought loaf {} for {cents} cents at {}", sold.fetch_add(1, Relaxed) + 1, segment.path());
        }
    }
    match Command::new("ipcs").arg("-m").output() {
        Ok(listed) => print!("{}", String::from_utf8_lossy(&listed.stdout)),
        Err(error) => println!("ipcs -m: {error}"),
    }
    Ok(())
}
