//! `stress WHAT`: many processes work, one is killed all the time, and nothing may be lost or done twice.
//!
//! ```text
//! options       what is asked for
//! supervisor    starts, kills, starts again          worker    what a process does: a `kind` of work
//! words         what they tell each other            outcome   what is printed
//! locks   cache   metrics   series   waiters          the kinds
//! ```

mod cache;
mod kind;
mod locks;
mod metrics;
mod options;
mod outcome;
mod published;
mod queue;
mod random;
mod series;
mod supervisor;
mod waiters;
mod words;
mod worker;

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::Context;

pub(crate) use options::{Options, Role};
use words::Words;

/// A whole run. Fails if there was a violation.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if let Some(why) = crate::sys::NO_STARTS {
        anyhow::bail!(why);
    }
    if options.what == options::What::Waiters {
        return waiters::run(options);
    }
    if options.what == options::What::Series {
        return series::run(options);
    }
    let run = supervisor::run(options, kind::of(options.what))?;
    outcome::print(options, kind::of(options.what), &run)
}

/// A process of a run that another one supervises.
pub(crate) fn play(role: &Role) -> anyhow::Result<()> {
    let kind = kind::of(role.what);
    match role.place {
        Some(seat) => worker::work(kind, role, seat),
        None => keep(kind, role),
    }
}

/// Is attached until told that nobody else is; then looks at what they left.
fn keep(kind: &dyn kind::Kind, role: &Role) -> anyhow::Result<()> {
    crate::sys::end_with_parent();
    kind.attach(role).context("attach")?;
    let mut out = std::io::stdout();
    out.write_all(b".")?;
    out.flush()?;
    let mut told = Vec::new();
    std::io::stdin().read_to_end(&mut told)?;
    // Nothing: the supervisor is gone.
    if !told.is_empty() {
        kind.look_at_the_end(&Words::open(&role.words)?);
    }
    Ok(())
}
