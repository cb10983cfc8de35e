//! The crash matrix: a process killed at every instruction of every operation, and others that go on.
//!
//! ```text
//! harness --> arena, one for each operation: the survivor --> child: stops itself, is stepped k instructions, killed
//!                                                         '-> second process, where two parties matter
//! ```
//!
//! As a test it kills at every n-th instruction of an operation and around each system call. By hand:
//!
//! ```text
//! cargo xtask crash [--every N]                                       every instruction, of long operations every N-th;
//!                                                                     writes docs/safety.md
//! cargo test --test crash -- --operation "Mutex: lock" [--step K]     one operation, one crash point
//! ```
//!
//! aarch64: stepping breaks up load-exclusive and store-exclusive, so a processor without LSE atomics cannot be tried.

#![cfg_attr(target_os = "linux", allow(unsafe_code))]

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod arena;
#[cfg(target_os = "linux")]
mod attach;
#[cfg(target_os = "linux")]
mod board;
#[cfg(target_os = "linux")]
mod cache;
#[cfg(target_os = "linux")]
mod frames;
#[cfg(target_os = "linux")]
mod locks;
#[cfg(target_os = "linux")]
mod matrix;
#[cfg(target_os = "linux")]
mod metrics;
#[cfg(target_os = "linux")]
mod mutex;
#[cfg(target_os = "linux")]
mod operation;
#[cfg(target_os = "linux")]
mod places;
#[cfg(target_os = "linux")]
mod published;
#[cfg(target_os = "linux")]
mod queue;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod segment;
#[cfg(target_os = "linux")]
mod tracer;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    matrix::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
