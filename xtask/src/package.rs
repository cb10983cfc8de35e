//! The packages for crates.io can be made, and build from what is in them. Nothing is uploaded.

use anyhow::Result;

use crate::run::check;
use crate::tally::Tally;
use crate::workshop::Workshop;

pub(crate) fn run(workshop: &Workshop) -> Result<Tally> {
    // Both in one call: cargo then builds the second against the first's package, which is on no registry yet.
    let mut package = workshop.cargo();
    // Uncommitted changes are everyday while working; CI has a clean checkout.
    package.args(["package", "--package", "cotenant-macros", "--package", "cotenant", "--allow-dirty"]);
    check(workshop, &mut package)?;
    Ok(Tally::PASS)
}
