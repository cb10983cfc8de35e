//! Many collectors, one summariser: each collector adds to a cell of its own, the summary merges them. Collectors that
//! are killed leave what they have collected, and their cells to those who come after them.
//!
//! `cargo run --example aggregate`

use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cotenant::per_process::{Merge, PerProcess};
use cotenant::{ProcessSync, shared};

/// What a collector has seen.
#[derive(ProcessSync)]
#[repr(C)]
struct Seen {
    lines: AtomicU64,
    bytes: AtomicU64,
    longest_bytes: AtomicU64,
}

#[derive(Default, Debug)]
struct Summary {
    lines: u64,
    bytes: u64,
    longest_bytes: u64,
}

impl Merge for Seen {
    type Total = Summary;

    fn merge_into(&self, total: &mut Summary) {
        total.lines += self.lines.load(Relaxed);
        total.bytes += self.bytes.load(Relaxed);
        total.longest_bytes = total.longest_bytes.max(self.longest_bytes.load(Relaxed));
    }
}

shared! {
    static SEEN: PerProcess<Seen, 4> = PerProcess::new();
}

const COLLECTORS: u64 = 8;
const LINES: u64 = 1000;

fn main() {
    if let Some(number) = std::env::args().nth(1).and_then(|number| number.parse().ok()) {
        return collect(number);
    }
    // More collectors than cells for them: whoever finds none adds to one that others use, too.
    let mut collectors: Vec<Child> = (1..=COLLECTORS).map(start).collect();
    let started = Instant::now();
    while SEEN.total().lines < COLLECTORS * LINES {
        assert!(started.elapsed() < Duration::from_secs(30), "collectors are stuck at {:?}", SEEN.total());
        std::thread::sleep(Duration::from_millis(1));
    }
    // They have acknowledged every line; now they are killed, and nothing is lost.
    for collector in &mut collectors {
        collector.kill().expect("kill a collector");
        collector.wait().expect("wait for it");
    }
    let summary = SEEN.total();
    println!("{summary:?}");
    assert_eq!(summary.lines, COLLECTORS * LINES);
    assert_eq!(summary.bytes, (1..=COLLECTORS).map(|number| number * 10 * LINES).sum::<u64>());
    assert_eq!(summary.longest_bytes, COLLECTORS * 10);
}

fn start(number: u64) -> Child {
    let this = std::env::current_exe().expect("the path of this program");
    Command::new(this).arg(number.to_string()).spawn().expect("start a collector")
}

fn collect(number: u64) {
    let cell = SEEN.claim();
    for _ in 0..LINES {
        let bytes = number * 10;
        match cell.own() {
            // Nobody else stores here, so there is nothing to lose between a load and a store.
            Some(mine) => {
                mine.bytes.store(mine.bytes.load(Relaxed) + bytes, Relaxed);
                mine.longest_bytes.store(mine.longest_bytes.load(Relaxed).max(bytes), Relaxed);
                mine.lines.store(mine.lines.load(Relaxed) + 1, Relaxed);
            }
            None => {
                cell.bytes.fetch_add(bytes, Relaxed);
                cell.longest_bytes.fetch_max(bytes, Relaxed);
                cell.lines.fetch_add(1, Relaxed);
            }
        }
    }
    std::thread::sleep(Duration::from_secs(60)); // Until it is killed.
}
