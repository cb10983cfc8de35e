//! Commands that look at segments in use, on systems that give no way to: said in one line.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

/// Whatever was asked.
#[derive(Args)]
pub(crate) struct NotHere {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

impl NotHere {
    pub(crate) fn run(&self, command: &str) -> Result<ExitCode> {
        let why = if cfg!(windows) {
            "on Windows a segment is a file mapping: the system keeps no list of them, and removes each with its last \
             process; `cotenant inspect` works here"
        } else {
            "nothing is shared on this system"
        };
        bail!("`cotenant {command}` looks at segments of Linux: {why}")
    }
}
