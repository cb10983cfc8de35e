//! The lock family under a model checker: schedules and deaths of tests/models.
//!
//! A build of its own, whose atomics and futexes are the checker's (`--cfg cotenant_model`); optimised, for more
//! schedules in the time.

use anyhow::Result;

use crate::run::tests;
use crate::tally::Tally;
use crate::workshop::Workshop;

pub(crate) fn run(workshop: &Workshop, arguments: &[String]) -> Result<Tally> {
    let mut cargo = workshop.cargo();
    cargo.env("CARGO_TARGET_DIR", workshop.target.join("models")).env("RUSTFLAGS", "--cfg cotenant_model");
    cargo.args(["test", "--release", "--package", "cotenant", "--test", "models", "--"]).args(arguments);
    tests(workshop, &mut cargo)
}
