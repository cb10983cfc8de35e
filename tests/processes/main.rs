//! What processes share, how long, and what a lock does when one of them dies.

#![cfg_attr(target_os = "linux", allow(unsafe_code))]

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod actor;
#[cfg(target_os = "linux")]
mod corners;
#[cfg(target_os = "linux")]
mod crowd;
#[cfg(target_os = "linux")]
mod fork;
#[cfg(target_os = "linux")]
mod mutex;
#[cfg(target_os = "linux")]
mod odd;
#[cfg(target_os = "linux")]
mod users;
#[cfg(target_os = "linux")]
mod values;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let tests = [values::TESTS, mutex::TESTS, fork::TESTS, crowd::TESTS, corners::TESTS].concat();
    let root_tests = [users::TESTS, corners::ROOT_TESTS].concat();
    support::run(&tests, &root_tests, &[("actor", actor::play), ("other", actor::play)])
}

#[cfg(not(target_os = "linux"))]
fn main() {}
