//! Two programs share a System V segment, found by a key that both make of a file and a number, as ftok(3) does.
//!
//! `ipcs -m` lists it while somebody is attached; the last one removes it. A segment of another program under the same
//! key is named, with who made it, and left alone. Linux.
//!
//!     cargo run --example sysv                    starts the other one, and shows what `ipcs -m` says
//!     cargo run --example sysv -- visit           the other one; alone it is the first visitor

use std::process::{self, Command};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{env, error::Error};

use cotenant::{Backing, ErrorKind, Segment, SysVKey};

fn main() -> Result<(), Box<dyn Error>> {
    let program = env::current_exe()?;
    let key = SysVKey::File { path: program.clone(), number: 1 };
    let options = Segment::options().backing(Backing::SysV(key)).max_bytes(1 << 20);
    let segment = match options.open_or_create("visitors") {
        // Windows and others.
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            println!("{error}");
            return Ok(());
        }
        opened => opened?,
    };
    let visits = segment.get_or_init("visits", || AtomicU64::new(0))?;
    println!("process {} is visitor {} of {}", process::id(), visits.fetch_add(1, Relaxed) + 1, segment.path());
    if env::args().nth(1).as_deref() == Some("visit") {
        return Ok(());
    }
    Command::new(program).arg("visit").status()?;
    println!("now there were {}", visits.load(Relaxed));
    match Command::new("ipcs").arg("-m").output() {
        Ok(listed) => print!("{}", String::from_utf8_lossy(&listed.stdout)),
        Err(error) => println!("ipcs -m: {error}"),
    }
    Ok(())
}
