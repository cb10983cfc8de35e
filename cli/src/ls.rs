//! `cotenant ls`: every segment that can be seen, who is in it, and whether anybody is.
//!
//! By default those of this user, of all scopes: in the user's folders, and whatever else the user's processes map
//! (unlinked segments, memfds). `--all` adds other users', and shared memory that is not ours.

mod foreign;
mod human;
mod json;

use std::io::{BufWriter, IsTerminal};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::look::{From, Row, Survey, View, Wanted};
use crate::output::finish;

const EXAMPLES: &str = "\
Examples:
  cotenant ls                          the segments of this user, of every scope
  cotenant ls --scope staging          of one scope (--scope '' of none)
  cotenant ls --all                    also other users', System V and foreign POSIX segments
  cotenant ls --json | jq '.segments[] | select(.state == \"dead\") | .file'
  sudo cotenant ls --pid 4711          what process 4711 sees, in its container, with our process ids

States:
  alive      somebody is attached
  kept       nobody is attached, and its values last until it is removed
  dead       nobody is attached: the next program starts afresh; `cotenant prune` gives the memory back
  unlinked   in use, but its name is gone: programs that start now share with each other only
  damaged    no segment, or one that makes no sense; `cotenant doctor` says more

The folder stands above its segments. ?12 is a process that cannot be seen: its own word for its id.

Exit status: 0 done, 1 failed, 2 wrong usage.";

/// Arguments of `cotenant ls`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Ls {
    /// Also the segments of other users, and shared memory that is not Cotenant's
    #[arg(long, short)]
    all: bool,
    /// Only segments of this scope; '' for those without one
    #[arg(long, value_name = "SCOPE", value_parser = scope)]
    scope: Option<String>,
    /// Writes one JSON document, with exact numbers and every participant (docs/tool.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: From,
}

impl Ls {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let view = View::new(&self.from)?;
        let mut survey = Survey::take(&view, Wanted { all: self.all, elsewhere: true })?;
        if let Some(scope) = &self.scope {
            survey.rows.retain(|row| is_of_scope(row, scope));
        }
        let foreign = if self.all { foreign::find(&view, &mut survey) } else { Vec::new() };
        let written = if self.json {
            json::write(BufWriter::new(std::io::stdout().lock()), &survey, &foreign)
        } else {
            let is_read_by_people = std::io::stdout().is_terminal();
            human::write(BufWriter::new(anstream::stdout().lock()), &survey, &foreign, is_read_by_people)
        };
        finish(written)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// One that no segment can have would only ever list nothing.
fn scope(text: &str) -> Result<String, String> {
    cotenant::inspect::live::check_scope(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

fn is_of_scope(row: &Row, scope: &str) -> bool {
    match row.description() {
        Some(description) => description.scope == scope,
        // What is damaged has its scope in its file's name, if anywhere.
        None => row.file_name.split_once('@').map_or("", |(_, scope)| scope) == scope,
    }
}
