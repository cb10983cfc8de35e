//! Building: cargo says where the files lie. Under Wine there is no cargo: `cargo xtask windows` builds everything
//! before it starts the tests, and the files lie beside this test's own.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::path::PathBuf;
#[cfg(not(windows))]
use std::process::Command;
#[cfg(not(windows))]
use std::sync::OnceLock;

/// The program of an example of the library.
pub(crate) fn example(name: &str) -> PathBuf {
    example_file(&format!("{name}{EXE_SUFFIX}"))
}

/// The library of the package in examples/library.
pub(crate) fn library() -> PathBuf {
    library_file(&format!("{DLL_PREFIX}visits{DLL_SUFFIX}"))
}

/// A program of that package; on Windows also the one in C.
pub(crate) fn library_user(name: &str) -> PathBuf {
    library_file(&format!("{name}{EXE_SUFFIX}"))
}

#[cfg(windows)]
fn example_file(name: &str) -> PathBuf {
    library_file(&format!("examples/{name}"))
}

#[cfg(windows)]
fn library_file(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this test's own path");
    // TARGET/debug/deps/this.exe
    let path = this.ancestors().nth(2).expect("a folder").join(name);
    assert!(path.exists(), "{}: missing; it is built by: cargo xtask windows", path.display());
    path
}

#[cfg(not(windows))]
fn example_file(name: &str) -> PathBuf {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| cargo_build(&["--package", "cotenant", "--examples"]));
    find(built, name)
}

#[cfg(not(windows))]
fn library_file(name: &str) -> PathBuf {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| cargo_build(&["--package", "cotenant-example-library"]));
    find(built, name)
}

#[cfg(not(windows))]
fn find(built: &[PathBuf], name: &str) -> PathBuf {
    let found = built.iter().find(|path| path.file_name().is_some_and(|file| file == name));
    found.unwrap_or_else(|| panic!("{name} is not among {built:#?}")).clone()
}

/// Builds, and gives all files that came out. They land beside this test's own, so most of the work is done already.
#[cfg(not(windows))]
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
