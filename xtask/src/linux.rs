//! Unit and integration tests of the whole workspace and the examples, on this machine.

use anyhow::Result;

use crate::run::tests;
use crate::tally::Tally;
use crate::workshop::Workshop;
use crate::{examples, install};

pub(crate) fn run(workshop: &Workshop, arguments: &[String]) -> Result<Tally> {
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
    tally +=
        tests(workshop, test.args(["--workspace", "--all-features", "--tests"]).env("COTENANT_CRASH_IN_RELEASE", "1"))?;
    // Processes are killed after each n-th instruction, of which an optimised build has a tenth.
    tally += tests(workshop, cargo("test").args(["--release", "--package", "cotenant", "--test", "crash"]))?;
    let built = workshop.target.join("debug/examples");
    tally += examples::run(workshop, &mut cargo("build"), &|name| workshop.command(built.join(name)))?;
    Ok(tally)
}
