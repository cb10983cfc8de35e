//! Group `segments`: making and joining a segment, and its named objects.
//!
//! Beside what everybody writes by hand (the limit: it has no locks, no header, no names) and Boost's managed segments.
//! A turn's segment goes with the last one who is attached, outside of the measured time.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use anyhow::Context;
use cotenant::{Segment, SegmentOptions};

use crate::boost::{self, Boost};
use crate::figure::{Figure, median_of};
use crate::goal::Goal;
use crate::rounds;
use crate::subject::Subject;
use crate::{Effort, Report, home, sys};

const GROUP: &str = "segments";
const CREATE: &str = "create";
const OPEN: &str = "open, one is attached";
const GET: &str = "get by name, again";
const INIT: &str = "get_or_init, first time";
const GROW: &str = "grow by an object of 1 MiB";
const OURS: &str = "cotenant Segment";
const BY_HAND: &str = "limit shm_open and mmap by hand";
const MAX_BYTES: u64 = 64 << 20;
const MIB: usize = 1 << 20;
const GET_NS: f64 = 100.0;
/// New names, or MiB, in one turn.
const NAMES: u64 = 100;
const GROWTHS: u64 = 8;

type OneMib = [AtomicU64; MIB / 8];

pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let home = home::make()?;
    let boost = boost::get(home.path());
    let mut report = Report::default();
    let (folder, mut slow) = (home.path(), Vec::new());
    for (case, ours, by_hand, word, number) in [
        (CREATE, create as Ours, Some(sys::by_hand::create as ByHand), "create", 1),
        (OPEN, open, Some(sys::by_hand::open), "open", 1),
        (INIT, init, None, "construct", NAMES),
        (GROW, grow, Some(sys::by_hand::grow), "", 0),
    ] {
        slow.push(Subject::new(case, OURS, move |_| ours(folder)));
        if let Some(by_hand) = by_hand {
            slow.push(Subject::new(case, BY_HAND, move |_| Ok(by_hand(MAX_BYTES as usize)?)));
        }
        if !word.is_empty() {
            add_boost(&mut slow, boost, case, word, number);
        }
    }
    measure(&mut report, effort, &mut slow, "us");
    let segment = options(home.path()).create("get").context("make a segment")?;
    segment.get_or_init("counter", || AtomicU64::new(1))?;
    let passes = if effort.quick { 2_000 } else { 50_000 };
    let mut quick = vec![Subject::new(GET, OURS, |_| {
        get(&segment, passes / 10)?; // Warms up.
        get(&segment, passes)
    })];
    add_boost(&mut quick, boost, GET, "find", passes);
    measure(&mut report, effort, &mut quick, "ns");
    let got = median_of(&report.figures, GET, OURS);
    report.goals.push(Goal::at_most(format!("{GET}: under {GET_NS} ns"), got, GET_NS, "ns"));
    Ok(report)
}

/// One turn, in the folder for segments; microseconds.
type Ours = fn(&Path) -> anyhow::Result<f64>;
type ByHand = fn(usize) -> std::io::Result<f64>;

fn add_boost(subjects: &mut Vec<Subject<'_>>, boost: &'static Boost, case: &str, word: &'static str, number: u64) {
    let name = format!("{} managed_shared_memory", boost.name);
    subjects.push(Subject::new(case, name, move |_| boost.measure(word, number)));
}

fn measure(report: &mut Report, effort: Effort, subjects: &mut [Subject<'_>], unit: &'static str) {
    let turns = if effort.quick { 2 } else { 8 };
    let samples = rounds::in_turn(&format!("{GROUP}, {unit}"), subjects, effort.rounds, turns);
    let figures = subjects.iter().zip(&samples);
    report.figures.extend(figures.map(|(it, samples)| Figure::new(GROUP, &it.case, &it.name, unit, samples)));
}

fn options(folder: &Path) -> SegmentOptions {
    Segment::options().max_bytes(MAX_BYTES).folder(folder)
}

fn us_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}

fn create(folder: &Path) -> anyhow::Result<f64> {
    let start = Instant::now();
    let _segment = options(folder).create("created")?;
    let us = us_since(start);
    Ok(us)
}

fn open(folder: &Path) -> anyhow::Result<f64> {
    let _held = options(folder).create("opened")?;
    let start = Instant::now();
    let segment = options(folder).open("opened")?;
    let us = us_since(start);
    drop(segment);
    Ok(us)
}

/// A name that the segment has not had.
fn init(folder: &Path) -> anyhow::Result<f64> {
    let segment = options(folder).create("filled")?;
    let names: Vec<String> = (0..NAMES).map(|number| format!("object {number}")).collect();
    let start = Instant::now();
    for name in &names {
        segment.get_or_init(name, || AtomicU64::new(1))?;
    }
    let us = us_since(start) / NAMES as f64;
    Ok(us)
}

fn grow(folder: &Path) -> anyhow::Result<f64> {
    let segment = options(folder).create("grown")?;
    let names: Vec<String> = (0..GROWTHS).map(|number| format!("object {number}")).collect();
    let start = Instant::now();
    for name in &names {
        segment.get_or_init::<OneMib>(name, || [const { AtomicU64::new(1) }; MIB / 8])?;
    }
    let us = us_since(start) / GROWTHS as f64;
    Ok(us)
}

/// Nanoseconds for one.
fn get(segment: &Segment, passes: u64) -> anyhow::Result<f64> {
    let start = Instant::now();
    for _ in 0..passes {
        let name = std::hint::black_box("counter");
        let counter: &AtomicU64 = segment.get(name)?.context("the object is there")?;
        std::hint::black_box(counter.load(Relaxed));
    }
    Ok(start.elapsed().as_nanos() as f64 / passes as f64)
}
