//! Of all processes that run this program one leads and does the work; when it is killed, another goes on.
//!
//! Run it in three terminals, and kill the one that leads (Ctrl-C, or `kill -9`): the next one takes over at once.
//!
//!     cargo run --example leader                  works for eight seconds, once it leads
//!     cargo run --example leader -- 120           does 120 pieces of work, half a second each, before it lets another lead

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{env, process, thread, time::Duration};

use cotenant::sync::{Leader, TryLockError};

cotenant::shared! {
    static LEADER: Leader = Leader::new();
    /// Outlives each leader, as long as somebody runs.
    static PIECES_DONE: AtomicU64 = AtomicU64::new(0);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pieces = env::args().nth(1).map_or(Ok(16), |pieces| pieces.parse())?;
    let me = process::id();
    let leadership = match LEADER.try_lead() {
        Err(TryLockError::WouldBlock) => {
            let leader = LEADER.current().map_or("another".into(), |leader| format!("process {}", leader.pid));
            println!("process {me} waits: {leader} leads in term {}", LEADER.term());
            LEADER.lead()?
        }
        led => led?,
    };
    // A storage that remembers the highest term it has seen can refuse what a leader of the past still sends.
    println!("process {me} leads in term {}", leadership.term());
    for _ in 0..pieces {
        println!("process {me} does piece {}", PIECES_DONE.fetch_add(1, Relaxed) + 1);
        thread::sleep(Duration::from_millis(500));
    }
    leadership.step_down();
    println!("process {me} has stepped down");
    Ok(())
}
