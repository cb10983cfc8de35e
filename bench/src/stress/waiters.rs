//! A crowd that waits for one owner, who is stopped: what its waiting costs, and that he is not robbed.

use std::process::ExitCode;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use anyhow::ensure;
use cotenant::sync::Mutex;
use serde::Serialize;

use super::kind::Kind;
use super::options::{Options, Role};
use super::supervisor::Supervisor;
use super::words::Words;
use super::worker::{Worker, violation};
use crate::goal::Goal;
use crate::{home, sys};

const PATIENCE: Duration = Duration::from_secs(180);
/// How much of one processor all of them together may use.
const CPU_PERCENT: f64 = 20.0;
/// The owner's place.
const OWNER: usize = 0;

cotenant::shared! {
    #![shared(name = "cotenant.bench.waiters", attach = by_call)]
    static OWNED: Mutex<u64> = Mutex::new(0);
}

pub(super) struct Waiters;

impl Kind for Waiters {
    fn name(&self) -> &'static str {
        "waiters"
    }

    fn name_of(&self, _what: u64) -> &'static str {
        "Mutex"
    }

    fn processes_max(&self) -> u32 {
        4000
    }

    fn attach(&self, role: &Role) -> anyhow::Result<()> {
        super::locks::attach(role)
    }

    fn act(&self, worker: &mut Worker) {
        let has_let_go = worker.words.own(0);
        if worker.seat != OWNER {
            match OWNED.lock() {
                Ok(_guard) if has_let_go.load(SeqCst) != 0 => {}
                Ok(_guard) => worker.violation("came in beside the owner, who lives"),
                Err(error) => worker.violation(&format!("robbed the owner, who lives, or could not wait: {error}")),
            }
            // Once is enough.
            while worker.words.stop().load(Relaxed) == 0 {
                std::thread::sleep(Duration::from_millis(10));
            }
            return;
        }
        let Ok(_guard) = OWNED.lock() else { return worker.violation("the owner cannot lock") };
        worker.place.holds().store(1, SeqCst);
        while worker.words.stop().load(Relaxed) == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        has_let_go.store(1, SeqCst);
    }

    fn look_at_the_end(&self, _words: &Words) {}
}

#[derive(Serialize)]
struct Closing {
    what: &'static str,
    processes: u32,
    seconds: f64,
    cpu_percent: f64,
    violations: u64,
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let home = home::make()?;
    // The owner, and those who wait.
    let words = Words::create(&home.path().join("words"), options.processes as usize + 1)?;
    let mut supervisor = Supervisor::new(options, &Waiters, home.path(), words);
    supervisor.start_at(OWNER)?;
    wait_until("the owner locks", || words.place(OWNER).holds().load(SeqCst) == 1)?;
    for place in 1..words.places {
        supervisor.start_at(place)?;
    }
    wait_until("all wait", || words.each_place().all(|place| place.works().load(SeqCst) == 1))?;
    // Until each has come to its longest sleep.
    std::thread::sleep(Duration::from_secs(1));
    let owner = supervisor.process_ids()[OWNER];
    sys::stop(owner, true);
    let waiters = &supervisor.process_ids()[1..];
    let cpu = || waiters.iter().filter_map(|pid| sys::cpu_seconds(*pid)).sum::<f64>();
    let (start, before) = (Instant::now(), cpu());
    std::thread::sleep(options.duration);
    let (seconds, used) = (start.elapsed().as_secs_f64(), cpu() - before);
    sys::stop(owner, false);
    supervisor.stop();
    if words.own(0).load(SeqCst) == 0 {
        violation(&words, "the owner did not go on");
    }
    let violations = words.violations().load(SeqCst);
    let cpu_percent = (used / seconds * 10_000.0).round() / 100.0;
    let closing = Closing { what: "waiters", processes: options.processes, seconds, cpu_percent, violations };
    if !options.json {
        println!("{}", Goal::at_most("violations: none", Some(violations as f64), 0.0, "of them"));
        let text = format!("processor time of all that wait: under {CPU_PERCENT} % of one");
        println!("{}", Goal::at_most(text, Some(cpu_percent), CPU_PERCENT, "%"));
    }
    println!("{}", serde_json::to_string(&closing)?);
    Ok(if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn wait_until(what: &str, holds: impl Fn() -> bool) -> anyhow::Result<()> {
    let start = Instant::now();
    while !holds() {
        ensure!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
