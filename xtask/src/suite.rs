//! Running tasks and saying how they ended: a line per task, one closing line, an exit status.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::tally::Tally;
use crate::workshop::Workshop;
use crate::{docs, fmt, header, install, lint, linux, models, msrv, others, package, tidy, windows};

type Task<'a> = (&'static str, &'a dyn Fn() -> Result<Tally>);

/// Everything that CI runs, the quick tasks first.
pub(crate) fn all(w: &Workshop) -> ExitCode {
    // Before the first task, so that every task finds the same tools. What fails here is reported by who needs it.
    install::prepare(w);
    let later = [Some(models::build(w)), windows::build_ahead(w), msrv::build_ahead(w)];
    let later: Vec<_> = later.into_iter().flatten().collect();
    run(&[
        ("fmt", &|| fmt::run(w)),
        ("tidy", &|| tidy::run(w)),
        ("header", &|| header::run(w, true)),
        ("lint", &|| lint::run(w)),
        ("docs", &|| docs::run(w)),
        ("linux", &|| linux::run(w, &[], &later)),
        ("models", &|| models::run(w, &[])),
        ("windows", &|| windows::run(w, &[])),
        ("msrv", &|| msrv::run(w)),
        ("others", &|| others::run(w)),
        ("package", &|| package::run(w)),
    ])
}

/// One task by itself.
pub(crate) fn one(name: &'static str, task: impl Fn() -> Result<Tally>) -> ExitCode {
    run(&[(name, &task)])
}

fn run(tasks: &[Task<'_>]) -> ExitCode {
    let mut total = Tally::default();
    let mut lines = Vec::new();
    for (name, task) in tasks {
        println!("\n=== {name}");
        let start = Instant::now();
        let tally = task().unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            Tally::FAIL
        });
        let result = match tally {
            Tally { failed: 1.., .. } => "FAILED",
            Tally { passed: 0, skipped: 1.., .. } => "skipped",
            _ => "ok",
        };
        let seconds = start.elapsed().as_secs_f64();
        let line = format!("{name:8} {result:8} {seconds:7.1} s   {tally}");
        println!("{line}");
        lines.push(line);
        total += tally;
    }
    println!();
    if tasks.len() > 1 {
        lines.iter().for_each(|line| println!("{line}"));
    }
    println!("{total}");
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
