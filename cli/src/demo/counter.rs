//! `demo counter`: starts processes of this program that count on one variable, as the classic Windows example of a
//! shared section does, and says at the end whether they lost any update.
//!
//! ```text
//! instance 1  |x     x     x     x         start: i * interval / N
//! instance 2  |  x     x     x     x       so the values of each go up by N
//! instance 3  |    x     x     x     x
//! ```
//!
//! The starter is attached from before the first instance until after the last: values live as long as somebody is.

use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum, value_parser};

use super::instance;
use super::tally::{self, How};
use crate::{human, output};

/// Increments are counted in 32 bits: four of the longest demos at once could not overflow them.
const INSTANCES_MAX: i64 = 1000;
const TICKS_MAX: i64 = 1_000_000;
const INTERVAL_MAX: Duration = Duration::from_secs(3600);

const ABOUT: &str = "\
Starts processes that count on one shared variable.

Each process prints a line for every increment, `[PID] g_sharedCounter = V`. With one instance the values of
a process go up by 1, with two by 2, with three by 3. Run it in two terminals at once, and both count on the
same variable. It lives while one of these processes does; the next one starts from the beginning.

The last line, `increments: I, counter: C, lost: L`, is about everybody who has counted on the variable in
its life, also in another terminal. Each --how has a variable of its own.";

const EXAMPLES: &str = "\
Examples:
  cotenant demo counter                                     three processes, ten ticks each
  cotenant demo counter --instances 1 --ticks 50            run this in two terminals at once
  cotenant demo counter --how unsynchronised                updates are lost
  cotenant demo counter --instances 8 --interval 5ms --how mutex
  COTENANT_SCOPE=mine cotenant demo counter                 apart from all others

How `unsynchronised` loses updates: an instance reads the counter, waits for three quarters of the interval
(at least 1 ms), and writes what it read plus one. What others wrote in the meantime is overwritten: they
counted, and the counter does not show it. Programs that do not wait lose updates as well, only more rarely.

A process that is killed (try `kill -9 PID`) holds nobody up, even if it was killed with the lock in its hands.

Exit status: 0 done, 1 failed, 2 wrong usage, 78 nothing can be shared here.";

#[derive(Args)]
#[command(about = "Starts processes that count on one shared variable", long_about = ABOUT, after_help = EXAMPLES)]
pub(crate) struct Counter {
    /// How many processes count
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u32).range(1..=INSTANCES_MAX))]
    instances: u32,
    /// How often each of them counts
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u32).range(1..=TICKS_MAX))]
    ticks: u32,
    /// From one tick of a process to its next, such as 50ms or 1s
    #[arg(long, value_name = "DUR", default_value = "200ms", value_parser = parse_interval)]
    interval: Duration,
    /// How one is added
    #[arg(long, value_enum, default_value_t = How::Atomic)]
    how: How,
    /// Be one of the instances
    #[arg(long, hide = true)]
    as_instance: bool,
}

fn parse_interval(text: &str) -> Result<Duration> {
    let interval = human::duration(text).map_err(anyhow::Error::msg)?;
    anyhow::ensure!(interval <= INTERVAL_MAX, "{text} is not in 0s..=1h");
    Ok(interval)
}

impl Counter {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        if self.as_instance {
            return instance::run(self.ticks, self.interval, self.how);
        }
        tally::attach()?;
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let start = Instant::now();
        let mut instances = Vec::new();
        for number in 0..self.instances {
            let due = start + self.interval * number / self.instances;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            instances.push(self.start(&program, number + 1)?);
        }
        let ends: Vec<End> = instances.into_iter().map(|instance| instance.join().unwrap_or(End::Failed(1))).collect();
        let reading = self.how.read();
        let (increments, counter, lost) = (reading.increments, reading.counter, reading.lost());
        output::line(&format!("increments: {increments}, counter: {counter}, lost: {lost}"))?;
        Ok(ExitCode::from(exit_status(&ends)))
    }

    /// Starts an instance, and a thread that waits for its end and says so if it came too early.
    fn start(&self, program: &Path, number: u32) -> Result<JoinHandle<End>> {
        let how = self.how.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        let child = Command::new(program)
            .args(["demo", "counter", "--as-instance", "--how", &how])
            .arg("--ticks")
            .arg(self.ticks.to_string())
            .arg("--interval")
            .arg(humantime::format_duration(self.interval).to_string())
            // Its end tells the instance that we are gone.
            .stdin(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start instance {number} of {}, {}", self.instances, program.display()))?;
        let which = format!("instance {number} of {} (process {})", self.instances, child.id());
        Ok(thread::spawn(move || wait(child, &which)))
    }
}

/// How an instance ended.
enum End {
    /// It counted to its end, or was killed, which the others are not bothered by.
    Fine,
    /// It said why, and ended with this status.
    Failed(u8),
}

fn wait(mut child: Child, which: &str) -> End {
    // `wait` would close it, and the instance would take us for dead.
    let _held_open = child.stdin.take();
    let status = match child.wait() {
        Ok(status) => status,
        Err(error) => {
            output::complain(&format!("cannot wait for {which}: {error}"));
            return End::Failed(1);
        }
    };
    if status.success() {
        return End::Fine;
    }
    if status.code() != Some(cotenant::EXIT_STATUS) {
        output::complain(&format!("{which} ended before its time: {status}"));
    }
    failure(status)
}

fn failure(status: ExitStatus) -> End {
    match status.code() {
        None => End::Fine,
        Some(code) => End::Failed(u8::try_from(code).unwrap_or(1)),
    }
}

/// 78 only if that is the whole story.
fn exit_status(ends: &[End]) -> u8 {
    ends.iter().fold(0, |worst, end| match (worst, end) {
        (_, End::Fine) => worst,
        (0, End::Failed(status)) => *status,
        (worst, End::Failed(status)) if worst == *status => worst,
        _ => 1,
    })
}
