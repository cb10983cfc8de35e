//! Group `locks`: Cotenant's locks beside private ones (the limit) and what others have between processes.
//!
//! One run, every subject in turn. `hold` has the loops; `private`, `ours` and `sys` the subjects.

pub(crate) mod hold;
mod ours;
mod private;

use std::time::Duration;

use crate::boost::{self, Boost};
use crate::figure::{Figure, median_of};
use crate::goal::Goal;
use crate::rounds;
use crate::subject::Subject;
use crate::{Effort, Report, home, sys};
use hold::{Lock, Make, PLACES, Read};

const GROUP: &str = "locks";
const UNCONTENDED: &str = "uncontended";
const TRY_LOCK: &str = "try_lock";
const READ_LOCK: &str = "read lock, uncontended";
const THREADS: &str = "contended, two threads";
const PROCESSES: &str = "contended, two processes";
const OURS: &str = "cotenant Mutex";
const OURS_WITHOUT: &str = "cotenant Mutex, no robust list";
const OURS_RW: &str = "cotenant RwLock";
const STD: &str = "limit std Mutex, private";
const PARKING_LOT: &str = "limit parking_lot 0.12 Mutex, private";
const STD_RW: &str = "limit std RwLock, private";
const PARKING_LOT_RW: &str = "limit parking_lot 0.12 RwLock, private";
/// How often the fast path is taken where a system call would be the end.
const CONFINED: u64 = 1_000_000;

/// Between whom a lock works.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Threads,
    Processes,
}

/// Everything that is measured, as it is added.
pub(crate) struct Cases<'a> {
    effort: Effort,
    alone: Vec<Subject<'a>>,
    contended: Vec<Subject<'a>>,
}

impl<'a> Cases<'a> {
    /// A lock with all its cases.
    pub(crate) fn lock<L: Lock + 'a>(&mut self, name: &str, reach: Reach, make: Make<L>) {
        let passes = self.passes();
        self.alone.push(Subject::new(UNCONTENDED, name, move |place| {
            let lock = make()?;
            hold::uncontended(&lock, place, passes / 10); // Warms up.
            Ok(hold::uncontended(&lock, place, passes))
        }));
        self.alone.push(Subject::new(TRY_LOCK, name, move |place| {
            let lock = make()?;
            hold::tried(&lock, place, passes / 10);
            Ok(hold::tried(&lock, place, passes))
        }));
        let time = self.time();
        self.contended.push(Subject::new(THREADS, name, move |_| hold::two_threads(make, time)));
        if reach == Reach::Processes {
            self.contended.push(Subject::new(PROCESSES, name, move |_| hold::two_processes(make, time)));
        }
    }

    /// A lock that readers share.
    pub(crate) fn read<L: Read + 'a>(&mut self, name: &str, make: Make<L>) {
        let passes = self.passes();
        self.alone.push(Subject::new(READ_LOCK, name, move |place| {
            let lock = make()?;
            hold::reading(&lock, place, passes / 10);
            Ok(hold::reading(&lock, place, passes))
        }));
    }

    /// A program that measures itself. It has its own loops, in one place.
    fn boost(&mut self, boost: &'static Boost) {
        let (passes, ms) = (self.passes(), self.time().as_millis() as u64);
        let add = |subjects: &mut Vec<Subject<'a>>, case, name: &str, word, number| {
            let name = format!("{} {name}", boost.name);
            subjects.push(Subject::new(case, name, move |_| boost.measure(word, number)));
        };
        add(&mut self.alone, UNCONTENDED, "interprocess_mutex", "uncontended", passes);
        add(&mut self.alone, TRY_LOCK, "interprocess_mutex", "try", passes);
        add(&mut self.alone, READ_LOCK, "interprocess_sharable_mutex", "read", passes);
        add(&mut self.contended, THREADS, "interprocess_mutex", "threads", ms);
        add(&mut self.contended, PROCESSES, "interprocess_mutex", "processes", ms);
    }

    fn passes(&self) -> u64 {
        if self.effort.quick { 2_000 } else { 50_000 }
    }

    /// How long two work at a time.
    fn time(&self) -> Duration {
        Duration::from_millis(if self.effort.quick { 2 } else { 25 })
    }
}

pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    ours::must_be_shared()?;
    let home = home::make()?;
    let mut cases = Cases { effort, alone: Vec::new(), contended: Vec::new() };
    cases.lock(OURS, Reach::Processes, ours::mutex);
    cases.lock("cotenant Mutex, in a segment", Reach::Processes, ours::mutex_in_segment);
    cases.lock(OURS_WITHOUT, Reach::Processes, ours::mutex_without_robust_list);
    cases.lock(STD, Reach::Threads, private::std_mutex);
    cases.lock(PARKING_LOT, Reach::Threads, private::parking_lot_mutex);
    cases.read(OURS_RW, ours::rw_lock);
    cases.read(STD_RW, private::std_rw_lock);
    cases.read(PARKING_LOT_RW, private::parking_lot_rw_lock);
    sys::add_peers(&mut cases);
    cases.boost(boost::get(home.path()));
    let Cases { mut alone, mut contended, .. } = cases;
    let mut report = Report::default();
    for (title, subjects, unit) in [("alone", &mut alone, "ns"), ("contended", &mut contended, "M/s")] {
        let samples = rounds::in_turn(&format!("{GROUP}, {title}"), subjects, effort.rounds, PLACES);
        let figures = subjects.iter().zip(&samples);
        report.figures.extend(figures.map(|(it, samples)| Figure::new(GROUP, &it.case, &it.name, unit, samples)));
    }
    report.figures.sort_by_key(|figure| order(&figure.case));
    sys::remove_peers();
    report.goals = goals(&report.figures);
    report.goals.push(no_system_call(effort));
    Ok(report)
}

/// Cases stand together, each with its subjects in their order.
fn order(case: &str) -> Option<usize> {
    [UNCONTENDED, TRY_LOCK, READ_LOCK, THREADS, PROCESSES].iter().position(|it| *it == case)
}

fn goals(figures: &[Figure]) -> Vec<Goal> {
    let ratio = |case, subject, limit_case, limit| {
        median_of(figures, case, subject).zip(median_of(figures, limit_case, limit)).map(|(ours, limit)| ours / limit)
    };
    let at_most = |text: &str, ratio: Option<f64>, limit: f64| {
        Goal::new(text, ratio.map(|ratio| (format!("{ratio:.2}"), ratio <= limit)))
    };
    let at_least = |text: &str, ratio: Option<f64>, limit: f64| {
        Goal::new(text, ratio.map(|ratio| (format!("{ratio:.2}"), ratio >= limit)))
    };
    let read_ratio = ratio(READ_LOCK, OURS_RW, READ_LOCK, PARKING_LOT_RW);
    vec![
        at_most("uncontended: at most 1.10 of std's time", ratio(UNCONTENDED, OURS, UNCONTENDED, STD), 1.10),
        at_most("read lock: at most 1.3 of parking_lot's time", read_ratio, 1.3),
        at_least("two threads: at least 0.85 of std's rate", ratio(THREADS, OURS, THREADS, STD), 0.85),
        at_least(
            "two processes: at least 0.85 of the rate of std's with two threads",
            ratio(PROCESSES, OURS, THREADS, STD),
            0.85,
        ),
    ]
}

/// Whether the fast path makes no system call and asks no clock.
fn no_system_call(effort: Effort) -> Goal {
    let times = if effort.quick { CONFINED / 100 } else { CONFINED };
    let text = format!("no system call and no clock: lock, try_lock and read, {times} times each");
    let (Ok(lock), Ok(rw_lock)) = (ours::mutex(), ours::rw_lock()) else { return Goal::new(text, None) };
    let once = || {
        lock.add();
        lock.try_add();
        rw_lock.read();
    };
    let confined = sys::computes_alone(&once, &|| (0..times).for_each(|_| once()));
    Goal::new(text, confined.ok().map(|done| (if done { "none" } else { "killed for one" }.to_owned(), done)))
}
