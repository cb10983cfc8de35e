//! Workers that are killed lose no job.
//!
//! The queue delivers at least once: a job that a worker took and did not acknowledge, because it was killed or gave
//! up, comes again to another one, and says so. What a job does must therefore bear being done twice: here, it is
//! counted once because its number is.
//!
//!     cargo run --example jobs              starts three workers, `jobs work`, and kills one all the time

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use cotenant::channel::{Delivery, Queue};
use cotenant::{Result, Segment};

const NAME: &str = "example.jobs";
const JOBS: u64 = 200;

type Done = [AtomicU64; JOBS as usize];

fn main() -> Result<()> {
    let segment = Segment::options().max_bytes(4 << 20).open_or_create(NAME)?;
    let queue = Queue::options().capacity_bytes(1 << 16).delivery(Delivery::AtLeastOnce);
    let queue = queue.open_or_create_in(&segment, "jobs")?;
    let done: &Done = segment.get_or_zeroed("done")?;
    if env::args().nth(1).as_deref() == Some("work") {
        let receiver = queue.receiver()?;
        // Until there has been nothing to do for a while.
        while let Some(job) = receiver.recv_timeout(Duration::from_secs(2))? {
            let number = u64::from_le_bytes(job[..8].try_into().expect("a job is a number"));
            thread::sleep(Duration::from_millis(3)); // The work.
            done[number as usize].fetch_add(1, Relaxed);
            job.ack();
        }
        return Ok(());
    }
    let sender = queue.sender()?;
    for number in 0..JOBS {
        sender.send(number.to_le_bytes())?;
    }
    let start = || {
        let program = env::current_exe().expect("the path of this program");
        process::Command::new(program).arg("work").spawn().expect("a worker")
    };
    let mut workers = [start(), start(), start()];
    let (begin, mut kills) = (Instant::now(), 0);
    while done.iter().any(|times| times.load(Relaxed) == 0) {
        assert!(begin.elapsed() < Duration::from_secs(50), "a job was lost");
        thread::sleep(Duration::from_millis(40));
        let worker = &mut workers[kills % 3];
        worker.kill().expect("it is ours");
        worker.wait().expect("its end");
        *worker = start();
        kills += 1;
    }
    let twice = done.iter().filter(|times| times.load(Relaxed) > 1).count();
    println!("{kills} workers were killed; all {JOBS} jobs were done, {twice} of them more than once");
    for mut worker in workers {
        worker.kill().expect("it is ours");
        worker.wait().expect("its end");
    }
    Ok(())
}
