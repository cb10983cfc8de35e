//! Building: cargo says where the files lie.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The program of an example of the library.
pub(crate) fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| cargo_build(&["--package", "cotenant", "--examples"]));
    find(built, name)
}

/// A file of the package in examples/library.
pub(crate) fn library_file(name: &str) -> PathBuf {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| cargo_build(&["--package", "cotenant-example-library"]));
    find(built, name)
}

fn find(built: &[PathBuf], name: &str) -> PathBuf {
    let found = built.iter().find(|path| path.file_name().is_some_and(|file| file == name));
    found.unwrap_or_else(|| panic!("{name} is not among {built:#?}")).clone()
}

/// Builds, and gives all files that came out. They land beside this test's own, so most of the work is done already.
fn cargo_build(what: &[&str]) -> Vec<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--message-format=json"]).args(what);
    let output = cargo.output().expect("cargo can be started");
    let messages = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{messages}\n{}", String::from_utf8_lossy(&output.stderr));
    // `"filenames":["...","..."]`; no path of a build has a quotation mark in it.
    let lists = messages.lines().filter_map(|line| line.split_once("\"filenames\":[")?.1.split_once(']'));
    lists.flat_map(|(list, _)| list.split(',')).map(|path| PathBuf::from(path.trim_matches('"'))).collect()
}
