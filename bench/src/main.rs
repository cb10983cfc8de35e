//! `cotenant-bench GROUP...`: measures Cotenant beside its peers and the physical limits.
//!
//! ```text
//! main      what was asked for
//! statics   attach   locks   segments   published   the groups: which subjects, which goals
//! stress                     many processes, some of them killed
//! rounds    subject          every subject in turn, many rounds
//! figure    table   goal     what is printed
//! sys       probe   boost    what the system and the programs that are started must do
//! ```
//!
//! docs/benchmarks.md says what each case means and what was measured.

mod attach;
mod boost;
mod cache;
mod channels;
mod compare;
mod figure;
mod goal;
mod hits;
mod home;
mod locks;
mod metrics;
mod published;
mod rounds;
mod segments;
mod statics;
mod stress;
mod subject;
mod sys;
mod table;
mod tool;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::figure::Figure;
use crate::goal::Goal;

/// Measures Cotenant beside its peers and the physical limits, every subject in turn, in one run.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// What to measure.
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<Group>,
    /// Prints one JSON object per line in place of tables.
    #[arg(long)]
    json: bool,
    /// How many rounds; each measures every subject several times.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Few and short rounds: shows that everything runs, its figures say little.
    #[arg(long)]
    quick: bool,
    /// Measures only what has this in `CASE: SUBJECT`, as the table names them, such as `round trip` or `: cotenant`.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Many processes work, one is killed all the time; status 1 if something was lost or done twice.
    Stress(stress::Options),
    /// Replays a trace through the shared cache beside others: who hits how often with how much memory.
    Hits(hits::Options),
    /// Every way of sharing on this machine, and which to take.
    Compare(compare::Options),
    /// A process of such a run.
    #[command(hide = true)]
    Play(stress::Role),
    /// A process of a comparison.
    #[command(hide = true)]
    AttachImage,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// A shared static beside a plain one: time and number of instructions of an access.
    Statics,
    /// What attaching adds to the start of a program.
    Attach,
    /// Locks beside private ones and what others have between processes.
    Locks,
    /// Making and joining a segment, and its named objects.
    Segments,
    /// A value that one publishes and others load, beside a seqlock and what others have.
    Published,
    /// The shared cache beside private ones, and what others have between processes.
    Cache,
    /// Messages from process to process, beside what others have.
    Channels,
    /// Counters, histograms, scrapes and rate limits of all processes.
    Metrics,
    /// What looking costs: the command beside a crowded segment, its screen beside many.
    Tool,
}

/// How much to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    rounds: u32,
    quick: bool,
}

/// What a group found.
#[derive(Default)]
pub(crate) struct Report {
    figures: Vec<Figure>,
    goals: Vec<Goal>,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    match &options.command {
        Some(Command::Play(role)) => return stress::play(role).map(|()| ExitCode::SUCCESS),
        Some(Command::AttachImage) => {
            println!("{}", compare::attach_image()?);
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Compare(options)) => return compare::run(options).map(|()| ExitCode::SUCCESS),
        Some(Command::Stress(options)) => {
            eprintln!("{}", sys::machine());
            return stress::run(options);
        }
        Some(Command::Hits(options)) => return hits::run(options).map(|()| ExitCode::SUCCESS),
        None => {}
    }
    let effort =
        Effort { rounds: if options.quick { options.rounds.min(3) } else { options.rounds }, quick: options.quick };
    if let Some(only) = &options.only {
        rounds::ONLY.get_or_init(|| only.clone());
    }
    eprintln!("{}", sys::machine());
    let mut done = Vec::new();
    for group in &options.groups {
        if done.contains(group) {
            continue;
        }
        done.push(*group);
        let mut report = match group {
            Group::Statics => statics::run(effort)?,
            Group::Attach => attach::run(effort)?,
            Group::Locks => locks::run(effort)?,
            Group::Segments => segments::run(effort)?,
            Group::Published => published::run(effort)?,
            Group::Cache => cache::run(effort)?,
            Group::Channels => channels::run(effort)?,
            Group::Metrics => metrics::run(effort)?,
            Group::Tool => tool::run(effort)?,
        };
        report.figures.retain(Figure::was_asked_for);
        report.goals.retain(|goal| options.only.is_none() || goal.was_measured());
        print(&report, options.json)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        for figure in &report.figures {
            writeln!(out, "{}", serde_json::to_string(figure)?)?;
        }
        return Ok(());
    }
    writeln!(out, "{}", table::of(&report.figures))?;
    for goal in &report.goals {
        writeln!(out, "{goal}")?;
    }
    Ok(())
}
