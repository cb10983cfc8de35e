//! Starts supervisors, adds up what they saw, and looks at what is left.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cotenant::{PruneOptions, Segment};

use crate::support::Named;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("workers_that_attach_by_call_are_never_reset", || stress("fork", 2, 1)),
    ("programs_that_attach_at_load_are_never_reset", || stress("exec", 2, 12)),
];

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Runs `supervisors` that together start a `share`-th of all workers.
fn stress(role: &str, supervisors: u64, share: u64) {
    let sandbox = Sandbox::new();
    let workers = from_environment("COTENANT_STRESS_ATTACHES", 18_000) / share / supervisors;
    let seed = from_environment("COTENANT_STRESS_SEED", u64::from(std::process::id()));
    let start = Instant::now();
    let running: Vec<_> = (0..supervisors).map(|i| start_supervisor(&sandbox, role, workers, seed + i)).collect();
    let done = AtomicBool::new(false);
    let (ended, pruned) = std::thread::scope(|scope| {
        // Another one cleans up all the time: it must take from nobody what lives.
        let pruning = scope.spawn(|| prune_until(&done, sandbox.path()));
        // All of them, before anything is asserted: none must go on without the test.
        let ended: Vec<_> = running.into_iter().map(|it| it.wait_with_output().expect("a supervisor's end")).collect();
        done.store(true, Relaxed);
        (ended, pruning.join().expect("a clean-up"))
    });
    let mut total = [0; 4];
    for supervisor in ended {
        let answer = String::from_utf8_lossy(&supervisor.stdout);
        assert!(supervisor.status.success(), "seed {seed}: {answer}");
        for (sum, count) in total.iter_mut().zip(answer.split_whitespace()) {
            *sum += count.parse::<u64>().unwrap_or_else(|_| panic!("seed {seed}: {answer}"));
        }
    }
    let [attaches, kills, creations, repairs] = total;
    let rate = attaches as f64 / start.elapsed().as_secs_f64();
    eprintln!(
        "{role}, seed {seed}: {attaches} attaches ({rate:.0} a second), {kills} kills, {creations} segments made, \
         {repairs} locks of the dead taken over, {pruned} files of theirs removed"
    );
    assert!(attaches >= workers * supervisors / 4, "most were killed before they attached");
    assert!(creations > 10, "it was to happen often that nobody is left");
    // What remains are segments that nobody uses; a new process makes them anew, and sweeps.
    let left = sandbox.command("last").status().expect("a last worker");
    assert!(left.success());
    let files = sandbox.files();
    let count = |start: &str| files.iter().filter(|name| name.starts_with(start)).count();
    let known = [count("image-"), count("stress."), count(".locks-")];
    assert!(known.iter().sum::<usize>() == files.len() && known[2] <= 1, "left over, seed {seed}: {files:?}");
}

/// Gives how many files it removed.
fn prune_until(done: &AtomicBool, folder: &Path) -> usize {
    let options = PruneOptions::default().folder(folder);
    let mut pruned = 0;
    while !done.load(Relaxed) {
        pruned += Segment::prune(&options).expect("a clean-up").len();
        std::thread::sleep(Duration::from_micros(500));
    }
    pruned
}

fn start_supervisor(sandbox: &Sandbox, role: &str, workers: u64, seed: u64) -> std::process::Child {
    let mut command: Command = sandbox.command(role);
    // The supervisor itself must not keep the segments alive.
    command.env("COTENANT_PRIVATE", "1").env("WORKERS", workers.to_string()).env("SEED", seed.to_string());
    command.stdout(std::process::Stdio::piped()).spawn().expect("starting a supervisor")
}
