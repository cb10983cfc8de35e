//! `on_failure = private`: a program whose every block may go on alone, where nothing can be shared.

#![cfg_attr(target_os = "linux", allow(unsafe_code))]

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod failures;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    support::run(failures::TESTS, failures::ROOT_TESTS, &[("actor", failures::serve)])
}

#[cfg(not(target_os = "linux"))]
fn main() {}
