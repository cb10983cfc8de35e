//! `cotenant doctor`: checks this machine for what makes sharing fail, or will, and names the cure.
//!
//! Each check is a line: fine, a warning (it works, but will not always) or a problem (it does not work). What cannot
//! be found out is said, and is no failure.

mod cgroup;
mod folder;
mod kernel;
mod limits;
mod policy;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use cotenant::inspect::printable;
use serde_json::json;

use crate::look::{From, Survey, View, Wanted};
use crate::output::finish;
use crate::table::{BOLD, FAINT, FINE, PROBLEM, WARNING};

const EXAMPLES: &str = "\
Examples:
  cotenant doctor                     this machine, for this user
  cotenant doctor --quiet             only what is not fine
  sudo cotenant doctor --pid 4711     for process 4711: its container, user, limits and cgroup
  cotenant doctor --json | jq '.checks[] | select(.status != \"ok\")'

What every check means and what to do: docs/operations.md.

Exit status: 0 all is fine, 1 a warning or problem, 2 wrong usage.";

/// The version of the document.
const SCHEMA: u32 = 1;

/// Arguments of `cotenant doctor`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// Only shows what is not fine
    #[arg(long, short)]
    quiet: bool,
    /// Writes one JSON document (docs/tool.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: From,
}

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    Ok,
    Warning,
    Problem,
    /// It could not be found out.
    Unknown,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Problem => "problem",
            Status::Unknown => "unknown",
        }
    }
}

/// One check: its name for programs, what was found, and what to do about it.
pub(super) struct Check {
    name: &'static str,
    status: Status,
    found: String,
    cure: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Check {
        Check { name, status: Status::Ok, found: found.into(), cure: None }
    }

    pub(super) fn warning(name: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Check {
        Check { name, status: Status::Warning, found: found.into(), cure: Some(cure.into()) }
    }

    pub(super) fn problem(name: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Check {
        Check { name, status: Status::Problem, found: found.into(), cure: Some(cure.into()) }
    }

    pub(super) fn unknown(name: &'static str, found: impl Into<String>) -> Check {
        Check { name, status: Status::Unknown, found: found.into(), cure: None }
    }
}

impl Doctor {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let view = View::new(&self.from)?;
        let survey = Survey::take(&view, Wanted { all: false, elsewhere: true })?;
        let mut checks = folder::checks(&view, &survey);
        checks.extend(policy::checks(&view));
        checks.extend(limits::checks(&view));
        checks.extend(cgroup::checks(&view));
        checks.extend(kernel::checks(&view, &survey));
        let written = if self.json {
            json(BufWriter::new(io::stdout().lock()), &checks, &survey)
        } else {
            self.words(BufWriter::new(anstream::stdout().lock()), &checks, &survey)
        };
        finish(written)?;
        let is_fine = checks.iter().all(|check| matches!(check.status, Status::Ok | Status::Unknown));
        Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn words(&self, mut out: impl Write, checks: &[Check], survey: &Survey) -> io::Result<()> {
        for check in checks {
            let style = match check.status {
                Status::Ok if self.quiet => continue,
                Status::Ok => FINE,
                Status::Unknown => FAINT,
                Status::Warning => WARNING,
                Status::Problem => PROBLEM,
            };
            let word = check.status.word();
            let found = printable_lines(&check.found);
            writeln!(out, "{style}{word:>7}{style:#}  {BOLD}{}{BOLD:#}: {found}", check.name)?;
            if let Some(cure) = &check.cure {
                writeln!(out, "         -> {}", printable_lines(cure))?;
            }
        }
        for line in &survey.unseen {
            writeln!(out, "{FAINT}not seen: {}{FAINT:#}", printable(line))?;
        }
        let count = |status| checks.iter().filter(|check| check.status == status).count();
        let (problems, warnings) = (count(Status::Problem), count(Status::Warning));
        if !self.quiet {
            writeln!(out, "{}, {}", counted(problems, "problem"), counted(warnings, "warning"))?;
        }
        out.flush()
    }
}

fn counted(number: usize, noun: &str) -> String {
    let number_text = if number == 0 { "no".to_owned() } else { number.to_string() };
    format!("{number_text} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Names of files and users may be in it; sentences are longer than names.
fn printable_lines(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] }).collect()
}

fn json(mut out: impl Write, checks: &[Check], survey: &Survey) -> io::Result<()> {
    let documents = checks.iter().map(
        |check| json!({ "name": check.name, "status": check.status.word(), "found": check.found, "cure": check.cure }),
    );
    let document = json!({ "schema": SCHEMA, "checks": documents.collect::<Vec<_>>(), "not_seen": survey.unseen });
    serde_json::to_writer_pretty(&mut out, &document)?;
    writeln!(out)?;
    out.flush()
}
