//! The crash matrix: processes killed at every instruction of every operation (tests/crash), and the table of what was
//! tried, written into docs/safety.md.
//!
//! A release build: it has a tenth of a debug build's instructions, and they are those that users run.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::tally::Tally;
use crate::workshop::Workshop;

const PAGE: &str = "docs/safety.md";
const BEGIN: &str = "<!-- crash matrix: begin -->\n";
const END: &str = "<!-- crash matrix: end -->\n";

/// Which crash points to try.
#[derive(clap::Args)]
pub(crate) struct Choice {
    /// Kill at every n-th instruction only; of operations of at most 2,000 instructions at each all the same
    #[arg(long, default_value_t = 1, value_name = "N")]
    every: usize,
    /// Only operations whose names contain this; docs/safety.md stays as it is
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Only this crash point, after so many instructions; with --operation
    #[arg(long, value_name = "K", requires = "operation")]
    step: Option<usize>,
}

pub(crate) fn run(workshop: &Workshop, choice: &Choice) -> Result<Tally> {
    let mut command = workshop.cargo();
    command.args(["test", "--release", "--package", "cotenant", "--test", "crash", "--"]);
    command.args(["--every", &choice.every.to_string()]);
    if let Some(operation) = &choice.operation {
        command.args(["--operation", operation]);
    }
    if let Some(step) = choice.step {
        command.args(["--step", &step.to_string()]);
    }
    let (table, is_success) = table_of(&mut command)?;
    if table.is_empty() {
        bail!("the matrix said nothing");
    }
    print!("{table}");
    if choice.operation.is_none() {
        let page = workshop.root.join(PAGE);
        let text = std::fs::read_to_string(&page).with_context(|| format!("reading {PAGE}"))?;
        std::fs::write(&page, with_table(&text, &table, choice.every)?).with_context(|| format!("writing {PAGE}"))?;
    }
    Ok(if is_success { Tally::PASS } else { Tally::FAIL })
}

/// The lines of the table among what the command says, and whether it ended well.
fn table_of(command: &mut Command) -> Result<(String, bool)> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("running the matrix")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| line.starts_with('|')).map(|line| format!("{line}\n"));
    Ok((lines.collect(), output.status.success()))
}

/// The page with `table` between the marks.
fn with_table(page: &str, table: &str, every: usize) -> Result<String> {
    let marks = format!("{PAGE} has no marks {} and {}", BEGIN.trim_end(), END.trim_end());
    let (before, rest) = page.split_once(BEGIN).with_context(|| marks.clone())?;
    let (_, after) = rest.split_once(END).context(marks)?;
    let instruction = if every == 1 {
        "every instruction".to_owned()
    } else {
        format!("every instruction (of operations of more than 2,000, at 1 of {every})")
    };
    let architecture = std::env::consts::ARCH;
    let made = format!("Release build, {architecture}, a death at {instruction} and asleep in every wait:");
    Ok(format!("{before}{BEGIN}{made}\n\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_replaces_what_is_between_the_marks() {
        let page = format!("a\n{BEGIN}old\n{END}b\n");
        let written = with_table(&page, "| new |\n", 3).expect("marks");
        assert!(written.starts_with(&format!("a\n{BEGIN}Release build")), "{written}");
        assert!(written.ends_with(&format!("at 1 of 3) and asleep in every wait:\n\n| new |\n{END}b\n")));
        assert_eq!(with_table(&written, "| new |\n", 3).expect("marks"), written);
    }

    #[test]
    fn page_without_marks_is_an_error() {
        assert!(with_table("a\n", "| new |\n", 1).is_err());
    }
}
