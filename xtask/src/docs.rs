//! The documentation builds without a warning, and its examples run.

use anyhow::Result;

use crate::run::{check, tests};
use crate::tally::Tally;
use crate::workshop::Workshop;

pub(crate) fn run(workshop: &Workshop) -> Result<Tally> {
    let mut doc = workshop.cargo();
    doc.args(["doc", "--no-deps", "--workspace", "--all-features"]).env("RUSTDOCFLAGS", "-D warnings");
    let mut tally = Tally::of(check(workshop, &mut doc));
    tally +=
        tests(workshop, workshop.cargo().args(["test", "--workspace", "--all-features", "--doc", "--no-fail-fast"]))?;
    Ok(tally)
}
