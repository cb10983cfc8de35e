//! A segment grows while processes use it, without being mapped anew: references stay where they are. At its maximum,
//! which is address space and not memory, there is an error with the way out.
//!
//!     cargo run --example growing                 starts the process that makes it grow, `growing fill`

use std::process::{self, Command};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{env, error::Error};

use cotenant::{ErrorKind, Segment};

const BLOCK_WORDS: usize = 64 << 10; // 512 KiB

fn main() -> Result<(), Box<dyn Error>> {
    let segment = Segment::options().max_bytes(4 << 20).open_or_create("growing")?;
    let first: &AtomicU64 = segment.get_or_init("first", || AtomicU64::new(0))?;
    if env::args().nth(1).as_deref() == Some("fill") {
        return fill(&segment, first);
    }
    println!("process {}: {} of {} bytes used", process::id(), segment.used_bytes(), segment.max_bytes());
    Command::new(env::current_exe()?).arg("fill").status()?;
    // What the other process reserved is here, too, behind the same addresses as before.
    let blocks = first.load(Relaxed);
    println!("process {}: {} of {} bytes used", process::id(), segment.used_bytes(), segment.max_bytes());
    let mut sum = 0;
    for number in 1..=blocks {
        let block = segment.get::<[AtomicU64; BLOCK_WORDS]>(&format!("block {number}"))?.ok_or("a block is missing")?;
        sum += block.iter().map(|word| word.load(Relaxed)).sum::<u64>();
    }
    println!("process {}: the sum of {blocks} blocks is {sum}", process::id());
    Ok(())
}

fn fill(segment: &Segment, blocks: &AtomicU64) -> Result<(), Box<dyn Error>> {
    loop {
        let name = format!("block {}", blocks.load(Relaxed) + 1);
        match segment.get_or_init(&name, || [const { AtomicU64::new(1) }; BLOCK_WORDS]) {
            Ok(_) => println!("process {}: {name}, {} bytes used", process::id(), segment.used_bytes()),
            Err(error) if error.kind() == ErrorKind::NoSpace => {
                println!("process {}: {error}", process::id());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        blocks.fetch_add(1, Relaxed);
    }
}
