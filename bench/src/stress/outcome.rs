//! What a run came to: goals for people, and the closing object.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::Ordering::SeqCst;

use serde::Serialize;

use super::kind::Kind;
use super::options::Options;
use super::supervisor::Run;
use crate::goal::Goal;

/// From a kill until the kernel tells that the owner is dead, without the robust list: this, and more for each GiB.
const LAW_MS: f64 = 0.3;
const LAW_MS_PER_GIB: f64 = 90.0;
/// Between two looks of a waiter at an owner, at most.
const LONGEST_SLEEP_MS: f64 = 20.0;
const GIB: f64 = (1_u64 << 30) as f64;

#[derive(Serialize)]
struct Closing<'a> {
    what: &'a str,
    processes: u32,
    operations: u64,
    kills: u64,
    recoveries: u64,
    recovery_ms: Option<Recovery>,
    #[serde(flatten)]
    counts: BTreeMap<&'static str, u64>,
    violations: u64,
}

/// Of the recoveries by somebody who waited already when the owner was killed.
#[derive(Clone, Copy, Serialize)]
struct Recovery {
    p50: f64,
    p99: f64,
    max: f64,
}

pub(super) fn print(options: &Options, kind: &dyn Kind, run: &Run) -> anyhow::Result<ExitCode> {
    let violations = run.words.violations().load(SeqCst);
    let recovery_ms = recovery(run.recovery_ms.iter().map(|(_, ms)| *ms));
    let closing = Closing {
        what: kind.name(),
        processes: options.processes,
        operations: run.words.each_place().map(|place| place.operations().load(SeqCst)).sum(),
        kills: run.kills,
        recoveries: run.recoveries,
        recovery_ms,
        counts: kind.counts(&run.words).into_iter().collect(),
        violations,
    };
    let mut out = std::io::stdout().lock();
    if !options.json {
        let Closing { operations, processes, kills, .. } = closing;
        writeln!(out, "{operations} operations by {processes} processes at a time, {kills} of which were killed")?;
        if !run.recovery_ms.is_empty() {
            writeln!(out, "from the kill to the next owner, where somebody waited already:")?;
        }
        let names: BTreeSet<_> = run.recovery_ms.iter().map(|(name, _)| *name).collect();
        for name in names {
            let of_it: Vec<f64> = run.recovery_ms.iter().filter(|(it, _)| *it == name).map(|(_, ms)| *ms).collect();
            if let Some(Recovery { p50, p99, max }) = recovery(of_it.iter().copied()) {
                writeln!(out, "  {name}: {} times, p50 {p50} ms, p99 {p99} ms, max {max} ms", of_it.len())?;
            }
        }
        let text = "nothing lost, done twice, torn or out of order";
        writeln!(out, "{}", Goal::new(text, Some((format!("{violations} violations"), violations == 0))))?;
        if recovery_ms.is_some() {
            writeln!(out, "{}", goal(options, recovery_ms))?;
        }
    }
    writeln!(out, "{}", serde_json::to_string(&closing)?)?;
    Ok(if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn goal(options: &Options, recovery: Option<Recovery>) -> Goal {
    if options.no_robust_list {
        let law = LAW_MS + LAW_MS_PER_GIB * options.resident as f64 / GIB;
        let text =
            format!("without the robust list, median: the law of {law:.1} ms, and {LONGEST_SLEEP_MS} ms of sleep");
        Goal::at_most(text, recovery.map(|it| it.p50), law + LONGEST_SLEEP_MS, "ms")
    } else {
        let text = "from the kill to the next owner, p99: under 1 ms";
        Goal::new(text, recovery.map(|it| (format!("{:.3} ms", it.p99), it.p99 < 1.0)))
    }
}

fn recovery(recovery_ms: impl Iterator<Item = f64>) -> Option<Recovery> {
    let mut sorted: Vec<f64> = recovery_ms.collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = |part: f64| (sorted[(last as f64 * part).ceil() as usize] * 1000.0).round() / 1000.0;
    Some(Recovery { p50: at(0.5), p99: at(0.99), max: at(1.0) })
}
