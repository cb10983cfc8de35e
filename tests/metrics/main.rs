//! Metrics, cells for each process and rate limits between processes: sums, deaths, forks, signals, names.
//!
//! On Linux and Windows; elsewhere nothing is shared.

#![cfg_attr(any(target_os = "linux", windows), allow(unsafe_code))]

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;
#[cfg(windows)]
#[allow(dead_code)] // Each test program uses its part.
#[path = "../locks/support_windows.rs"]
mod support;

#[cfg(any(target_os = "linux", windows))]
mod actor;
#[cfg(any(target_os = "linux", windows))]
mod alike;
#[cfg(target_os = "linux")]
mod damage;
#[cfg(all(target_os = "linux", feature = "metrics"))]
mod facade;
#[cfg(target_os = "linux")]
mod fork;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(any(target_os = "linux", windows))]
mod limits;
#[cfg(any(target_os = "linux", windows))]
mod named;
#[cfg(target_os = "linux")]
mod readers;
#[cfg(target_os = "linux")]
mod room;
#[cfg(any(target_os = "linux", windows))]
mod statics;

#[cfg(any(target_os = "linux", windows))]
fn main() -> std::process::ExitCode {
    let tests = [
        statics::TESTS,
        named::TESTS,
        limits::TESTS,
        alike::TESTS,
        #[cfg(target_os = "linux")]
        fork::TESTS,
        #[cfg(target_os = "linux")]
        hostile::TESTS,
        #[cfg(target_os = "linux")]
        readers::TESTS,
        #[cfg(target_os = "linux")]
        room::TESTS,
        #[cfg(all(target_os = "linux", feature = "metrics"))]
        facade::TESTS,
    ];
    #[cfg(target_os = "linux")]
    let root_tests = [readers::ROOT_TESTS, room::ROOT_TESTS].concat();
    #[cfg(windows)]
    let root_tests = [];
    support::run(&tests.concat(), &root_tests, &[("actor", actor::play)])
}

#[cfg(not(any(target_os = "linux", windows)))]
fn main() {}
