//! `hits`: replays a trace through the real cache beside others, and prints who hits how often.
//!
//! ```text
//! trace      key, size; from a file (CSV: time, key, size) or generated: zipf, scan
//! caches     cotenant's, quick_cache, moka (W-TinyLFU), LRU, FIFO      each with a budget of bytes of keys and values
//! ```
//!
//! The budgets are parts of the footprint: the bytes of all keys of the trace, each once. What a cache needs for itself
//! comes on top for all: for cotenant's the memory of an entry's head and index, which its own budget counts.

mod caches;
mod trace;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::goal::Goal;
use trace::Trace;

#[derive(Args)]
pub(crate) struct Options {
    /// A trace to replay, in place of the generated ones: CSV with time, key, size in each line; times are not looked
    /// at.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// How many keys the generated traces have.
    #[arg(long, default_value_t = 500_000)]
    keys: usize,
    /// How many requests they have.
    #[arg(long, default_value_t = 3_000_000)]
    requests: usize,
    /// Prints one JSON object per line in place of tables.
    #[arg(long)]
    json: bool,
}

/// Of the footprint, in parts of a thousand.
const BUDGETS: [u64; 3] = [1, 10, 100];
const OURS: &str = "cotenant Cache";
const FIFO: &str = "FIFO";
/// Percentage points that ours may be under the best.
const BEHIND_POINTS: f64 = 1.0;
/// Of FIFO's misses on the Zipf trace, at most.
const OF_FIFO: f64 = 0.8;

/// One cache's requests at one budget.
struct Outcome {
    trace: String,
    budget: u64,
    cache: &'static str,
    hit_percent: f64,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let traces = match &options.trace {
        Some(path) => vec![Trace::read(path)?],
        None => vec![
            Trace::zipf(options.keys, options.requests),
            Trace::scan(options.keys, options.requests, false),
            Trace::scan(options.keys, options.requests, true),
        ],
    };
    let mut out = std::io::stdout().lock();
    for trace in &traces {
        let footprint = trace.footprint_bytes();
        writeln!(out, "{}: {} requests, {} bytes of keys and values", trace.name, trace.requests.len(), footprint)?;
        for budget in BUDGETS {
            let outcomes = replay(trace, footprint, budget)?;
            print(&mut out, options, &outcomes)?;
        }
    }
    Ok(())
}

fn replay(trace: &Trace, footprint: u64, budget: u64) -> anyhow::Result<Vec<Outcome>> {
    let bytes = footprint * budget / 1000;
    let mean = trace.mean_bytes();
    let mut caches = caches::all(bytes, mean, trace.longest_bytes())?;
    Ok(caches
        .iter_mut()
        .map(|(name, cache)| {
            let hits = trace.requests.iter().filter(|request| cache.request(**request)).count();
            let hit_percent = hits as f64 * 100.0 / trace.requests.len() as f64;
            Outcome { trace: trace.name.clone(), budget, cache: name, hit_percent }
        })
        .collect())
}

fn print(out: &mut impl Write, options: &Options, outcomes: &[Outcome]) -> anyhow::Result<()> {
    for Outcome { trace, budget, cache, hit_percent } in outcomes {
        let percent = *budget as f64 / 10.0;
        if options.json {
            let object = serde_json::json!({
                "group": "hits", "case": format!("{trace}, {percent} %"), "subject": cache,
                "median": (hit_percent * 1000.0).round() / 1000.0, "unit": "%",
            });
            writeln!(out, "{object}")?;
        } else {
            writeln!(out, "  {percent:>5} %  {cache:<24} {hit_percent:>7.2} % hits")?;
        }
    }
    let of = |name: &str| outcomes.iter().find(|it| it.cache == name).map(|it| it.hit_percent);
    let best = outcomes.iter().filter(|it| it.cache != OURS).map(|it| it.hit_percent).reduce(f64::max);
    let behind = best.zip(of(OURS)).map(|(best, ours)| best - ours);
    if !options.json {
        let text = format!("at most {BEHIND_POINTS} points under the best");
        writeln!(out, "{}", Goal::new(text, behind.map(|it| (format!("{it:.2}"), it <= BEHIND_POINTS))))?;
        if outcomes.first().is_some_and(|it| it.trace == trace::ZIPF) {
            let ratio = of(OURS).zip(of(FIFO)).map(|(ours, fifo)| (100.0 - ours) / (100.0 - fifo));
            let text = format!("at most {OF_FIFO} of FIFO's misses");
            writeln!(out, "{}", Goal::new(text, ratio.map(|it| (format!("{it:.2}"), it <= OF_FIFO))))?;
        }
    }
    Ok(())
}
