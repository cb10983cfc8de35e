//! What CI runs, one task each. This file parses and dispatches; every task has a file of its own.

mod ahead;
mod crash;
mod debian;
mod docs;
mod examples;
mod fmt;
mod header;
mod install;
mod install_c;
mod lint;
mod linux;
mod models;
mod msrv;
mod others;
mod package;
mod run;
mod suite;
mod tally;
mod tidy;
mod windows;
mod windows_c;
mod workshop;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workshop::Workshop;

const EXAMPLES: &str = "\
Examples:
  cargo xtask test                                 everything that CI runs
  cargo xtask tidy                                 the form of the repository, in a second
  cargo xtask linux -- -p cotenant --test processes  one test folder; arguments are those of `cargo test`
  cargo xtask windows -- --test windows -- lock      under Wine, tests whose name has `lock`
  eval \"$(cargo xtask windows --env)\"              this shell builds for Windows by hand
  cargo xtask crash --operation \"Mutex: lock\"        deaths at every instruction, of the operations named so
  cargo xtask install-c --prefix /usr/local         libcotenant, cotenant.h, cotenant.pc, cotenantConfig.cmake
  cargo xtask install                              Debian packages and the Windows toolchain

A missing tool is installed without asking as root on Debian or Ubuntu, or with --install (through sudo).
Otherwise the part that needs it is skipped, with the command to get it; with CI=true a skip is a failure.
Downloads and builds lie in target/: toolchains/, windows/, wine/, models/, msrv/.";

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Checks of the Cotenant repository", after_help = EXAMPLES)]
struct Arguments {
    /// Install what is missing, through sudo if need be
    #[arg(long, global = true)]
    install: bool,
    /// Which Rust toolchain builds for Windows
    #[arg(long, global = true, value_enum, default_value_t = windows::Origin::Any)]
    windows_toolchain: windows::Origin,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Every task below, in order, going on after a failure; ends with `N passed, N failed, N skipped`
    Test,
    /// rustfmt agrees with every file
    Fmt,
    /// What rustfmt and clippy do not see: layers, OS code only in src/sys, sizes, words, links
    Tidy,
    /// clippy without a warning, for Linux and for Windows
    Lint,
    /// rustdoc without a warning, and the examples in the documentation run
    Docs,
    /// Unit and integration tests and the examples, on this machine
    Linux {
        /// Arguments for `cargo test`, instead of the whole workspace
        #[arg(last = true, value_name = "CARGO TEST ARGUMENTS")]
        arguments: Vec<String>,
    },
    /// Tests and examples of the library and the tool, built for x86_64-pc-windows-gnu, run under Wine
    Windows {
        /// Print the environment for building by hand, as shell commands, and run nothing
        #[arg(long)]
        env: bool,
        /// The programs in C and C++ alone
        #[arg(long)]
        c: bool,
        /// Arguments for `cargo test`, instead of everything
        #[arg(last = true, value_name = "CARGO TEST ARGUMENTS")]
        arguments: Vec<String>,
    },
    /// The locks under a model checker: thousands of schedules of each model in tests/models, with and without deaths
    Models {
        /// Arguments for the tests: part of a name
        #[arg(last = true, value_name = "TEST ARGUMENTS")]
        arguments: Vec<String>,
    },
    /// The library builds with the oldest Rust that Cargo.toml promises
    Msrv,
    /// Systems on which nothing is run: their targets are checked where rustup has them
    Others,
    /// The packages for crates.io can be made, and build from what is in them
    Package,
    /// Kill processes at every instruction of every operation, and write the table of it into docs/safety.md
    Crash(crash::Choice),
    /// Make capi/include/cotenant.h of capi/header and the comments in capi/src
    Header {
        /// Write nothing: fail if the header is not what would be written
        #[arg(long)]
        check: bool,
    },
    /// Install libcotenant, its headers, and files for pkg-config and CMake
    InstallC {
        /// Where to: include/ and lib/ are made in it (behind DESTDIR, if that is set)
        #[arg(long, default_value = "/usr/local")]
        prefix: PathBuf,
        /// The profile of cargo that it is built with
        #[arg(long, default_value = "release")]
        profile: String,
    },
    /// Install what the tasks need
    Install,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let install_asked = arguments.install || matches!(arguments.task, Task::Install);
    let workshop = Workshop::new(install_asked, arguments.windows_toolchain)?;
    let w = &workshop;
    Ok(match &arguments.task {
        Task::Test => suite::all(w),
        Task::Windows { env: true, .. } => {
            windows::print_env(w)?;
            ExitCode::SUCCESS
        }
        Task::Fmt => suite::one("fmt", || fmt::run(w)),
        Task::Tidy => suite::one("tidy", || tidy::run(w)),
        Task::Lint => suite::one("lint", || lint::run(w)),
        Task::Docs => suite::one("docs", || docs::run(w)),
        Task::Linux { arguments } => suite::one("linux", || linux::run(w, arguments, &[])),
        Task::Windows { c: true, .. } => suite::one("windows", || windows::run_c(w)),
        Task::Windows { arguments, .. } => suite::one("windows", || windows::run(w, arguments)),
        Task::Models { arguments } => suite::one("models", || models::run(w, arguments)),
        Task::Msrv => suite::one("msrv", || msrv::run(w)),
        Task::Others => suite::one("others", || others::run(w)),
        Task::Package => suite::one("package", || package::run(w)),
        Task::Crash(choice) => suite::one("crash", || crash::run(w, choice)),
        Task::Header { check } => suite::one("header", || header::run(w, *check)),
        Task::InstallC { prefix, profile } => suite::one("install-c", || install_c::run(w, prefix, profile)),
        Task::Install => suite::one("install", || install::run(w)),
    })
}
