//! Every example of the library runs to its end: without arguments or input, within a minute, exit status 0.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::run::check;
use crate::tally::Tally;
use crate::workshop::Workshop;

/// Of one.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Runs examples/*.rs and examples/*/main.rs: builds them with `build`, and has each checked by `check_one`.
pub(crate) fn run(workshop: &Workshop, build: &mut Command, check_one: &dyn Fn(&str) -> Result<()>) -> Result<Tally> {
    let mut tally = Tally::default();
    let names = names(workshop)?;
    if names.is_empty() {
        return Ok(tally);
    }
    // All at once and first: the limit on running one is not for its compilation.
    check(workshop, build.args(["--package", "cotenant", "--examples"]))?;
    for name in names {
        // Not by `cargo run`, which looks through the whole workspace each time.
        tally += Tally::of(check_one(&name));
    }
    Ok(tally)
}

fn names(workshop: &Workshop) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let folder = workshop.root.join("examples");
    if !folder.exists() {
        return Ok(names);
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_example = path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").exists();
        if let (true, Some(stem)) = (is_example, path.file_stem()) {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
