//! Unit and integration tests of the whole workspace and the examples, on this machine.

use std::process::Command;

use anyhow::Result;

use crate::run::{check, check_within, tests};
use crate::tally::Tally;
use crate::workshop::Workshop;
use crate::{ahead, examples, install};

/// `later`: what is to be built while tests run, for tasks that come after this one.
pub(crate) fn run(workshop: &Workshop, arguments: &[String], later: &[Command]) -> Result<Tally> {
    let mut tally = Tally::default();
    let missing = install::missing(workshop, install::For::Linux);
    if !missing.is_empty() {
        tally += Tally::skip(workshop, "tests that need these tools", &install::how_to_get(&missing));
    }
    let cargo = |subcommand: &str| {
        let mut cargo = workshop.cargo();
        cargo.arg(subcommand);
        cargo
    };
    let mut test = cargo("test");
    test.arg("--no-fail-fast");
    if !arguments.is_empty() {
        tally += tests(workshop, test.args(arguments))?;
        return Ok(tally);
    }
    // The examples in the documentation belong to the task `docs`.
    test.args(["--workspace", "--all-features", "--tests"]).env("COTENANT_CRASH_IN_RELEASE", "1");
    // Processes are killed after each n-th instruction, of which an optimised build has a tenth.
    let crash = || {
        let mut crash = cargo("test");
        crash.args(["--release", "--package", "cotenant", "--test", "crash"]);
        crash
    };
    check(workshop, cargo("test").args(test.get_args().skip(1)).arg("--no-run"))?;
    let mut build_crash = crash();
    build_crash.arg("--no-run");
    ahead::build(workshop, std::iter::once(&build_crash).chain(later));
    tally += tests(workshop, &mut test)?;
    tally += tests(workshop, &mut crash())?;
    let built = workshop.target.join("debug/examples");
    tally += examples::run(workshop, &mut cargo("build"), &|name| {
        check_within(workshop, &mut workshop.command(built.join(name)), examples::LIMIT)
    })?;
    Ok(tally)
}
