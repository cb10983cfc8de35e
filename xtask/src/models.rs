//! The lock family under a model checker: schedules and deaths of tests/models.
//!
//! A build of its own, whose atomics and futexes are the checker's (`--cfg cotenant_model`); optimised, for more
//! schedules in the time.

use std::process::Command;

use anyhow::Result;

use crate::run::tests;
use crate::tally::Tally;
use crate::workshop::Workshop;

pub(crate) fn run(workshop: &Workshop, arguments: &[String]) -> Result<Tally> {
    tests(workshop, command(workshop).arg("--").args(arguments))
}

/// What builds them, and runs none.
pub(crate) fn build(workshop: &Workshop) -> Command {
    let mut cargo = command(workshop);
    cargo.arg("--no-run");
    cargo
}

fn command(workshop: &Workshop) -> Command {
    let mut cargo = workshop.cargo();
    cargo.env("CARGO_TARGET_DIR", workshop.target.join("models")).env("RUSTFLAGS", "--cfg cotenant_model");
    cargo.args(["test", "--release", "--package", "cotenant", "--test", "models"]);
    cargo
}
