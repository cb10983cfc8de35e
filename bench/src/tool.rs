//! Group `tool`: what looking costs: the command beside a segment with much in it, and its screen beside many segments.
//!
//! The command is the one that was built beside this program (`cargo build --release -p cotenant-cli`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use anyhow::{Context, ensure};
use cotenant::{Segment, sync::Mutex};

use crate::figure::{Figure, median_of};
use crate::goal::Goal;
use crate::rounds::Samples;
use crate::{Effort, Report, home, sys};

const GROUP: &str = "tool";
const LIST: &str = "10,000 objects, 1,000 participants";
const WATCH: &str = "100 segments, one look a second";
const OBJECTS: usize = 10_000;
const PARTICIPANTS: usize = 1_000;
const SEGMENTS: usize = 100;
const LIST_MS: f64 = 200.0;
const TOP_PERCENT: f64 = 2.0;

pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let home = home::make()?;
    let measured = tool().and_then(|tool| measure(&tool, home.path(), effort));
    let (ls, show, top) = match measured {
        Ok(measured) => measured,
        Err(error) => {
            let skipped: Samples = Err(format!("{error:#}"));
            report.figures.push(Figure::new(GROUP, LIST, "cotenant", "ms", &skipped));
            return Ok(report);
        }
    };
    report.figures.push(Figure::new(GROUP, LIST, "cotenant ls", "ms", &Ok(ls)));
    report.figures.push(Figure::new(GROUP, LIST, "cotenant show", "ms", &Ok(show)));
    report.figures.push(Figure::new(GROUP, WATCH, "cotenant top", "% of a core", &Ok(top)));
    let of = |case: &str, subject: &str| median_of(&report.figures, case, subject);
    let goals = [
        Goal::at_most("ls of them in 200 ms", of(LIST, "cotenant ls"), LIST_MS, "ms"),
        Goal::at_most("show of them in 200 ms", of(LIST, "cotenant show"), LIST_MS, "ms"),
        Goal::at_most("top at 2 % of a core", of(WATCH, "cotenant top"), TOP_PERCENT, "%"),
    ];
    report.goals.extend(goals);
    Ok(report)
}

/// The command beside this program.
fn tool() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("cotenant");
    ensure!(path.exists(), "no {}: cargo build --release -p cotenant-cli", path.display());
    Ok(path)
}

type Measured = (Vec<f64>, Vec<f64>, Vec<f64>);

fn measure(tool: &Path, folder: &Path, effort: Effort) -> anyhow::Result<Measured> {
    let rounds = if effort.quick { 2 } else { effort.rounds.min(9) };
    let large = folder.join("large");
    std::fs::create_dir(&large)?;
    let (mut ls, mut show) = (Vec::new(), Vec::new());
    {
        let _crowd = crowded(&large)?;
        for _ in 0..rounds {
            ls.push(milliseconds(tool, &large, &["ls"])?);
            show.push(milliseconds(tool, &large, &["show", "large"])?);
        }
    }
    let many = folder.join("many");
    std::fs::create_dir(&many)?;
    let mut segments = Vec::new();
    for nth in 0..SEGMENTS {
        let options = Segment::options().folder(&many).max_bytes(1 << 20);
        let segment = options.create(&format!("segment.{nth}")).context("make a segment")?;
        segment.get_or_init("done", || AtomicU64::new(nth as u64))?;
        segment.get_or_init("total", || Mutex::new([0_u64; 4]))?;
        segments.push(segment);
    }
    let seconds = if effort.quick { 5 } else { 20 };
    let mut top = Vec::new();
    for _ in 0..if effort.quick { 1 } else { 3 } {
        let mut command = Command::new(tool);
        command.args(["top", "--for", &format!("{seconds}s")]).env("COTENANT_DIR", &many);
        let cpu_seconds = sys::on_a_terminal(command).context("run top on a terminal")?;
        top.push(cpu_seconds / f64::from(seconds) * 100.0);
    }
    Ok((ls, show, top))
}

/// A segment with many objects, and as many children that are attached to it.
fn crowded(folder: &Path) -> anyhow::Result<(sys::Crowd, Segment)> {
    let options = Segment::options().folder(folder).max_bytes(64 << 20).max_objects(OBJECTS as u32 + 8);
    let segment = options.create("large").context("make a segment")?;
    for nth in 0..OBJECTS {
        segment.get_or_init(&format!("object.{nth}"), || AtomicU64::new(nth as u64))?;
    }
    let lock = segment.get_or_init("lock", || Mutex::new(0_u64))?;
    // A child takes a slot when it first locks something.
    let crowd = sys::Crowd::of(PARTICIPANTS - 1, || drop(lock.lock()))?;
    Ok((crowd, segment))
}

fn milliseconds(tool: &Path, folder: &Path, arguments: &[&str]) -> anyhow::Result<f64> {
    let mut command = Command::new(tool);
    command.args(arguments).env("COTENANT_DIR", folder).stdin(Stdio::null());
    let start = Instant::now();
    let output = command.output().context("start the command")?;
    let passed = start.elapsed();
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    ensure!(!output.stdout.is_empty(), "{arguments:?} says nothing");
    Ok(passed.as_secs_f64() * 1e3)
}
