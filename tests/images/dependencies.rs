//! What a program gets with the library.

use std::path::Path;
use std::process::Command;

use crate::programs::output;

#[test]
fn library_needs_its_macros_and_libc_and_nothing_else() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--edges", "normal", "--package", "cotenant", "--prefix", "none", "--format", "{p}"]);
    cargo.arg("--manifest-path").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    let tree = output(&mut cargo);
    let mut names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, ["cotenant", "cotenant-macros", "libc"], "{tree}");
}
