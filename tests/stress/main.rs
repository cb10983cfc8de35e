//! Attaching and dying, tens of thousands of times.
//!
//! ```text
//! test --> supervisors (a process each) --> workers: attach, check, end --- or are killed at any moment
//!                                             '--> some leave a child that lives on without them
//! ```
//!
//! A worker that lives must never see its segment reset under it: the token that the first one chose stays, and its
//! own cell holds exactly its own increments. Nobody may sit on a segment that has lost its name, and nothing may be
//! left in the folder but the segments.
//!
//! `COTENANT_STRESS_ATTACHES` scales it (18,000 by default, of which a third are killed before they have attached);
//! `COTENANT_STRESS_SEED` repeats a run as far as chance in scheduling lets it.

#![cfg_attr(target_os = "linux", allow(unsafe_code))]

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod attach;
#[cfg(target_os = "linux")]
mod supervisor;
#[cfg(target_os = "linux")]
mod worker;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let roles: &[support::Named] = &[
        ("fork", supervisor::fork_workers),
        ("exec", supervisor::exec_workers),
        ("worker", worker::play),
        ("last", || cotenant::attach().expect("attaching when all are gone")),
    ];
    support::run(attach::TESTS, &[], roles)
}

#[cfg(not(target_os = "linux"))]
fn main() {}
