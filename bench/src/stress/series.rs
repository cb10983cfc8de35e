//! Many series and many processes over time: memory and the time of a scrape, which must not grow with them.
//!
//! ```text
//! wave 1: so many processes at once, each counts      then half of them end, half are killed
//! wave 2: ...                                         the same memory, the same scrape
//! ```

use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cotenant::Segment;
use cotenant::metrics::{Across, Format, Metrics, Value};
use serde::Serialize;

use super::kind::Kind;
use super::options::{Options, Role};
use super::supervisor::Supervisor;
use super::words::Words;
use super::worker::{Worker, violation};
use crate::goal::Goal;
use crate::home;

const PATIENCE: Duration = Duration::from_secs(180);
const SERIES: u32 = 10_000;
/// Processes over time.
const LIVES: u32 = 10_000;
/// Additions of each process.
const ADDITIONS: u64 = 200;
const NAME: &str = "cotenant.bench.series";

pub(super) struct Series;

static SEGMENT: OnceLock<&'static Segment> = OnceLock::new();

/// In `folder`; the processes of a wave have it from their environment.
fn open(folder: Option<&Path>) -> anyhow::Result<()> {
    let options = Segment::options().max_bytes(32 << 20).max_participants(1024);
    let options = folder.map_or_else(|| options.clone(), |folder| options.clone().folder(folder));
    SEGMENT.set(options.open_or_create(NAME)?.leak()).map_err(|_| anyhow::anyhow!("opened twice"))
}

fn segment() -> anyhow::Result<&'static Segment> {
    SEGMENT.get().copied().context("no segment is open")
}

fn metrics() -> anyhow::Result<Metrics<'static>> {
    let options = Metrics::options().max_series(SERIES + 16).max_bytes(24 << 20).cells(16).max_processes(1000);
    Ok(options.open_or_create(segment()?, "metrics")?)
}

impl Kind for Series {
    fn name(&self) -> &'static str {
        "series"
    }

    fn name_of(&self, _what: u64) -> &'static str {
        "series"
    }

    fn processes_max(&self) -> u32 {
        900
    }

    fn attach(&self, _role: &Role) -> anyhow::Result<()> {
        open(None)
    }

    /// Counts, and waits until the wave is over.
    fn act(&self, worker: &mut Worker) {
        if worker.place.holds().load(SeqCst) == 1 {
            return; // Once is enough.
        }
        if let Err(error) = count(worker) {
            worker.violation(&format!("{error:#}"));
        }
        worker.place.holds().store(1, SeqCst);
        while worker.words.stop().load(Relaxed) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn look_at_the_end(&self, _words: &Words) {}
}

fn count(worker: &mut Worker) -> anyhow::Result<()> {
    let metrics = metrics()?;
    metrics.gauge("working", &[], Across::Sum)?.set(1.0);
    let thread = metrics.thread();
    for nth in 0..ADDITIONS {
        let series = worker.random.below(SERIES.into()).to_string();
        let counter = metrics.counter("many", &[("number", &series)])?;
        if nth % 2 == 0 { counter.increment() } else { thread.counter(&counter).increment() }
    }
    Ok(())
}

/// What is told after some waves.
#[derive(Serialize)]
struct Look {
    processes_so_far: u32,
    segment_bytes: u64,
    render_ms: f64,
    text_bytes: usize,
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let home = home::make()?;
    open(Some(home.path()))?;
    let metrics = metrics()?;
    for number in 0..SERIES {
        metrics.counter("many", &[("number", &number.to_string())]).context("add a series")?;
    }
    let waves = LIVES.div_ceil(options.processes);
    let mut looks = vec![look(&metrics, 0)?];
    let (mut lives, mut violations) = (0, 0);
    for wave in 0..waves {
        let path = home.path().join(format!("words-{wave}"));
        let words = Words::create(&path, options.processes as usize)?;
        let mut supervisor = Supervisor::new(options, &Series, home.path(), words).with_words(path.clone());
        for place in 0..words.places {
            supervisor.start_at(place)?;
        }
        let all_have_counted = || words.each_place().all(|place| place.holds().load(SeqCst) == 1);
        wait_until("all have counted", all_have_counted)?;
        lives += options.processes;
        check_wave(&metrics, &words, lives);
        supervisor.kill_every_other()?;
        supervisor.stop();
        violations += words.violations().load(SeqCst);
        std::fs::remove_file(path)?;
        if wave % waves.div_ceil(5) == 0 || wave + 1 == waves {
            looks.push(look(&metrics, lives)?);
            println!("{}", serde_json::to_string(looks.last().expect("just pushed"))?);
        }
    }
    print(options, &looks, lives, violations)
}

fn check_wave(metrics: &Metrics<'_>, words: &Words, lives: u32) {
    let snapshot = metrics.snapshot();
    let family = snapshot.families().iter().find(|family| family.name == "many");
    let values = family.into_iter().flat_map(|family| &family.samples).map(|sample| &sample.value);
    let total: u64 = values.map(|value| if let Value::Counter(total) = value { *total } else { 0 }).sum();
    let expected = u64::from(lives) * ADDITIONS;
    if total != expected {
        violation(words, &format!("{total} were counted of {expected}"));
    }
    let working = snapshot.get("working", &[]);
    if working != Some(&Value::Gauge(words.places as f64)) {
        violation(words, &format!("{working:?} work of {}", words.places));
    }
}

fn look(metrics: &Metrics<'_>, processes_so_far: u32) -> anyhow::Result<Look> {
    let mut times: Vec<f64> = Vec::new();
    let mut text_bytes = 0;
    for _ in 0..9 {
        let start = Instant::now();
        text_bytes = metrics.snapshot().render(Format::Prometheus).len();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let render_ms = (crate::rounds::median(&mut times) * 100.0).round() / 100.0;
    Ok(Look { processes_so_far, segment_bytes: segment()?.used_bytes(), render_ms, text_bytes })
}

fn print(options: &Options, looks: &[Look], lives: u32, violations: u64) -> anyhow::Result<ExitCode> {
    let (Some(first), Some(last)) = (looks.get(1), looks.last()) else { anyhow::bail!("no wave came to its end") };
    let is_flat = first.segment_bytes == last.segment_bytes && first.text_bytes.abs_diff(last.text_bytes) < 65_536;
    if !options.json {
        println!("{}", Goal::at_most("violations: none", Some(violations as f64), 0.0, "of them"));
        let text = format!("memory is flat after {lives} processes");
        println!("{}", Goal::new(text, Some((format!("{} bytes", last.segment_bytes), is_flat))));
        println!("{}", Goal::at_most("render of 10,000 series: under 10 ms", Some(last.render_ms), 10.0, "ms"));
    }
    let processes = options.processes;
    let closing = serde_json::json!({
        "what": "series", "series": SERIES, "processes": processes, "lives": lives, "violations": violations,
        "segment_bytes": last.segment_bytes, "render_ms": { "first": first.render_ms, "last": last.render_ms },
    });
    println!("{closing}");
    Ok(if violations == 0 && is_flat { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn wait_until(what: &str, holds: impl Fn() -> bool) -> anyhow::Result<()> {
    let start = Instant::now();
    while !holds() {
        ensure!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
