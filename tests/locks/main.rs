//! The lock family between processes: exclusion, deaths, panics, forks, timeouts. `Mutex` is in tests/processes.
//!
//! On Linux and Windows; elsewhere nothing is shared.

#![cfg_attr(any(target_os = "linux", windows), allow(unsafe_code))]

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;
#[cfg(windows)]
#[path = "support_windows.rs"]
mod support;

#[cfg(any(target_os = "linux", windows))]
mod actor;
#[cfg(any(target_os = "linux", windows))]
mod barrier;
#[cfg(any(target_os = "linux", windows))]
mod condvar;
#[cfg(any(target_os = "linux", windows))]
mod event;
#[cfg(target_os = "linux")]
mod fork;
#[cfg(any(target_os = "linux", windows))]
mod leader;
#[cfg(any(target_os = "linux", windows))]
mod once;
#[cfg(any(target_os = "linux", windows))]
mod private;
#[cfg(any(target_os = "linux", windows))]
mod rwlock;
#[cfg(any(target_os = "linux", windows))]
mod rwlock_commands;
#[cfg(any(target_os = "linux", windows))]
mod semaphore;
#[cfg(any(target_os = "linux", windows))]
mod stress;

#[cfg(any(target_os = "linux", windows))]
fn main() -> std::process::ExitCode {
    let tests = [
        rwlock::TESTS,
        condvar::TESTS,
        once::TESTS,
        semaphore::TESTS,
        barrier::TESTS,
        event::TESTS,
        leader::TESTS,
        private::TESTS,
        stress::TESTS,
        #[cfg(target_os = "linux")]
        fork::TESTS,
        #[cfg(target_os = "linux")]
        leader::LINUX_TESTS,
    ];
    support::run(&tests.concat(), &[], &[("actor", actor::play)])
}

#[cfg(not(any(target_os = "linux", windows)))]
fn main() {}
