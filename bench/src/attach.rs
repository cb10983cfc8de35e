//! Group `attach`: what attaching adds to the start of a program.
//!
//! The same tiny program is started with a block of shared variables and without, in turn, and waited for. Beside
//! that, the program with a block measures attaching itself: from the start-up entry before it to the one after it
//! (cases `..., inside`), which leaves out loading a larger file and giving everything back at the end, and with them
//! most of the noise.

mod probes;

use std::path::Path;
use std::time::Instant;

use anyhow::Context;

use crate::figure::{Figure, median_of};
use crate::goal::Goal;
use crate::rounds::{self, Samples};
use crate::subject::Subject;
use crate::{Effort, Report, home, sys};
use probes::{Holders, Probes};

const GROUP: &str = "attach";
const ATTACH: &str = "cotenant attach";
const WITH: &str = "cotenant same program with";
const WITHOUT: &str = "limit same program without";
const LATER: &str = "later";
/// Pages of the block, and how long a first attaching may take: 100 us and 2 us a page.
const PAGES: [u32; 3] = [1, 50, 200];
const FIRST_US: f64 = 100.0;
const FIRST_US_PER_PAGE: f64 = 2.0;
const LATER_US: f64 = 60.0;
/// Participants that are there already; the first number is the case `later`.
const PARTICIPANTS: [u32; 3] = [1, 64, 1000];
const CROWD_US: [f64; 3] = [0.0, 2.0, 7.0];

/// A situation in which the program with a block starts.
struct Situation<'a> {
    case: String,
    pages: u32,
    folder: &'a Path,
    before: Before,
}

/// What a start finds in its folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Somebody is attached.
    Held,
    /// Nothing is there.
    Emptied,
    /// The segment of the one before, who ended.
    Left,
}

pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let probes = match sys::NO_STARTS.map_or_else(Probes::build, |why| Err(anyhow::anyhow!(why))) {
        Ok(probes) => probes,
        Err(error) => {
            let why: Samples = Err(format!("{error:#}"));
            let figures = vec![Figure::new(GROUP, LATER, ATTACH, "us", &why)];
            return Ok(Report { figures, goals: Vec::new() });
        }
    };
    let home = home::make()?;
    let mut held = Vec::new();
    for count in PARTICIPANTS {
        let folder = home.path().join(format!("held-by-{count}"));
        let count = if effort.quick { count.min(100) } else { count };
        // Each an own process with an own start, as in real life, in a folder and so in a segment of its own.
        let holders = Holders::start(probes.with(1), &folder, count).context("start participants")?;
        held.push((folder, holders));
    }
    let mut situations = Vec::new();
    for pages in PAGES {
        let case = first(pages);
        situations.push(Situation { case, pages, folder: home.path(), before: Before::Emptied });
    }
    situations.push(Situation {
        case: "first, after a dead one".into(),
        pages: 1,
        folder: home.path(),
        before: Before::Left,
    });
    for ((folder, _holders), count) in held.iter().zip(PARTICIPANTS) {
        situations.push(Situation { case: later(count), pages: 1, folder, before: Before::Held });
    }
    let report = measure(effort, &probes, &situations, home.path());
    drop(situations);
    drop(held);
    Ok(report)
}

fn first(pages: u32) -> String {
    if pages == 1 { "first, 1 page".into() } else { format!("first, {pages} pages") }
}

fn later(participants: u32) -> String {
    match participants {
        1 => LATER.into(),
        1000 => format!("{LATER}, 1,000 participants"),
        more => format!("{LATER}, {more} participants"),
    }
}

fn measure(effort: Effort, probes: &Probes, situations: &[Situation<'_>], home: &Path) -> Report {
    let turns = if effort.quick { 5 } else { 40 };
    // All of them in one run, so that every case has the same limit.
    let mut starts = vec![Subject::new("", WITHOUT, |_| start(probes.without(), home))];
    let mut inside = Vec::new();
    for situation in situations {
        starts.push(Subject::new(&situation.case, WITH, |_| {
            situation.prepare()?;
            start(probes.with(situation.pages), situation.folder)
        }));
        inside.push(Subject::new(format!("{}, inside", situation.case), ATTACH, |_| {
            situation.prepare()?;
            probes::attaching_us(probes.with(situation.pages), situation.folder)
        }));
    }
    let samples = rounds::in_turn(&format!("{GROUP}, starts"), &mut starts, effort.rounds, turns);
    let inside_samples = rounds::in_turn(&format!("{GROUP}, inside"), &mut inside, effort.rounds, turns);
    let mut report = Report::default();
    let without = &samples[0];
    for (subject, with) in starts.iter().zip(&samples).skip(1) {
        let figure = |name, samples: &Samples| Figure::new(GROUP, &subject.case, name, "us", samples);
        report.figures.push(figure(ATTACH, &difference(with, without)).difference());
        report.figures.push(figure(WITH, with));
        report.figures.push(figure(WITHOUT, without));
    }
    for (subject, samples) in inside.iter().zip(&inside_samples) {
        report.figures.push(Figure::new(GROUP, &subject.case, ATTACH, "us", samples).difference());
    }
    report.goals = goals(&report.figures);
    report
}

impl Situation<'_> {
    fn prepare(&self) -> anyhow::Result<()> {
        if self.before == Before::Emptied {
            probes::remove_segments(self.folder)?;
        }
        Ok(())
    }
}

/// Microseconds from before a program's start until it was waited for.
fn start(program: &Path, folder: &Path) -> anyhow::Result<f64> {
    let mut command = probes::command(program, folder);
    let start = Instant::now();
    let status = command.status().with_context(|| format!("start {}", program.display()))?;
    let us = start.elapsed().as_secs_f64() * 1e6;
    anyhow::ensure!(status.success(), "{} ended with {status}", program.display());
    Ok(us)
}

/// Round by round, so that what a round had to bear counts on both sides.
fn difference(with: &Samples, without: &Samples) -> Samples {
    let (with, without) = (with.as_ref().map_err(Clone::clone)?, without.as_ref().map_err(Clone::clone)?);
    Ok(with.iter().zip(without).map(|(with, without)| with - without).collect())
}

fn goals(figures: &[Figure]) -> Vec<Goal> {
    let added = |case: &str| median_of(figures, case, ATTACH);
    let mut goals = vec![Goal::at_most(format!("{LATER}: under {LATER_US} us"), added(LATER), LATER_US, "us")];
    for pages in PAGES {
        let limit = FIRST_US + FIRST_US_PER_PAGE * f64::from(pages);
        let case = first(pages);
        goals.push(Goal::at_most(format!("{case}: under {limit} us"), added(&case), limit, "us"));
    }
    for (count, limit) in PARTICIPANTS.into_iter().zip(CROWD_US).skip(1) {
        let case = later(count);
        let more = added(&format!("{case}, inside")).zip(added(&format!("{LATER}, inside")));
        let text =
            if limit < 5.0 { "no more than alone (noise: 2 us)" } else { "about 5 us more than alone (at most 7)" };
        goals.push(Goal::at_most(
            format!("{case}, inside: {text}"),
            more.map(|(crowd, alone)| crowd - alone),
            limit,
            "us",
        ));
    }
    goals
}
