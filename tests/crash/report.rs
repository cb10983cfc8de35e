//! Starts an arena for an operation, reads its lines, and makes the row of the table.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::operation::Operation;
use crate::places::with_symbol;
use crate::support::PATIENCE;
use crate::support::sandbox::Sandbox;

/// How one operation went.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) instructions: usize,
    pub(crate) calls: usize,
    pub(crate) points: usize,
    pub(crate) failures: Vec<String>,
}

pub(crate) const TABLE_HEAD: &str = "\
| operation | instructions | system calls among them | crash points tried | failures |
|---|---|---|---|---|";

impl Row {
    pub(crate) fn line(&self) -> String {
        let Row { name, instructions, calls, points, failures } = self;
        format!("| {name} | {instructions} | {calls} | {points} | {} |", failures.len())
    }
}

/// What to try of an operation, as the arena is told by its environment.
pub(crate) const CHOICE: &str = "COTENANT_CRASH_CHOICE";
pub(crate) const OPERATION: &str = "COTENANT_CRASH_OPERATION";

/// Tries `operation`: `choice` is `every N`, `every-of-long N` or `step K`.
pub(crate) fn try_operation(operation: &Operation, choice: &str) -> Row {
    let sandbox = Sandbox::new();
    let mut row = Row { name: operation.name, instructions: 0, calls: 0, points: 0, failures: Vec::new() };
    let mut command = sandbox.command("arena");
    command.env(OPERATION, operation.name).env(CHOICE, choice);
    let mut arena = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("starting an arena");
    follow(&mut arena, &mut row);
    let is_told = !row.failures.is_empty();
    let status = arena.wait().expect("waiting for an arena");
    if !status.success() && !is_told {
        row.failures.push(format!("{}: the survivor ended: {status}", operation.name));
    }
    come_last(&sandbox, &mut row);
    row
}

/// Nothing may be left when everybody has gone and one has come and gone.
fn come_last(sandbox: &Sandbox, row: &mut Row) {
    let last: &mut Command = &mut sandbox.command("last");
    let ended = crate::support::peer::run(last);
    if !ended.status.success() {
        row.failures.push(format!("{}: when all were gone: {}{}", row.name, ended.stdout, ended.stderr));
    }
}

fn follow(arena: &mut Child, row: &mut Row) {
    let lines = lines_of(arena);
    let mut at = String::from("before the first death");
    loop {
        let line = match lines.recv_timeout(PATIENCE + Duration::from_secs(30)) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let _ = arena.kill();
                row.failures.push(format!("{}: hangs after the death {}", row.name, readable(row.name, &at)));
                return;
            }
        };
        if let Some(place) = line.strip_prefix("at ") {
            at = place.to_owned();
        } else if let Some(failure) = line.strip_prefix("failure ") {
            row.failures.push(readable(row.name, failure));
            eprintln!("FAILED: {}", row.failures[row.failures.len() - 1]);
        } else if let Some(numbers) = line.strip_prefix("row ") {
            let mut numbers = numbers.split(' ').map_while(|number| number.parse().ok());
            let mut next = || numbers.next().unwrap_or_default();
            (row.instructions, row.calls, row.points) = (next(), next(), next());
        } else {
            eprintln!("{line}");
        }
    }
}

/// `K PLACE WHY` for people, with the way to see it again.
fn readable(operation: &str, failure: &str) -> String {
    let mut words = failure.splitn(3, ' ');
    let step = words.next().unwrap_or_default();
    let place = with_symbol(words.next().unwrap_or_default());
    let why = words.next().unwrap_or_default();
    format!("--operation \"{operation}\" --step {step}: at {place}: {why}")
}

fn lines_of(arena: &mut Child) -> Receiver<String> {
    let from = arena.stdout.take().expect("piped");
    let (to, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
