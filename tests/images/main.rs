//! Programs and libraries as files: what is in them, which of them share, and every way to build and load them.
//!
//! The programs lie in tests/programs. A test starts some, tells them what to do line by line, and compares answers.
#![cfg(target_os = "linux")]

mod elf;
mod process;
mod programs;
#[path = "../support/mod.rs"]
#[allow(unsafe_code)]
mod support;

mod builds;
mod copies;
mod debuggers;
mod declarations;
mod dependencies;
mod groups;
mod growth;
mod instructions;
mod libraries;
mod linkers;
mod linking;
mod mismatch;
mod names;
mod sealed;
