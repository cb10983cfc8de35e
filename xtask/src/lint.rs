//! clippy without a warning: everything on this machine, what exists on Windows for Windows, and the fuzz targets.

use std::process::Command;

use anyhow::Result;

use crate::run::check;
use crate::tally::Tally;
use crate::windows;
use crate::workshop::Workshop;

pub(crate) fn run(workshop: &Workshop) -> Result<Tally> {
    let mut clippy = workshop.cargo();
    // With the features that the other tasks build with: what they and this one need is compiled once. Without them is
    // Windows.
    clippy.args(["clippy", "--workspace", "--all-features", "--all-targets"]);
    let here = check(workshop, clippy.args(["--", "-D", "warnings"]));
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
    if cfg!(target_os = "linux") {
        tally += Tally::of(check(workshop, &mut fuzz_targets(workshop)));
    }
    Ok(tally)
}

/// The fuzz targets, a workspace of their own, are built and run by cargo-fuzz with a nightly Rust; whether they
/// compile the stable one can say. No program is linked, so libFuzzer itself, in C++, need not be there: any path
/// stands in.
fn fuzz_targets(workshop: &Workshop) -> Command {
    let mut clippy = workshop.cargo();
    clippy.args(["clippy", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--bins", "--target-dir"]);
    // The same folder: most of what they need has been checked there.
    clippy.arg(&workshop.target).args(["--", "-D", "warnings"]);
    clippy.env("CUSTOM_LIBFUZZER_PATH", workshop.target.join("libnone.a"));
    clippy
}
