//! The programs of tests/programs. `cargo xtask windows` builds them beside this test: under Wine there is no cargo.

use std::path::PathBuf;

/// A version of the named block of alone/block.rs.
pub(crate) fn block(version: &str) -> PathBuf {
    file(&format!("debug/blocks/{version}.exe"))
}

/// `reader`, with everything that the optimiser can do.
pub(crate) fn optimised_reader() -> PathBuf {
    file("fat/reader.exe")
}

fn file(path: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this program's path");
    // TARGET/debug/deps/this.exe
    let path = this.ancestors().nth(3).expect("a folder").join(path);
    assert!(path.exists(), "{}: missing; it is built by: cargo xtask windows", path.display());
    path
}
