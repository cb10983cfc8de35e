//! Messages from one program to another through shared memory: copied, and written and read in place.
//!
//!     cargo run --example queue              starts itself again as `queue send`

use std::{env, process};

use cotenant::channel::{Queue, Receiver};

const NAME: &str = "example.queue";
const FRAMES: usize = 5;
const FRAME_BYTES: usize = 1 << 20;

fn main() -> cotenant::Result<()> {
    let queue = Queue::options().capacity_bytes(8 << 20).open_or_create(NAME)?;
    if env::args().nth(1).as_deref() == Some("send") {
        // The only sender: its messages cost no lock.
        let mut sender = queue.sole_sender()?;
        sender.send(format!("{FRAMES} frames from process {}", process::id()))?;
        for number in 0..FRAMES {
            // A megabyte that is written where it will be read.
            let mut frame = sender.reserve(FRAME_BYTES)?;
            frame.fill(number as u8);
            frame.commit(); // From here on it is accepted: it comes, also if this process is killed now.
        }
        return Ok(());
    }
    let receiver = queue.sole_receiver()?;
    let program = env::current_exe().expect("the path of this program");
    let mut other = process::Command::new(program).arg("send").spawn().expect("starting it again");
    let told = print_all(&receiver);
    other.wait().expect("its end");
    told
}

fn print_all(receiver: &Receiver<'_>) -> cotenant::Result<()> {
    println!("{}", String::from_utf8_lossy(&receiver.recv()?));
    for _ in 0..FRAMES {
        let frame = receiver.recv()?;
        let sum: u64 = frame.iter().map(|byte| u64::from(*byte)).sum();
        println!("a frame of {} bytes whose sum is {sum}", frame.len());
    }
    Ok(())
}
