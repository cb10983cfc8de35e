//! Running the command where it shares with nobody else, and reading what it printed. Every wait has a watchdog.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Far longer than any of these runs takes on the slowest machine.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(240);

/// A place of its own for segments: a folder where `COTENANT_DIR` means something, a scope everywhere.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place { folder: tempfile::Builder::new().prefix("cotenant-demo-").tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant"));
        let scope: String = self.path().file_name().expect("a name").to_string_lossy().into_owned();
        command.args(arguments).env("COTENANT_DIR", self.path()).env("COTENANT_SCOPE", scope);
        command.env_remove("COTENANT_PRIVATE");
        command
    }

    /// `cotenant demo counter`, started.
    pub(crate) fn demo(&self, arguments: &[&str]) -> Running {
        let mut all = vec!["demo", "counter"];
        all.extend(arguments);
        start(&mut self.command(&all))
    }
}

/// A command that runs, its output as it comes.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    errors: Receiver<String>,
    deadline: Instant,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) lines: Vec<String>,
    pub(crate) errors: String,
}

pub(crate) fn start(command: &mut Command) -> Running {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let (stdout, mut stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let (line_sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Nobody listens once the test is over.
            let _ = line_sender.send(line);
        }
    });
    let (error_sender, errors) = channel();
    thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        let _ = error_sender.send(text);
    });
    Running { child, lines, seen: Vec::new(), errors, deadline: Instant::now() + WATCHDOG }
}

impl Running {
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Waits for the next line.
    pub(crate) fn next_line(&mut self) -> String {
        let line = self.lines.recv_timeout(self.left()).expect("a line before the end and the watchdog");
        self.seen.push(line.clone());
        line
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of it and of everybody who writes to its output.
    pub(crate) fn end(mut self) -> Ended {
        let mut lines = std::mem::take(&mut self.seen);
        loop {
            match self.lines.recv_timeout(self.left()) {
                Ok(line) => lines.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("watchdog: still running after {lines:#?}"),
            }
        }
        let errors = self.errors.recv_timeout(self.left()).expect("the end of standard error before the watchdog");
        let status = wait(&mut self.child, self.deadline);
        Ended { status, lines, errors }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a failed test. Its instances end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn wait(child: &mut Child, deadline: Instant) -> ExitStatus {
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status;
        }
        assert!(Instant::now() < deadline, "watchdog: the process does not end");
        thread::sleep(Duration::from_millis(5));
    }
}

/// `[PID] g_sharedCounter = V`
pub(crate) fn parse_tick(line: &str) -> (u32, u64) {
    let parse = || {
        let (pid, value) = line.strip_prefix('[')?.split_once("] g_sharedCounter = ")?;
        Some((pid.parse().ok()?, value.parse().ok()?))
    };
    parse().unwrap_or_else(|| panic!("not a tick: {line:?}"))
}

/// `increments: I, counter: C, lost: L`
pub(crate) fn parse_sum(line: &str) -> Sum {
    let parse = || {
        let (increments, rest) = line.strip_prefix("increments: ")?.split_once(", counter: ")?;
        let (counter, lost) = rest.split_once(", lost: ")?;
        Some(Sum { increments: increments.parse().ok()?, counter: counter.parse().ok()?, lost: lost.parse().ok()? })
    };
    parse().unwrap_or_else(|| panic!("not the closing line: {line:?}"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) increments: u64,
    pub(crate) counter: u64,
    pub(crate) lost: u64,
}

impl Ended {
    /// All ticks, after checking that it ended well.
    pub(crate) fn ticks(&self) -> Vec<(u32, u64)> {
        assert!(self.status.success() && self.errors.is_empty(), "{self:#?}");
        self.ticks_of_failed()
    }

    pub(crate) fn ticks_of_failed(&self) -> Vec<(u32, u64)> {
        let (_, ticks) = self.lines.split_last().expect("a closing line");
        ticks.iter().map(|line| parse_tick(line)).collect()
    }

    pub(crate) fn sum(&self) -> Sum {
        parse_sum(self.lines.last().expect("a closing line"))
    }
}

pub(crate) fn sorted_values(ticks: &[(u32, u64)]) -> Vec<u64> {
    let mut values: Vec<u64> = ticks.iter().map(|(_, value)| *value).collect();
    values.sort_unstable();
    values
}
