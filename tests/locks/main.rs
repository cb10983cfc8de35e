//! The lock family between processes: exclusion, deaths, panics, forks, timeouts. `Mutex` is in tests/processes.

#![cfg_attr(target_os = "linux", allow(unsafe_code))]

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod actor;
#[cfg(target_os = "linux")]
mod barrier;
#[cfg(target_os = "linux")]
mod condvar;
#[cfg(target_os = "linux")]
mod event;
#[cfg(target_os = "linux")]
mod leader;
#[cfg(target_os = "linux")]
mod once;
#[cfg(target_os = "linux")]
mod private;
#[cfg(target_os = "linux")]
mod rwlock;
#[cfg(target_os = "linux")]
mod rwlock_commands;
#[cfg(target_os = "linux")]
mod semaphore;
#[cfg(target_os = "linux")]
mod stress;

#[cfg(target_os = "linux")]
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
    ];
    support::run(&tests.concat(), &[], &[("actor", actor::play)])
}

#[cfg(not(target_os = "linux"))]
fn main() {}
