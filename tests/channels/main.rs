//! Queues, pipes and FIFOs between processes: what comes when somebody is killed, forked, stopped, or not let in.

#![cfg_attr(target_os = "linux", allow(unsafe_code))]

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod assembled;
#[cfg(target_os = "linux")]
mod fifo_names;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(target_os = "linux")]
mod pipe_limits;
#[cfg(target_os = "linux")]
mod pipes;
#[cfg(target_os = "linux")]
mod queues;
#[cfg(target_os = "linux")]
mod several;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let tests = [queues::TESTS, several::TESTS, pipes::TESTS, pipe_limits::TESTS, fifo_names::TESTS, hostile::TESTS];
    support::run(&tests.concat(), fifo_names::ROOT_TESTS, queues::ROLES)
}

#[cfg(not(target_os = "linux"))]
fn main() {}
