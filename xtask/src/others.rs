//! What compiles for systems on which nothing is run: their targets are checked where rustup has them.

use anyhow::{Result, bail};

use crate::run::{check, output};
use crate::tally::Tally;
use crate::workshop::Workshop;

/// Shares on this target, so clippy has no warning; another architecture's pages are padded differently.
const LIKE_HERE: &str = "aarch64-unknown-linux-gnu";
/// Share nothing there, and say so in the user's build.
const PRIVATE: [&str; 2] = ["x86_64-apple-darwin", "x86_64-unknown-freebsd"];
const WARNING: &str = "cotenant shares nothing on this system yet";
/// The other form of Windows: what its linker is told stands in the object.
const MSVC: &str = "x86_64-pc-windows-msvc";
const DIRECTIVE: &[u8] = b" /SECTION:.shared,RWS ";

pub(crate) fn run(workshop: &Workshop) -> Result<Tally> {
    let mut tally = Tally::default();
    tally += checked(workshop, LIKE_HERE, || {
        let target = ["--package", "cotenant", "--lib", "--target", LIKE_HERE];
        check(workshop, cargo(workshop).arg("clippy").args(target).args(["--", "-D", "warnings"]))
    });
    for target in PRIVATE {
        tally += checked(workshop, target, || warns(workshop, target));
    }
    tally += checked(workshop, MSVC, || tells_the_linker(workshop));
    Ok(tally)
}

/// Not a failure where the target is missing, not even in CI: rustup alone has these targets, and is not everywhere.
fn checked(workshop: &Workshop, target: &str, task: impl FnOnce() -> Result<()>) -> Tally {
    if !is_installed(workshop, target) {
        println!("!!! SKIPPED: the check for {target}\n!!! get it: rustup target add {target}");
        return Tally { skipped: 1, ..Tally::default() };
    }
    Tally::of(task())
}

fn is_installed(workshop: &Workshop, target: &str) -> bool {
    let list = output(workshop.command("rustup").args(["target", "list", "--installed"]));
    list.is_ok_and(|list| list.lines().any(|line| line == target))
}

/// A target folder of its own: its flags would have the ordinary one built anew.
fn cargo(workshop: &Workshop) -> std::process::Command {
    let mut cargo = workshop.cargo();
    cargo.env("CARGO_TARGET_DIR", workshop.target.join("others"));
    cargo
}

/// A user's program compiles, and the compiler warns.
fn warns(workshop: &Workshop, target: &str) -> Result<()> {
    let example = workshop.root.join("examples/counter.rs");
    // Cargo repeats warnings only of what it compiles.
    std::fs::File::options().append(true).open(&example)?.set_modified(std::time::SystemTime::now())?;
    let built = cargo(workshop).args(["check", "--example", "counter", "--target", target]).output()?;
    let said = String::from_utf8_lossy(&built.stderr);
    if !built.status.success() {
        bail!("examples/counter.rs does not compile for {target}:\n{said}");
    }
    if !said.contains(WARNING) {
        bail!("the compiler does not warn on {target} that nothing is shared:\n{said}");
    }
    Ok(())
}

/// The library's object tells link.exe that the section `.shared` is shared.
fn tells_the_linker(workshop: &Workshop) -> Result<()> {
    let target = ["--package", "cotenant", "--lib", "--target", MSVC];
    check(workshop, cargo(workshop).arg("rustc").args(target).args(["--", "--emit", "obj", "-C", "codegen-units=1"]))?;
    let folder = workshop.target.join("others").join(MSVC).join("debug/deps");
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "o" || it == "obj") {
            let object = std::fs::read(&path)?;
            if object.windows(DIRECTIVE.len()).any(|bytes| bytes == DIRECTIVE) {
                return Ok(());
            }
        }
    }
    bail!("no object of the library for {MSVC} has the directive `{}`", String::from_utf8_lossy(DIRECTIVE).trim())
}
