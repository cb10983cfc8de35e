//! Commands that look at segments in use, on systems that give no way to: said in one line.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};

/// A command of this name, with any arguments.
macro_rules! not_here {
    ($($module:ident $arguments:ident),* $(,)?) => {
        $(pub(crate) mod $module {
            /// Whatever was asked.
            #[derive(clap::Args)]
            pub(crate) struct $arguments {
                #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
                rest: Vec<std::ffi::OsString>,
            }

            impl $arguments {
                pub(crate) fn run(&self) -> anyhow::Result<std::process::ExitCode> {
                    super::run(stringify!($module), &self.rest)
                }
            }
        })*
    };
}

not_here! {
    cache Cache,
    diff Diff,
    doctor Doctor,
    get Get,
    ls Ls,
    metrics Metrics,
    prune Prune,
    published Published,
    reset Reset,
    rm Rm,
    set Set,
    show Show,
    snapshot Snapshot,
    top Top,
    trace Trace,
    watch Watch,
}

fn run(command: &str, _: &[OsString]) -> Result<ExitCode> {
    let why = if cfg!(windows) {
        "on Windows a segment is a file mapping: the system keeps no list of them, and removes each with its last \
         process; `cotenant inspect` works here"
    } else {
        "nothing is shared on this system"
    };
    bail!("`cotenant {command}` looks at segments of Linux: {why}")
}
