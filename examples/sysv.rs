//! Two programs share a System V segment, found by a key that both make of a path and a number, as ftok(3) does: this
//! one tells the price of bread, `sysv_other` buys some. Linux.
//!
//!     cargo run --example sysv               # first terminal, for ten seconds; `ipcs -m` lists the segment
//!     cargo run --example sysv_other         # second terminal, in the same folder
//!
//! Either may be started first; the last one removes the segment. One of another program under the same key is named,
//! with who made it, and left alone. Both take another path for the key as an argument.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{env, thread, time::Duration};

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
    let cents = segment.get_or_init("cents", || AtomicU64::new(0))?;
    let sold = segment.get_or_init("sold", || AtomicU64::new(0))?;
    println!("{} is open", segment.path());
    for cent in 0..50 {
        cents.store(250 + cent, Relaxed);
        println!("{} loaves sold, the next one costs {} cents", sold.load(Relaxed), 250 + cent);
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
