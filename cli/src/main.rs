//! The command `cotenant`. This file parses, dispatches, and says what went wrong: one line, one exit status.
//!
//! 0 done, 1 failed, 2 wrong usage (clap's), 78 nothing can be shared here (`cotenant::EXIT_STATUS`).
//!
//! Nothing is shared before a subcommand asks for it, so that the others work where nothing can be.

mod demo;
// Windows needs the spans of time alone.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod human;
mod inspect;
mod manual;
mod output;

// What looks at segments in use, and what only that needs.
#[cfg(target_os = "linux")]
mod cache;
#[cfg(target_os = "linux")]
mod current;
#[cfg(target_os = "linux")]
mod diff;
#[cfg(target_os = "linux")]
mod difference;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(target_os = "linux")]
mod documents;
#[cfg(target_os = "linux")]
mod get;
#[cfg(target_os = "linux")]
mod happenings;
#[cfg(target_os = "linux")]
mod input;
#[cfg(target_os = "linux")]
mod look;
#[cfg(target_os = "linux")]
mod ls;
#[cfg(target_os = "linux")]
mod metrics;
#[cfg(target_os = "linux")]
mod prune;
#[cfg(target_os = "linux")]
mod published;
#[cfg(target_os = "linux")]
mod reset;
#[cfg(target_os = "linux")]
mod series;
#[cfg(target_os = "linux")]
mod set;
#[cfg(target_os = "linux")]
mod show;
#[cfg(target_os = "linux")]
mod snapshot;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod top;
#[cfg(target_os = "linux")]
mod trace;
#[cfg(target_os = "linux")]
mod typed;
#[cfg(target_os = "linux")]
mod watch;

#[cfg(not(target_os = "linux"))]
mod not_here;
#[cfg(not(target_os = "linux"))]
use not_here::{
    cache, diff, doctor, get, ls, metrics, prune, published, reset, rm, set, show, snapshot, top, trace, watch,
};
#[cfg(target_os = "linux")]
use prune as rm;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

const ENVIRONMENT: &str = "\
Environment:
  COTENANT_DIR        folder of the segments, instead of one in /dev/shm; Linux only
  COTENANT_SCOPE      shares only with programs of the same scope
  COTENANT_PRIVATE=1  shares nothing
  NO_COLOR=1          no colours; there are none anyway where no terminal is

Exit status: 0 done, 1 failed, 2 wrong usage, 78 nothing can be shared here.
`cotenant completions SHELL` prints completions for a shell, `cotenant completions man` manual pages.
`cotenant COMMAND --help` explains a command, with examples.";

/// The commands by what they are for; clap would list them as one.
const HELP: &str = "\
{about}

{usage-heading} {usage}

See what is shared (nothing is changed):
  ls        Lists segments: who is in them, whether anybody is alive, how much memory they take
  show      Shows one segment: its objects, their values, who holds and awaits its locks
  get       Prints values: all of a segment, one object, a part of it, an entry of a cache, a metric
  top       Shows all of it as it changes: segments, people, locks, queues, caches, counters

Find out what happened:
  watch     Prints values as they change
  trace     Tells what happened in a segment, and what happens: attachments, deaths, recoveries
  snapshot  Puts what is in segments at this moment into a file
  diff      Tells what has changed from one snapshot to another, or to now

Change and clean up (says what it did; leaves alone what is in use):
  set       Changes a value, under the locks that guard it, or an entry of a cache
  reset     Frees a lock that nobody can have any more, without ending its processes
  prune     Removes what programs that ended left behind
  rm        Removes segments; refuses those in use

Check programs and this machine:
  inspect   Says which sections of a binary are shared, what that means, and which variables are in them
  doctor    Checks this machine for what makes sharing fail, and names the cure

Try it:
  demo      Shows shared variables at work, with processes of this very command

For one kind of thing: `cotenant metrics` prints all metrics for Prometheus, or serves them; `cotenant cache NAME keys`
(del, clear) is for caches; `cotenant published NAME history` tells who published what, and when.

Options:
{options}

Examples:
  cotenant demo counter          three processes count on one variable
  cotenant top                   meanwhile, in another terminal: who shares what
  cotenant inspect FILE          what a binary shares, and who can write it
{after-help}";

