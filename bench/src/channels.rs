//! Group `channels`: Cotenant's queue beside its peers, and two limits.
//!
//! A cache line that goes to and fro between two processes is what no message can be faster than; a futex that wakes
//! the other one is that for a message that is slept for. `way` has the loops; `ours` and `sys` the subjects.

pub(crate) mod mailbox;
pub(crate) mod ours;
pub(crate) mod way;

use crate::figure::{Figure, median_of};
use crate::goal::Goal;
use crate::rounds;
use crate::subject::Subject;
use crate::{Effort, Report, sys};
use ours::{InPlace, Ours};
use way::{Cores, Way};

const GROUP: &str = "channels";
pub(crate) const ROUND_TRIP: &str = "round trip, 8 B";
pub(crate) const ONE_MIB: &str = "round trip, 1 MiB in place";
pub(crate) const BLOCKED: &str = "round trip, 8 B, slept for, one core";
pub(crate) const ALONE: &str = "sent and received by one thread, 64 B";
pub(crate) const STREAM_8: &str = "one to one, 8 B";
pub(crate) const STREAM_64: &str = "one to one, 64 B";
pub(crate) const TWO: &str = "two senders, 64 B";
const SOLE: &str = "cotenant Queue, sole ends";
const SOLE_ACKED: &str = "cotenant Queue, sole ends, at least once";
const GENERAL: &str = "cotenant Queue";
const ACKED: &str = "cotenant Queue, at least once";
pub(crate) const LINE: &str = "limit cache line";
pub(crate) const FUTEX: &str = "limit futex";
pub(crate) const RING: &str = "bare ring of fixed slots";
pub(crate) const ICEORYX: &str = "iceoryx2 0.10, polling";
const MIB: usize = 1 << 20;

/// Everything that is measured, as it is added.
pub(crate) struct Cases<'a> {
    effort: Effort,
    times: Vec<Subject<'a>>,
    rates: Vec<Subject<'a>>,
}

impl<'a> Cases<'a> {
    /// A way that costs about so many ns for a round trip, and for a message of a stream.
    pub(crate) fn way<W: Way + 'a>(&mut self, name: &str, round_trip_ns: u64, message_ns: u64) {
        self.round_trip::<W>(ROUND_TRIP, name, 8, round_trip_ns, Cores::Two);
        self.streams::<W>(name, message_ns);
    }

    pub(crate) fn streams<W: Way + 'a>(&mut self, name: &str, message_ns: u64) {
        let messages = self.budget_ns() / message_ns;
        self.rates.push(Subject::new(STREAM_8, name, move |_| way::stream::<W>(8, messages)));
        self.rates.push(Subject::new(STREAM_64, name, move |_| way::stream::<W>(64, messages)));
    }

    fn alone<W: Way + 'a>(&mut self, name: &str) {
        let messages = self.budget_ns() / 100;
        self.times.push(Subject::new(ALONE, name, move |_| way::alone::<W>(64, messages)));
    }

    pub(crate) fn two_senders<W: Way + 'a>(&mut self, name: &str, message_ns: u64) {
        let messages = self.budget_ns() / message_ns / 2;
        self.rates.push(Subject::new(TWO, name, move |_| way::two_senders::<W>(64, messages)));
    }

    pub(crate) fn round_trip<W: Way + 'a>(&mut self, case: &str, name: &str, bytes: usize, ns: u64, cores: Cores) {
        let passes = (self.budget_ns() / ns).max(10);
        self.times.push(Subject::new(case, name, move |_| way::round_trip::<W>(bytes, passes, cores)));
    }

    /// Of one measurement.
    fn budget_ns(&self) -> u64 {
        if self.effort.quick { 2_000_000 } else { 20_000_000 }
    }
}

pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let mut cases = Cases { effort, times: Vec::new(), rates: Vec::new() };
    cases.way::<Ours<true, false>>(SOLE, 150, 20);
    cases.way::<Ours<true, true>>(SOLE_ACKED, 150, 20);
    cases.way::<Ours<false, false>>(GENERAL, 300, 60);
    cases.way::<Ours<false, true>>(ACKED, 300, 60);
    cases.alone::<Ours<true, false>>(SOLE);
    cases.alone::<Ours<false, false>>(GENERAL);
    cases.round_trip::<InPlace>(ONE_MIB, SOLE, MIB, 300, Cores::Two);
    cases.round_trip::<Ours<true, false>>(BLOCKED, SOLE, 8, 5000, Cores::One);
    cases.round_trip::<Ours<false, false>>(BLOCKED, GENERAL, 8, 5000, Cores::One);
    cases.two_senders::<Ours<false, false>>(GENERAL, 100);
    cases.two_senders::<Ours<false, true>>(ACKED, 100);
    sys::add_ways(&mut cases);
    let Cases { mut times, mut rates, .. } = cases;
    let mut report = Report::default();
    for (title, subjects, unit) in [("time", &mut times, "ns"), ("rate", &mut rates, "M/s")] {
        let samples = rounds::in_turn(&format!("{GROUP}, {title}"), subjects, effort.rounds, 1);
        let figures = subjects.iter().zip(&samples);
        report.figures.extend(figures.map(|(it, samples)| Figure::new(GROUP, &it.case, &it.name, unit, samples)));
    }
    report.figures.sort_by_key(|figure| order(&figure.case));
    report.goals = goals(&report.figures);
    Ok(report)
}

/// Cases stand together, each with its subjects in their order.
fn order(case: &str) -> Option<usize> {
    [ALONE, ROUND_TRIP, ONE_MIB, BLOCKED, STREAM_8, STREAM_64, TWO].iter().position(|it| *it == case)
}

fn goals(figures: &[Figure]) -> Vec<Goal> {
    let of = |case, subject| median_of(figures, case, subject);
    let ratio = |over: Option<f64>, under: Option<f64>| over.zip(under).map(|(over, under)| over / under);
    let at_least = |text: &str, value: Option<f64>, least: f64, unit: &str| {
        Goal::new(text, value.map(|value| (format!("{value:.2} {unit}"), value >= least)))
    };
    let sole = of(ROUND_TRIP, SOLE);
    vec![
        Goal::at_most("round trip: at most 1.25 of the cache line's", ratio(sole, of(ROUND_TRIP, LINE)), 1.25, ""),
        at_least("round trip: 5 times faster than iceoryx2", ratio(of(ROUND_TRIP, ICEORYX), sole), 5.0, "times"),
        at_least("one to one, 64 B: at least 40 M/s", of(STREAM_64, SOLE), 40.0, "M/s"),
        at_least("two senders: at least 10 M/s", of(TWO, GENERAL), 10.0, "M/s"),
        Goal::at_most("1 MiB in place, one way: at most 200 ns", of(ONE_MIB, SOLE).map(|ns| ns / 2.0), 200.0, "ns"),
        Goal::at_most("slept for: at most 1.1 of the futex's", ratio(of(BLOCKED, SOLE), of(BLOCKED, FUTEX)), 1.1, ""),
    ]
}
