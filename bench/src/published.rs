//! Group `published`: a value of 200 bytes that one publishes and others load.
//!
//! Beside it `mmap-sync` (between processes), `arc-swap` and parking_lot's `RwLock` (private), and a bare seqlock, the
//! limit, whose readers a killed writer would hold up for ever. A load takes a snapshot and looks at its first and last
//! word. Who publishes at full speed is another thread.

mod ours;
mod private;

use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::figure::{Figure, median_of};
use crate::goal::Goal;
use crate::subject::Subject;
use crate::{Effort, Report, home, rounds, sys};

const GROUP: &str = "published";
const LOAD: &str = "load, idle";
const BESIDE: &str = "load, a writer at full speed: median";
const BESIDE_TAIL: &str = "load, a writer at full speed: p99.9";
const PUBLISH: &str = "publish, nobody waits";
const OURS: &str = "cotenant Published";
const OURS_READER: &str = "cotenant Published, read-only mapping";

/// Loads that are timed together: asking the clock costs as much as a few of them.
const BLOCK: usize = 16;
/// A block that took so long was interrupted by the scheduler.
const RESTED: Duration = Duration::from_micros(100);

/// How long a writer may take to begin.
const PATIENCE: Duration = Duration::from_secs(5);

/// 200 bytes.
pub(crate) type Value = [u64; 25];

/// Alone on its cache lines.
#[repr(align(128))]
struct Apart<T>(T);

/// One worker's hold on the value.
pub(crate) trait Hold: Sized {
    /// The first and the last word of a snapshot.
    fn load(&mut self) -> (u64, u64);
    /// Publishes words that are all `number`.
    fn publish(&mut self, number: u64);
}

/// Gives a worker its hold; all have the same value, below that folder if it needs one.
pub(crate) type Make<H> = fn(&Path) -> anyhow::Result<H>;

/// Everything that is measured, as it is added.
pub(crate) struct Cases<'a> {
    effort: Effort,
    folder: &'a Path,
    subjects: Vec<Subject<'a>>,
}

impl<'a> Cases<'a> {
    pub(crate) fn add<H: Hold + Send + 'a>(&mut self, name: &str, make: Make<H>) {
        let (folder, passes) = (self.folder, if self.effort.quick { 1_000 } else { 10_000 });
        let time = Duration::from_millis(if self.effort.quick { 5 } else { 20 });
        self.subjects.push(Subject::new(LOAD, name, move |_| idle(make(folder)?, passes)));
        self.subjects.push(Subject::new(BESIDE, name, move |_| beside_a_writer(make, folder, time, 0.5)));
        self.subjects.push(Subject::new(BESIDE_TAIL, name, move |_| beside_a_writer(make, folder, time, 0.999)));
        self.subjects.push(Subject::new(PUBLISH, name, move |_| publish(make(folder)?, passes)));
    }
}

pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let home = home::make()?;
    let mut cases = Cases { effort, folder: home.path(), subjects: Vec::new() };
    cases.add(OURS, ours::writable);
    cases.add(OURS_READER, ours::read_only);
    cases.add("limit seqlock, private", private::seqlock);
    cases.add("arc-swap 1, private", private::arc_swap);
    cases.add("parking_lot 0.12 RwLock, private", private::rw_lock);
    sys::add_publishers(&mut cases);
    let mut subjects = cases.subjects;
    let samples = rounds::in_turn(GROUP, &mut subjects, effort.rounds, if effort.quick { 2 } else { 8 });
    let figures = subjects.iter().zip(&samples);
    let mut figures: Vec<_> =
        figures.map(|(it, samples)| Figure::new(GROUP, &it.case, &it.name, "ns", samples)).collect();
    figures.sort_by_key(|figure| [LOAD, BESIDE, BESIDE_TAIL, PUBLISH].iter().position(|case| *case == figure.case));
    let goals = [(LOAD, 6.0), (BESIDE, 150.0), (PUBLISH, 40.0)].map(|(case, limit)| {
        Goal::at_most(format!("{case}: at most {limit} ns"), median_of(&figures, case, OURS), limit, "ns")
    });
    Ok(Report { figures, goals: goals.into() })
}

/// Nanoseconds for one load while nobody publishes.
#[inline(never)]
fn idle<H: Hold>(mut hold: H, passes: u64) -> anyhow::Result<f64> {
    hold.publish(7);
    ensure!(hold.load() == (7, 7), "what was published is not there");
    let start = Instant::now();
    for _ in 0..passes {
        black_box(hold.load());
    }
    Ok(start.elapsed().as_nanos() as f64 / passes as f64)
}

/// Nanoseconds for one publish while nobody loads or waits.
#[inline(never)]
fn publish<H: Hold>(mut hold: H, passes: u64) -> anyhow::Result<f64> {
    // What each makes of memory that it has not touched yet is not measured.
    (0..64).for_each(|number| hold.publish(number));
    let start = Instant::now();
    for number in 0..passes {
        hold.publish(number);
    }
    let ns = start.elapsed().as_nanos() as f64 / passes as f64;
    ensure!(hold.load() == (passes - 1, passes - 1), "what was published is not there");
    Ok(ns)
}

/// Nanoseconds for one load while another thread publishes without a rest: the median, or so much of them from below.
fn beside_a_writer<H: Hold + Send>(make: Make<H>, folder: &Path, time: Duration, part: f64) -> anyhow::Result<f64> {
    let (mut reader, mut writer) = (make(folder)?, make(folder)?);
    let (is_over, published) = (Apart(AtomicBool::new(false)), Apart(AtomicU64::new(0)));
    let mut blocks = std::thread::scope(|threads| {
        threads.spawn(|| {
            for number in 1.. {
                writer.publish(number);
                published.0.store(number, Relaxed);
                if is_over.0.load(Relaxed) {
                    return;
                }
            }
        });
        let blocks = timed(&mut reader, &published.0, time);
        is_over.0.store(true, Relaxed);
        blocks
    });
    ensure!(!blocks.is_empty(), "the writer did not run beside the reader");
    blocks.sort_by(f64::total_cmp);
    Ok(blocks[((blocks.len() - 1) as f64 * part) as usize])
}

/// Of each block of loads, nanoseconds for one. Not of those in which the writer rested, which are loads of an idle
/// value, nor of those in which the reader did: with too few processors, they take turns. For so long, from the first
/// on.
#[inline(never)]
fn timed<H: Hold>(reader: &mut H, published: &AtomicU64, time: Duration) -> Vec<f64> {
    let (mut start, mut blocks) = (Instant::now(), Vec::with_capacity(1 << 20));
    while start.elapsed() < if blocks.is_empty() { PATIENCE } else { time } && blocks.len() < 1 << 20 {
        let published_before = published.load(Relaxed);
        let before = Instant::now();
        for _ in 0..BLOCK {
            black_box(reader.load());
        }
        let took = before.elapsed();
        if published.load(Relaxed) > published_before + 1 && took < RESTED {
            if blocks.is_empty() {
                start = Instant::now();
            }
            blocks.push(took.as_nanos() as f64 / BLOCK as f64);
        }
    }
    blocks
}
