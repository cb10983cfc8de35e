//! One publishes, all see it: between processes, through mappings without write permission, and when somebody is
//! stopped or killed.

#![cfg_attr(target_os = "linux", allow(unsafe_code))]

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod actor;
#[cfg(target_os = "linux")]
mod damage;
#[cfg(target_os = "linux")]
mod deaths;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(target_os = "linux")]
mod readers;
#[cfg(target_os = "linux")]
mod seen;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let roles: &[support::Named] = &[("actor", actor::play)];
    support::run(&[seen::TESTS, deaths::TESTS, readers::TESTS, hostile::TESTS].concat(), readers::ROOT_TESTS, roles)
}

#[cfg(not(target_os = "linux"))]
fn main() {}
