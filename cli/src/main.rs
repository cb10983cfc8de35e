//! The command `cotenant`. This file parses, dispatches, and says what went wrong: one line, one exit status.
//!
//! 0 done, 1 failed, 2 wrong usage (clap's), 78 nothing can be shared here (`cotenant::EXIT_STATUS`).
//!
//! Nothing is shared before a subcommand asks for it, so that the others work where nothing can be.

mod demo;
mod inspect;
mod output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  cotenant demo counter          three processes count on one variable
  cotenant demo counter --help   what it shows, and what else it can do
  cotenant inspect FILE          what a binary shares, and who can write it

Environment:
  COTENANT_DIR        folder of the segments, instead of one in /dev/shm; Linux only
  COTENANT_SCOPE      shares only with programs of the same scope
  COTENANT_PRIVATE=1  shares nothing

Exit status: 0 done, 1 failed, 2 wrong usage, 78 nothing can be shared here.";

/// Variables that every process running the same program shares
#[derive(Parser)]
#[command(name = "cotenant", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows shared variables at work, with processes of this very command
    #[command(subcommand)]
    Demo(demo::Demo),
    /// Says which sections of a binary are shared, what that means, and which variables are in them
    Inspect(inspect::Inspect),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Command::Demo(demo) => demo.run(),
        Command::Inspect(inspect) => inspect.run(),
    };
    result.unwrap_or_else(|error| {
        output::complain(&format!("{error:#}"));
        exit_code(&error)
    })
}

/// Whoever starts us over and over should not if nothing can be shared; all else is worth another try.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    let is_about_sharing = error.chain().any(|cause| cause.is::<cotenant::Error>());
    ExitCode::from(if is_about_sharing { cotenant::EXIT_STATUS as u8 } else { 1 })
}
