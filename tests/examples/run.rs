//! Running programs where they share with no other test, and reading what they print. Every wait has a watchdog.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Far longer than any example takes on the slowest machine.
const WATCHDOG: Duration = Duration::from_secs(240);

/// A place of its own for segments: a folder where `COTENANT_DIR` means something, a scope everywhere.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place { folder: tempfile::Builder::new().prefix("examples-").tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn start(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Running {
        let mut command = Command::new(program.as_ref());
        let scope: String = self.path().file_name().expect("a name").to_string_lossy().into_owned();
        command.args(arguments).env("COTENANT_DIR", self.path()).env("COTENANT_SCOPE", scope);
        command.env_remove("COTENANT_PRIVATE");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.as_ref().display()));
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
        Running { child, lines, errors, deadline: Instant::now() + WATCHDOG }
    }
}

/// A program that runs. It is killed when this goes.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
    deadline: Instant,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Waits for a line with `part` in it.
    pub(crate) fn line_with(&mut self, part: &str) -> String {
        loop {
            match self.lines.recv_timeout(self.left()) {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(error) => panic!("no line with `{part}`: {error}"),
            }
        }
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>, String) {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(self.left()) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("watchdog: still running after {lines:#?}"),
            }
        }
        let errors = self.errors.recv_timeout(self.left()).expect("the end of standard error before the watchdog");
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return (status, lines, errors);
            }
            assert!(!self.left().is_zero(), "watchdog: its output has ended, the process has not");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end, which must be a good one, and gives all lines not read before.
    pub(crate) fn end_well(self) -> Vec<String> {
        let (status, lines, errors) = self.end();
        assert!(status.success() && errors.is_empty(), "{status}\n{}\n{errors}", lines.join("\n"));
        lines
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
