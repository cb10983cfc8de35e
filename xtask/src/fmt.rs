//! rustfmt agrees with every file of the workspace.

use anyhow::Result;

use crate::run::check;
use crate::tally::Tally;
use crate::workshop::Workshop;

pub(crate) fn run(workshop: &Workshop) -> Result<Tally> {
    check(workshop, workshop.cargo().args(["fmt", "--all", "--check"]))?;
    Ok(Tally::PASS)
}
