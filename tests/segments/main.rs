//! Segments: objects that processes make, find and remove, and what is left when one of them dies.

#![cfg_attr(target_os = "linux", allow(unsafe_code))]

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod actor;
#[cfg(target_os = "linux")]
mod objects;
#[cfg(target_os = "linux")]
mod races;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let tests = [objects::TESTS, races::TESTS];
    let roles: &[support::Named] = &[("actor", actor::play)];
    support::run(&tests.concat(), &[], roles)
}

#[cfg(not(target_os = "linux"))]
fn main() {}
