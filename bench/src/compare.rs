//! `compare`: every way of sharing that the project offers, on this machine, in one interleaved run, and which to take.
//!
//! ```text
//! ways      what there is, and what no measurement tells of it
//! measure   every way in turn, round after round        page   the same as one HTML file, with charts
//! ```

mod chart;
mod measure;
mod page;
mod ways;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use comfy_table::{Table, presets};
use serde::Serialize;

use crate::sys;
pub(crate) use measure::{Maker, Measure, attach_image};
use ways::Facts;

/// Sizes of the messages of a stream.
pub(super) const SIZES: [(usize, &str); 5] =
    [(8, "8 B"), (64, "64 B"), (1 << 10, "1 KiB"), (64 << 10, "64 KiB"), (1 << 20, "1 MiB")];

#[derive(Args)]
pub(crate) struct Options {
    /// Under ten seconds; its figures are coarse.
    #[arg(long)]
    quick: bool,
    /// Also writes a page with charts, complete in one file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Prints one JSON document in place of the table.
    #[arg(long)]
    json: bool,
}

/// The version of the document that `--json` prints (docs/benchmarks.md).
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    machine: String,
    quick: bool,
    /// What `messages_per_second` of each way are of.
    message_bytes: [usize; SIZES.len()],
    ways: &'a [Row],
    answers: Vec<Answer>,
}

#[derive(Serialize)]
pub(super) struct Answer {
    question: &'static str,
    way: &'static str,
    note: Option<&'static str>,
}

/// What the figures are.
const LEGEND: &str = "\
msg/s: messages of that size a second, from one process to one other. Every way in turn, round after round, in one run;
medians. A round trip is a message there and one back; one way is half of it. In memory and in a queue, who waits looks
again and again before it sleeps; pipes, sockets and message queues sleep at once. Memory holds one message at a time:
its sender waits until it was taken. What comes through a queue is looked at where it lies, and not copied out.";

/// A way, what is known of it and what was measured.
#[derive(Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    facts: Facts,
    set_up_us: Option<f64>,
    round_trip_ns: Option<f64>,
    one_way_ns: Option<f64>,
    /// In the order of `SIZES`.
    messages_per_second: Vec<Option<f64>>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if let Some(file) = &options.html {
        // Before it is measured for long; a page that is there stays until there is a new one.
        let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
        opened.with_context(|| format!("write {}", file.display()))?;
    }
    let rows = measure::all(options.quick)?;
    if options.json {
        let document = Document {
            schema: SCHEMA,
            machine: sys::machine(),
            quick: options.quick,
            message_bytes: SIZES.map(|(bytes, _)| bytes),
            ways: &rows,
            answers: answers(&rows),
        };
        println!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        println!("{}", sys::machine());
        println!("{}", table(&rows));
        println!("{LEGEND}");
        answers(&rows).iter().for_each(|line| println!("{line}"));
    }
    if let Some(file) = &options.html {
        let page = page::of(&rows, &sys::machine(), options.quick)?;
        std::fs::write(file, page).with_context(|| format!("write {}", file.display()))?;
        eprintln!("wrote {}", file.display());
    }
    Ok(())
}

pub(super) fn time(ns: Option<f64>) -> String {
    match ns {
        None => "-".to_owned(),
        Some(ns) if ns < 1e3 => format!("{ns:.0} ns"),
        Some(ns) if ns < 1e6 => format!("{:.1} us", ns / 1e3),
        Some(ns) => format!("{:.1} ms", ns / 1e6),
    }
}

pub(super) fn rate(per_second: Option<f64>) -> String {
    match per_second {
        None => "-".to_owned(),
        Some(rate) if rate >= 1e6 => format!("{:.1} M", rate / 1e6),
        Some(rate) if rate >= 1e3 => format!("{:.0} k", rate / 1e3),
        Some(rate) => format!("{rate:.0}"),
    }
}

pub(super) fn columns() -> Vec<String> {
    let mut columns: Vec<_> = ["way", "set up", "one way", "round trip"].map(str::to_owned).to_vec();
    columns.extend(SIZES.map(|(_, name)| format!("{name}, msg/s")));
    columns.extend(["unrelated", "survives the last", "protected by", "kill -9"].map(str::to_owned));
    columns
}

impl Row {
    pub(super) fn cells(&self) -> Vec<String> {
        let facts = &self.facts;
        let mut cells = vec![facts.name.to_owned(), time(self.set_up_us.map(|us| us * 1e3))];
        cells.extend([time(self.one_way_ns), time(self.round_trip_ns)]);
        cells.extend(self.messages_per_second.iter().map(|it| rate(*it)));
        cells.extend([facts.unrelated, facts.survives, facts.protected_by, facts.kill].map(str::to_owned));
        cells
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(columns());
    rows.iter().for_each(|row| {
        table.add_row(row.cells());
    });
    table
}

/// Which to take, from what was measured.
pub(super) fn answers(rows: &[Row]) -> Vec<Answer> {
    let best = |of: &dyn Fn(&Row) -> Option<f64>, admits: &dyn Fn(&Row) -> bool| {
        let measured = rows.iter().filter(|row| admits(row)).filter_map(|row| of(row).map(|value| (row, value)));
        let best = measured.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(row, _)| row.facts.name);
        best.unwrap_or("nothing was measured")
    };
    let messages = |row: &Row| row.facts.holds_many;
    let quick = |row: &Row| row.round_trip_ns.map(|ns| -ns);
    let (small, large) = (|row: &Row| row.messages_per_second[1], |row: &Row| row.messages_per_second[4]);
    let answer = |question, way, note| Answer { question, way, note };
    vec![
        answer("state that all see", ways::VARIABLE, Some("an access is a load or a store, whichever is made")),
        answer("soonest answer, here", best(&quick, &|_| true), None),
        answer("most small messages, here", best(&small, &messages), None),
        answer("most large messages, here", best(&large, &messages), None),
        answer("no message lost by a kill", ways::QUEUE, Some("at least once, with acknowledgements")),
        answer("values kept over a restart", ways::FILE, None),
        answer("the other side is not yours", "pipe, FIFO or a socket", None),
    ]
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:<30} {}", format!("{}:", self.question), self.way)?;
        self.note.map_or(Ok(()), |note| write!(f, ": {note}"))
    }
}
