//! The supervisor of a run: starts processes, kills them one after the other, and starts others.
//!
//! ```text
//! supervisor --- keeper              attached all the time, so that the values stay; looks at them in the end
//!            '-- process at place 0, 1, 2 ...     SIGKILL, and another one takes the place
//! ```
//!
//! It is not attached itself. What it knows of the processes they have told in `words`.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::kind::Kind;
use super::options::Options;
use super::random::Random;
use super::words::Words;
use super::worker::{LONGEST_STAY, violation};
use crate::{home, sys};

/// How long a process may go without an operation, or with its end.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long all of them may take to start.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at who goes on.
const LOOK: Duration = Duration::from_millis(500);

/// What a run came to.
pub(super) struct Run {
    pub(super) words: Words,
    pub(super) kills: u64,
    /// From the kill until the next owner had the lock, of those that waited already: what, and milliseconds.
    pub(super) recovery_ms: Vec<(&'static str, f64)>,
    pub(super) recoveries: u64,
}

pub(super) struct Supervisor<'a> {
    options: &'a Options,
    kind: &'a dyn Kind,
    folder: &'a Path,
    words: Words,
    /// The file of the words.
    words_path: PathBuf,
    random: Random,
    processes: Vec<Child>,
    incarnations: u64,
    /// When whoever had this number was killed.
    killed_ns: HashMap<u64, u64>,
    /// Operations of each place, and when they were seen to change.
    progress: Vec<(u64, Instant)>,
}

pub(super) fn run(options: &Options, kind: &dyn Kind) -> anyhow::Result<Run> {
    let processes = options.processes as usize;
    ensure!(options.processes <= kind.processes_max(), "at most {} processes", kind.processes_max());
    let home = home::make()?;
    let words = Words::create(&home.path().join("words"), processes)?;
    let mut supervisor = Supervisor::new(options, kind, home.path(), words);
    let mut keeper = supervisor.start_keeper()?;
    for place in 0..processes {
        supervisor.start_at(place)?;
    }
    let done = supervisor.wait_for_all().and_then(|()| supervisor.kill_again_and_again());
    supervisor.stop();
    done?;
    let kills = supervisor.killed_ns.len() as u64;
    end_keeper(&mut keeper, &words)?;
    let notes = words.notes();
    let mut timed = HashSet::new();
    let recovery_ms = notes.iter().filter_map(|note| {
        let killed = *supervisor.killed_ns.get(&note.victim)?;
        // Of two after one, the second follows somebody who was killed before he could say so.
        let counts = note.began_ns < killed && timed.insert(note.victim);
        counts.then(|| (kind.name_of(note.what), note.noticed_ns.saturating_sub(killed) as f64 / 1e6))
    });
    Ok(Run { words, kills, recovery_ms: recovery_ms.collect(), recoveries: notes.len() as u64 })
}

impl<'a> Supervisor<'a> {
    pub(super) fn new(options: &'a Options, kind: &'a dyn Kind, folder: &'a Path, words: Words) -> Supervisor<'a> {
        let (random, killed_ns) = (Random::new(options.seed), HashMap::new());
        let progress = vec![(0, Instant::now()); words.places];
        let (processes, words_path) = (Vec::new(), folder.join("words"));
        Supervisor { options, kind, folder, words, words_path, random, processes, incarnations: 0, killed_ns, progress }
    }

    /// With the words in another file than `words`.
    pub(super) fn with_words(mut self, words_path: PathBuf) -> Supervisor<'a> {
        self.words_path = words_path;
        self
    }

    /// Kills the processes at the odd places, and forgets all about them.
    pub(super) fn kill_every_other(&mut self) -> anyhow::Result<()> {
        let mut rest = Vec::new();
        for (at, mut process) in std::mem::take(&mut self.processes).into_iter().enumerate() {
            if at % 2 == 0 {
                rest.push(process);
                continue;
            }
            process.kill().context("kill a process")?;
            process.wait().context("wait for a process that was killed")?;
        }
        self.processes = rest;
        Ok(())
    }

    /// The first process of the next place.
    pub(super) fn start_at(&mut self, place: usize) -> anyhow::Result<()> {
        let process = self.start(place)?;
        self.processes.push(process);
        Ok(())
    }

    pub(super) fn process_ids(&self) -> Vec<u32> {
        self.processes.iter().map(Child::id).collect()
    }

    fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("find this program")?);
        command.env("COTENANT_DIR", self.folder).env_remove("COTENANT_SCOPE").env_remove("COTENANT_PRIVATE");
        command.args(["play", self.kind.name()]).arg(&self.words_path);
        Ok(command)
    }

    fn start_keeper(&self) -> anyhow::Result<Child> {
        let mut keeper = self.command()?;
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = keeper.spawn().context("start the keeper")?;
        let mut ready = [0];
        keeper.stdout.as_mut().context("the keeper's output")?.read_exact(&mut ready).context("wait for the keeper")?;
        Ok(keeper)
    }

    /// Somebody new at `place`.
    fn start(&mut self, place: usize) -> anyhow::Result<Child> {
        self.incarnations += 1;
        let mut command = self.command()?;
        command.arg("--place").arg(place.to_string());
        command.arg("--incarnation").arg(self.incarnations.to_string());
        command.arg("--seed").arg(self.options.seed.to_string());
        command.arg("--resident").arg(self.options.resident.to_string());
        if self.options.no_robust_list {
            command.arg("--no-robust-list");
        }
        self.words.place(place).incarnation().store(self.incarnations, SeqCst);
        self.progress[place].1 = Instant::now();
        command.stdin(Stdio::null()).spawn().context("start a process")
    }

    fn kill_again_and_again(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        let (mut next_kill, mut next_look) = (start + self.options.kill_every, start + LOOK);
        let enough = self.options.kills.unwrap_or(u64::MAX);
        while start.elapsed() < self.options.duration && (self.killed_ns.len() as u64) < enough {
            std::thread::sleep(next_kill.min(next_look).saturating_duration_since(Instant::now()));
            if Instant::now() >= next_look {
                next_look = Instant::now() + LOOK;
                if !self.all_go_on()? {
                    return Ok(());
                }
            }
            if Instant::now() >= next_kill {
                next_kill = Instant::now() + self.random.around(self.options.kill_every);
                self.kill_one()?;
            }
        }
        Ok(())
    }

    /// Until everybody works: touching memory takes a while.
    fn wait_for_all(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        while !self.words.each_place().all(|place| place.works().load(Relaxed) == 1) {
            ensure!(start.elapsed() < START_PATIENCE, "not all processes work after {START_PATIENCE:?}");
            ensure!(self.all_go_on()?, "a process ended before it worked");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Kills one at random: every other time at any moment, else where others wait for it. Where ending takes long,
    /// always there: that is what is to be measured.
    fn kill_one(&mut self) -> anyhow::Result<()> {
        let is_at_work = |at: &usize| self.words.place(*at).works().load(Relaxed) == 1;
        let choice: Vec<usize> = (0..self.words.places).filter(is_at_work).collect();
        if choice.is_empty() {
            return Ok(()); // They are still starting.
        }
        let at = choice[self.random.below(choice.len() as u64) as usize];
        if self.options.resident > 0 || self.random.once_in(2) {
            self.wait_until_others_wait_for(at);
        }
        let (place, begun) = (self.words.place(at), self.killed_ns.len() as u64 + 1);
        self.words.doom().store(begun << 8 | (at as u64 & 0xff), SeqCst);
        self.killed_ns.insert(place.incarnation().load(Relaxed), sys::now_ns());
        self.processes[at].kill().context("kill a process")?;
        let status = self.processes[at].wait().context("wait for a process that was killed")?;
        if !sys::was_killed(status) {
            violation(&self.words, &format!("the process at place {at} had ended by itself: {status}"));
        }
        self.words.killed_at(place.does().load(Relaxed)).fetch_add(1, Relaxed);
        for word in [place.works(), place.holds(), place.waits(), place.stays()] {
            word.store(0, Relaxed);
        }
        self.words.clear_bits(at);
        self.words.settled().store(begun, SeqCst);
        self.processes[at] = self.start(at)?;
        Ok(())
    }

    /// Has the process stay inside of what it enters next, for a while in which somebody comes and waits, as a rule.
    fn wait_until_others_wait_for(&self, at: usize) {
        let (place, start) = (self.words.place(at), Instant::now());
        place.stays().store(1, Relaxed);
        while start.elapsed() < LONGEST_STAY {
            let held = place.holds().load(Relaxed);
            if held != 0 && self.words.each_place().any(|other| other.waits().load(Relaxed) == held) {
                // Until it sleeps.
                return std::thread::sleep(Duration::from_millis(2));
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Whether nobody is stuck, or ended by itself.
    fn all_go_on(&mut self) -> anyhow::Result<bool> {
        for at in 0..self.words.places {
            if let Some(status) = self.processes[at].try_wait().context("look at a process")? {
                violation(&self.words, &format!("the process at place {at} ended by itself: {status}"));
                return Ok(false);
            }
            let place = self.words.place(at);
            let operations = place.operations().load(Relaxed);
            let (before, since) = &mut self.progress[at];
            if operations != *before {
                (*before, *since) = (operations, Instant::now());
            } else if since.elapsed() > PATIENCE {
                let (does, holds) = (place.does().load(Relaxed), place.holds().load(Relaxed));
                let doing = format!("doing {does}, holding {holds}");
                violation(&self.words, &format!("the process at place {at} is stuck for {PATIENCE:?}, {doing}"));
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has everybody end.
    pub(super) fn stop(&mut self) {
        self.words.stop().store(1, SeqCst);
        let start = Instant::now();
        for (at, process) in self.processes.iter_mut().enumerate() {
            match end_of(process, start) {
                Some(status) if status.success() => {}
                Some(status) => violation(&self.words, &format!("the process at place {at} ended with {status}")),
                None => violation(&self.words, &format!("the process at place {at} does not end")),
            }
        }
    }
}

impl Drop for Supervisor<'_> {
    fn drop(&mut self) {
        // They are gone, as a rule. Otherwise the first one may hold what the others wait for.
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn end_of(process: &mut Child, start: Instant) -> Option<ExitStatus> {
    loop {
        match process.try_wait() {
            Ok(Some(status)) => return Some(status),
            _ if start.elapsed() > PATIENCE => return None,
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Has the keeper look at what is left, and end.
fn end_keeper(keeper: &mut Child, words: &Words) -> anyhow::Result<()> {
    let mut input = keeper.stdin.take().context("the keeper's input")?;
    input.write_all(b".").context("tell the keeper to look")?;
    drop(input);
    match end_of(keeper, Instant::now()) {
        Some(status) if status.success() => {}
        Some(status) => violation(words, &format!("the keeper ended with {status}")),
        None => {
            violation(words, "the keeper is stuck with what the others left");
            keeper.kill().context("kill the keeper")?;
            keeper.wait().context("wait for the keeper")?;
        }
    }
    Ok(())
}
