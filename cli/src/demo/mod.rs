//! `cotenant demo`: shared variables at work.
//!
//! | file | what it is |
//! |---|---|
//! | `counter.rs` | the arguments of `demo counter`, and the process that starts the instances |
//! | `instance.rs` | one instance: a process that counts |
//! | `tally.rs` | the shared variables: what is counted, and how often |

mod counter;
mod instance;
mod tally;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Demo {
    // Its description stands with its arguments.
    Counter(counter::Counter),
}

impl Demo {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        match self {
            Demo::Counter(counter) => counter.run(),
        }
    }
}
