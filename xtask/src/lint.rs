//! clippy without a warning: everything on this machine, and what exists on Windows for Windows.

use anyhow::Result;

use crate::run::check;
use crate::tally::Tally;
use crate::windows;
use crate::workshop::Workshop;

pub(crate) fn run(workshop: &Workshop) -> Result<Tally> {
    let mut clippy = workshop.cargo();
    let here = check(workshop, clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]));
    // A missing Windows toolchain is the business of the task `windows`, which reports it.
    let there = windows::toolchain(workshop).ok().map(|toolchain| {
        let mut clippy = toolchain.cargo(workshop, "clippy");
        clippy.args(windows::PACKAGES).args(["--lib", "--bins", "--tests", "--examples"]);
        check(workshop, clippy.args(["--", "-D", "warnings"]))
    });
    let mut tally = Tally::of(here);
    if let Some(there) = there {
        tally += Tally::of(there);
    }
    Ok(tally)
}
