//! What a hostile, full, missing or unusual environment does to a program with shared variables.

#![cfg_attr(target_os = "linux", allow(unsafe_code))]

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod actor;
#[cfg(target_os = "linux")]
mod audience;
#[cfg(target_os = "linux")]
mod damaged;
#[cfg(target_os = "linux")]
mod folder;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod planted;
#[cfg(target_os = "linux")]
mod system;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let tests = [folder::TESTS, limits::TESTS, damaged::TESTS, system::TESTS].concat();
    let root_tests = [folder::ROOT_TESTS, limits::ROOT_TESTS, planted::TESTS, system::ROOT_TESTS, audience::TESTS];
    support::run(&tests, &root_tests.concat(), &[("actor", actor::serve), ("probe", actor::probe)])
}

#[cfg(not(target_os = "linux"))]
fn main() {}
