//! Group `metrics`: counters, histograms, scrapes and rate limits, beside what one process counts with and what
//! Python's client does between processes.
//!
//! One run, every subject in turn. `subjects` has what is measured, `python` what is asked of another program.

mod python;
mod subjects;

use std::hint::black_box;
use std::sync::Barrier;

use anyhow::ensure;

use crate::figure::{Figure, median_of};
use crate::goal::Goal;
use crate::rounds;
use crate::subject::Subject;
use crate::{Effort, Report, sys};
use subjects::{Subjects, must_be_shared};

const GROUP: &str = "metrics";
const COUNTER: &str = "counter, alone";
const COUNTER_THREADS: &str = "counter, two threads";
const COUNTER_PROCESSES: &str = "counter, two processes";
const HISTOGRAM: &str = "histogram, alone";
const HISTOGRAM_THREADS: &str = "histogram, two threads";
const RENDER: &str = "render 10,000 series";
const LIMIT: &str = "rate limit";
const LOOKUP: &str = "look-up by name and two labels";
const OURS: &str = "cotenant Counter";
const OWN: &str = "cotenant thread's handle";
const NAMED: &str = "cotenant by name";
const HISTOGRAM_OURS: &str = "cotenant Histogram";
const CELL: &str = "limit a cell of one thread";
const ATOMIC: &str = "limit an atomic add";
const LIMITER: &str = "cotenant RateLimiter";
const KEYED: &str = "cotenant KeyedRateLimiter";
const TURNS: u32 = 3;
/// Two begin at about the same time: they must work for longer than that.
const TOGETHER: u64 = 20;
/// Series that are rendered.
pub(crate) const SERIES: u32 = 10_000;

/// Everything that is measured, as it is added.
pub(crate) struct Cases<'a> {
    passes: u64,
    subjects: Vec<Subject<'a>>,
}

impl<'a> Cases<'a> {
    /// Nanoseconds for one call.
    pub(crate) fn alone<F: Fn() + 'a>(&mut self, case: &str, name: &str, act: F) {
        let passes = self.passes;
        self.subjects.push(Subject::new(case, name, move |_| {
            repeat(passes / 10, &act);
            Ok(repeat(passes, &act))
        }));
    }

    /// The same in two threads at once; each makes its own hold on what both use.
    pub(crate) fn two_threads<H: Fn()>(&mut self, case: &str, name: &str, make: impl Fn() -> H + Sync + 'a) {
        let passes = self.passes * TOGETHER;
        self.subjects.push(Subject::new(case, name, move |_| {
            let start = Barrier::new(2);
            let work = || {
                let act = make();
                repeat(passes / 10, &act);
                start.wait();
                repeat(passes, &act)
            };
            let both = std::thread::scope(|scope| {
                let other = scope.spawn(work);
                (work(), other.join())
            });
            let other = both.1.map_err(|_| anyhow::anyhow!("the second thread panicked"))?;
            Ok(f64::midpoint(both.0, other))
        }));
    }

    /// The same in this process and a child.
    pub(crate) fn two_processes<H: Fn()>(&mut self, case: &str, name: &str, make: impl Fn() -> H + 'a) {
        let passes = self.passes * TOGETHER;
        self.subjects.push(Subject::new(case, name, move |_| {
            let answers = sys::in_two_processes(&|start| {
                let act = make();
                repeat(passes / 10, &act);
                start()?;
                Ok([repeat(passes, &act), 0.0])
            })?;
            Ok(f64::midpoint(answers[0][0], answers[1][0]))
        }));
    }
}

/// In time of the thread itself: where others have the processor in turn, of two that meet each is slowed down by the
/// other alone.
#[inline(never)]
fn repeat(passes: u64, act: &impl Fn()) -> f64 {
    let start = sys::thread_ns();
    for _ in 0..passes {
        act();
    }
    (sys::thread_ns() - start) as f64 / passes as f64
}

pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    must_be_shared()?;
    let subjects = Subjects::make()?;
    let mut cases = Cases { passes: if effort.quick { 5_000 } else { 200_000 }, subjects: Vec::new() };
    subjects.add(&mut cases);
    python::add(&mut cases, effort);
    let mut report = Report::default();
    measure(&mut report, effort, &mut cases.subjects, "ns");
    let mut slow = Vec::new();
    subjects.add_renders(&mut slow);
    measure(&mut report, effort, &mut slow, "ms");
    report.figures.sort_by_key(|figure| order(&figure.case));
    report.goals = goals(&report.figures);
    ensure!(black_box(subjects.counted()) > 0, "nothing was counted");
    Ok(report)
}

fn measure(report: &mut Report, effort: Effort, subjects: &mut [Subject<'_>], unit: &'static str) {
    let turns = if effort.quick { 1 } else { TURNS };
    let samples = rounds::in_turn(&format!("{GROUP}, {unit}"), subjects, effort.rounds, turns);
    let figures = subjects.iter().zip(&samples);
    report.figures.extend(figures.map(|(it, samples)| Figure::new(GROUP, &it.case, &it.name, unit, samples)));
}

/// Cases stand together, each with its subjects in their order.
fn order(case: &str) -> Option<usize> {
    let cases = [COUNTER, COUNTER_THREADS, COUNTER_PROCESSES, HISTOGRAM, HISTOGRAM_THREADS, LOOKUP, LIMIT, RENDER];
    cases.iter().position(|it| *it == case)
}

fn goals(figures: &[Figure]) -> Vec<Goal> {
    let goal = |case: &str, subject: &str, limit: f64, unit: &str| {
        let text = format!("{case}, {subject}: at most {limit} {unit}");
        Goal::at_most(text, median_of(figures, case, subject), limit, unit)
    };
    vec![
        goal(COUNTER, OURS, 6.0, "ns"),
        goal(COUNTER, NAMED, 6.0, "ns"),
        goal(COUNTER_THREADS, OURS, 6.0, "ns"),
        goal(COUNTER_PROCESSES, OURS, 6.0, "ns"),
        goal(COUNTER, OWN, 1.0, "ns"),
        goal(HISTOGRAM, HISTOGRAM_OURS, 8.0, "ns"),
        goal(HISTOGRAM_THREADS, HISTOGRAM_OURS, 8.0, "ns"),
        goal(HISTOGRAM, OWN, 3.0, "ns"),
        goal(RENDER, "cotenant Metrics", 10.0, "ms"),
        goal(LIMIT, LIMITER, 40.0, "ns"),
        goal(LIMIT, KEYED, 150.0, "ns"),
    ]
}
