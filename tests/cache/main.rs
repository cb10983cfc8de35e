//! The shared cache: what its calls promise, within a process and between processes, and when one of them dies.
//!
//! On Linux and Windows; elsewhere nothing is shared.

#![cfg_attr(target_os = "linux", allow(unsafe_code))]

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;
#[cfg(windows)]
#[path = "../locks/support_windows.rs"]
#[allow(dead_code)] // Its processes are for other tests.
mod support;

#[cfg(target_os = "linux")]
mod actor;
#[cfg(any(target_os = "linux", windows))]
mod basics;
#[cfg(any(target_os = "linux", windows))]
mod contended;
#[cfg(any(target_os = "linux", windows))]
mod eviction;
#[cfg(target_os = "linux")]
mod full;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(any(target_os = "linux", windows))]
mod make;
#[cfg(target_os = "linux")]
mod processes;

/// Names tests after their functions.
#[cfg(any(target_os = "linux", windows))]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[crate::support::Named] = &[$((concat!(stringify!($name)), $name)),*];
    };
}
#[cfg(any(target_os = "linux", windows))]
pub(crate) use tests;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let tests = [basics::TESTS, contended::TESTS, eviction::TESTS, processes::TESTS, hostile::TESTS];
    support::run(&tests.concat(), full::ROOT_TESTS, &[("actor", actor::play)])
}

#[cfg(windows)]
fn main() -> std::process::ExitCode {
    support::run(&[basics::TESTS, contended::TESTS, eviction::TESTS].concat(), &[], &[])
}

#[cfg(not(any(target_os = "linux", windows)))]
fn main() {}
