//! Tests that cannot be tried here. `cargo xtask` reads the line that is said, and counts the test as skipped.

#![allow(dead_code)] // Each test program uses its part.

use std::io::Write;

/// Says loudly that this test, or a part of it, is not tried; in CI, which installs what tests need, that is a failure.
#[track_caller]
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI=true: a skipped part is a failure: {why}");
    say_skipped(why);
}

/// As [`skip`], of what no machine must have, CI's neither.
pub(crate) fn say_skipped(why: &str) {
    let thread = std::thread::current();
    let line = format!("\n!!! SKIPPED by {}: {why}\n\n", thread.name().unwrap_or_default());
    // Not `eprintln!`, which the test harness hides; and as a whole, among the lines of other tests.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
