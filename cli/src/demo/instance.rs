//! One instance of `demo counter`: a process that counts in the rhythm of the interval.

use std::io::Read;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::tally::{self, How};
use crate::output::{self, Written};

/// Long enough for the scheduler to let another process come between, whatever the interval.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// Counts `ticks` times, or until nobody reads what it prints.
pub(crate) fn run(ticks: u32, interval: Duration, how: How) -> Result<ExitCode> {
    end_with_the_starter();
    tally::attach()?;
    // Longer than half the interval: then two instances are in it at once, however they are shifted.
    let pause = (interval * 3 / 4).max(PAUSE_MIN);
    let pid = std::process::id();
    let start = Instant::now();
    for tick in 0..ticks {
        // From the start, not from the last tick: the instances keep their distance for as long as they run.
        std::thread::sleep((start + interval * tick).saturating_duration_since(Instant::now()));
        let value = how.add_one(pause);
        if output::line(&format!("[{pid}] g_sharedCounter = {value}"))? == Written::NobodyReads {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The starter holds the other end of our standard input for as long as it lives, however it ends.
fn end_with_the_starter() {
    std::thread::spawn(|| {
        // Nothing is ever written to it: only its end is waited for.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(1);
    });
}
