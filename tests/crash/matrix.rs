//! The table of operations, and the three ways to try them: as tests, as a whole matrix, one crash point.

use std::process::ExitCode;
use std::sync::Mutex;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::arena::{self, Choice};
use crate::operation::Operation;
use crate::report::{self, Row, TABLE_HEAD};
use crate::support::ROLE;
use crate::{attach, cache, frames, locks, metrics, mutex, published, queue, segment, tracer};

#[path = "../support/skip.rs"]
mod skip;

fn operations() -> impl Iterator<Item = &'static Operation> {
    let locks = [mutex::OPERATIONS, locks::OPERATIONS];
    let memory = [attach::OPERATIONS, segment::OPERATIONS];
    let channels = [queue::OPERATIONS, frames::OPERATIONS];
    let others = [published::OPERATIONS, cache::OPERATIONS, metrics::OPERATIONS];
    locks.into_iter().chain(memory).chain(channels).chain(others).flatten()
}

pub(crate) fn run() -> ExitCode {
    match std::env::var(ROLE).as_deref() {
        Ok("arena") => return play_arena(),
        Ok("last") => {
            attach::come_last();
            return ExitCode::SUCCESS;
        }
        Ok(other) => panic!("no role {other} of this test program"),
        Err(_) => {}
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| arguments.iter().skip_while(|it| *it != name).nth(1).cloned();
    let wants_matrix = ["--operation", "--every", "--step"].iter().any(|name| arguments.iter().any(|it| it == name));
    if wants_matrix { by_hand(after("--operation"), after("--every"), after("--step")) } else { as_tests() }
}

/// The survivor of one operation.
fn play_arena() -> ExitCode {
    let wanted = std::env::var(report::OPERATION).expect("an operation");
    let operation = operations().find(|it| it.name == wanted).expect("an operation of the matrix");
    let choice = std::env::var(report::CHOICE).expect("what to try of it");
    let choice = match choice.split_once(' ') {
        Some(("step", step)) => Choice::One(step.parse().expect("a number of instructions")),
        Some(("every", every)) => Choice::Every(every.parse().expect("a number of instructions")),
        Some(("every-of-long", every)) => Choice::EveryOfLong(every.parse().expect("a number of instructions")),
        _ => panic!("{choice}: neither a step nor a stride"),
    };
    arena::play(*operation, &choice);
    ExitCode::SUCCESS
}

/// `--operation NAME`, `--every N`, `--step K`: the table on standard output, progress on standard error.
fn by_hand(wanted: Option<String>, every: Option<String>, step: Option<String>) -> ExitCode {
    if let Err(why) = tracer::is_permitted() {
        eprintln!("error: {why}; in a container: --cap-add=SYS_PTRACE, or a seccomp profile that allows ptrace");
        return ExitCode::FAILURE;
    }
    let every = every.unwrap_or_else(|| "1".to_owned());
    let choice = step.map_or_else(|| format!("every-of-long {every}"), |step| format!("step {step}"));
    let is_wanted = |operation: &&Operation| wanted.as_deref().is_none_or(|name| operation.name.contains(name));
    let all: Vec<_> = operations().filter(is_wanted).collect();
    let rows = in_parallel(&all, &choice);
    println!("{TABLE_HEAD}");
    rows.iter().for_each(|row| println!("{}", row.line()));
    let failures: Vec<_> = rows.iter().flat_map(|row| &row.failures).collect();
    failures.iter().for_each(|failure| eprintln!("FAILED: {failure}"));
    if failures.is_empty() && !rows.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Rows in the order of the table; as many at a time as there are processors.
fn in_parallel(all: &[&'static Operation], choice: &str) -> Vec<Row> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(operation) = all.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let row = report::try_operation(operation, choice);
                    eprintln!("{}", row.line());
                    rows.lock().expect("no panic under it").push(row);
                }
            });
        }
    });
    let mut rows = rows.into_inner().expect("no panic under it");
    rows.sort_by_key(|row| all.iter().position(|operation| operation.name == row.name));
    rows
}

static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

/// Set by `cargo xtask linux`, which runs these tests once more, in a release build: of the same strides, with a tenth
/// of the instructions.
const IN_RELEASE: &str = "COTENANT_CRASH_IN_RELEASE";

/// One test for each operation, and the table of what was tried.
fn as_tests() -> ExitCode {
    if cfg!(debug_assertions) && std::env::var_os(IN_RELEASE).is_some() {
        return libtest_mimic::run(&Arguments::default(), Vec::new()).exit_code();
    }
    if let Err(why) = tracer::is_permitted() {
        skip::skip(&why);
        return ExitCode::SUCCESS;
    }
    let trials = operations().map(|operation| Trial::test(operation.name, move || try_one(operation)));
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials.collect());
    let mut rows = ROWS.lock().expect("no panic under it");
    rows.sort_by_key(|row| operations().position(|operation| operation.name == row.name));
    println!("{TABLE_HEAD}");
    rows.iter().for_each(|row| println!("{}", row.line()));
    conclusion.exit_code()
}

fn try_one(operation: &'static Operation) -> Result<(), Failed> {
    let row = report::try_operation(operation, &format!("every {}", operation.every));
    let failures = row.failures.join("\n");
    ROWS.lock().expect("no panic under it").push(row);
    if failures.is_empty() { Ok(()) } else { Err(Failed::from(failures)) }
}