/// Looks into memory that processes share: who is in it, what is in it, who waits for whom, and what went wrong
#[derive(Parser)]
#[command(name = "cotenant", version, help_template = HELP, after_help = ENVIRONMENT)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists segments: who is in them, whether anybody is alive, how much memory they take
    Ls(ls::Ls),
    /// Shows one segment: its objects, their values, who holds and awaits its locks
    Show(show::Show),
    /// Prints values: all of a segment, one object, a part of it, an entry of a cache, a metric
    Get(get::Get),
    /// Shows all of it as it changes: segments, people, locks, queues, caches, counters
    Top(top::Top),
    /// Prints values as they change
    Watch(watch::Watch),
    /// Tells what happened in a segment, and what happens: attachments, deaths, recoveries
    Trace(trace::Trace),
    /// Puts what is in segments at this moment into a file
    Snapshot(snapshot::Snapshot),
    /// Tells what has changed from one snapshot to another, or to now
    Diff(diff::Diff),
    /// Prints counters, gauges and histograms for scrapers, or serves them
    // `get` knows each metric: this is for scrapers.
    #[command(hide = true)]
    Metrics(metrics::Metrics),
    /// Changes a value, under the locks that guard it, or an entry of a cache
    Set(set::Set),
    /// Shows what one publishes and all see, and publishes it
    // `get`, `set` and `watch` know published values: this is for their history.
    #[command(hide = true)]
    Published(published::Published),
    /// Shows a shared cache, and changes it
    // `get` and `set` know each entry: this is for the keys, and for taking entries away.
    #[command(hide = true)]
    Cache(cache::Cache),
    /// Checks this machine for what makes sharing fail, and names the cure
    Doctor(doctor::Doctor),
    /// Removes what programs that ended left behind
    Prune(prune::Prune),
    /// Removes segments; refuses those in use
    Rm(rm::Rm),
    /// Frees a lock that nobody can have any more, without ending its processes
    Reset(reset::Reset),
    /// Says which sections of a binary are shared, what that means, and which variables are in them
    Inspect(inspect::Inspect),
    /// Shows shared variables at work, with processes of this very command
    #[command(subcommand)]
    Demo(demo::Demo),
    /// Prints completions for a shell, or manual pages
    #[command(hide = true)]
    Completions(manual::Completions),
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Ls(ls) => ls.run(),
        Command::Show(show) => show.run(),
        Command::Get(get) => get.run(),
        Command::Top(top) => top.run(),
        Command::Watch(watch) => watch.run(),
        Command::Trace(trace) => trace.run(),
        Command::Snapshot(snapshot) => snapshot.run(),
        Command::Diff(diff) => diff.run(),
        Command::Metrics(metrics) => metrics.run(),
        Command::Set(set) => set.run(),
        Command::Published(published) => published.run(),
        Command::Cache(cache) => cache.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Prune(prune) => prune.run(),
        Command::Rm(rm) => rm.run(),
        Command::Reset(reset) => reset.run(),
        Command::Inspect(inspect) => inspect.run(),
        Command::Demo(demo) => demo.run(),
        Command::Completions(completions) => completions.run(Arguments::command()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    run(&arguments.command).unwrap_or_else(|error| {
        output::complain(&format!("{error:#}"));
        exit_code(&error)
    })
}

/// Whoever starts us over and over should not if nothing can be shared; all else is worth another try.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    let is_about_sharing = error.chain().any(|cause| cause.is::<cotenant::Error>());
    ExitCode::from(if is_about_sharing { cotenant::EXIT_STATUS as u8 } else { 1 })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn help_names_every_command_with_what_it_does() {
        let command = super::Arguments::command();
        for subcommand in command.get_subcommands().filter(|it| !it.is_hide_set()) {
            let (name, about) = (subcommand.get_name(), subcommand.get_about().map(ToString::to_string));
            let about = about.unwrap_or_default();
            let about = about.split(", and").next().unwrap_or_default();
            let line = super::HELP.lines().find(|line| line.trim_start().starts_with(&format!("{name} ")));
            let Some(line) = line else { panic!("{name} is not in the help") };
            assert!(line.contains(about), "{line:?} does not say {about:?}");
        }
        super::Arguments::command().debug_assert();
    }
}
