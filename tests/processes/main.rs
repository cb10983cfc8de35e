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
mod fast_path;
#[cfg(target_os = "linux")]
mod fork;
#[cfg(target_os = "linux")]
mod kinds;
#[cfg(target_os = "linux")]
mod marks;
#[cfg(target_os = "linux")]
mod mutex;
#[cfg(target_os = "linux")]
mod odd;
#[cfg(target_os = "linux")]
mod robust;
#[cfg(target_os = "linux")]
mod slots;
#[cfg(target_os = "linux")]
mod users;
#[cfg(target_os = "linux")]
mod values;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let locks = [mutex::TESTS, robust::TESTS, marks::TESTS, fast_path::TESTS].concat();
    let tests = [values::TESTS, kinds::TESTS, &locks, fork::TESTS, crowd::TESTS, corners::TESTS, slots::TESTS];
    let root_tests = [users::TESTS, corners::ROOT_TESTS].concat();
    let roles: &[support::Named] = &[
        ("actor", actor::play),
        ("other", actor::play),
        ("robust", robust::play),
        ("kinds", kinds::play),
        ("confined", fast_path::play),
    ];
    support::run(&tests.concat(), &root_tests, roles)
}

#[cfg(not(target_os = "linux"))]
fn main() {}
