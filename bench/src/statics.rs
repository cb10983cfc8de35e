//! Group `statics`: an access to a shared static beside the same access to a plain one.
//!
//! All subjects run the same loop, which differs in the counter's address alone. The processor's front end minds
//! where a loop lies, so each is compiled at four places within a cache line, and a round takes the median of them.

#![allow(unsafe_code)]

use std::arch::asm;
use std::hint::black_box;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicPtr, AtomicU64};
use std::time::Instant;

use anyhow::{Context, bail};
use cotenant::BlockState;

use crate::figure::{Figure, median_of};
use crate::goal::Goal;
use crate::rounds;
use crate::subject::Subject;
use crate::{Effort, Report, home, sys};

const GROUP: &str = "statics";
const SHARED: &str = "cotenant shared static";
const NAMED: &str = "cotenant shared static, named block";
const CALLED: &str = "cotenant shared static, attached by call";
const PLAIN: &str = "limit plain static";
const POINTER: &str = "mmap pointer";
const OPERATIONS: [&str; 2] = ["load", "fetch_add"];
/// Below this, a difference is noise.
const NOISE: f64 = 0.05;

// Attached at load, as a program's own are; `attach` looks whether it worked.
cotenant::shared! {
    #![shared(on_failure = private)]
    static UNNAMED_COUNTER: AtomicU64 = AtomicU64::new(0);
}

cotenant::shared! {
    #![shared(name = "cotenant.bench", on_failure = private)]
    static NAMED_COUNTER: AtomicU64 = AtomicU64::new(0);
}

cotenant::shared! {
    #![shared(attach = by_call)]
    static CALLED_COUNTER: AtomicU64 = AtomicU64::new(0);
}

static PLAIN_COUNTER: AtomicU64 = AtomicU64::new(0);
/// What people write by hand: a pointer to mapped memory, loaded at each access.
static MAPPED_COUNTER: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::null_mut());

#[inline(always)]
fn mapped_counter() -> &'static AtomicU64 {
    // SAFETY: `run` stores a mapping that is never unmapped before it measures anything.
    unsafe { &*MAPPED_COUNTER.load(Relaxed) }
}

/// Places of a loop within a cache line, 16 bytes apart.
const PLACES: u32 = 4;
const PER_PASS: u64 = 8;

/// For one counter: the measured loops, and functions of one access each whose instructions are counted.
macro_rules! accesses {
    ($module:ident, $counter:expr) => {
        mod $module {
            use super::*;

            accesses!(loop load $counter, |counter| counter.load(Relaxed));
            accesses!(loop fetch_add $counter, |counter| counter.fetch_add(1, Relaxed));

            pub(super) fn measure(operation: usize, place: u32, passes: u64) -> f64 {
                match (operation, place % PLACES) {
                    (0, 0) => load::<0>(passes),
                    (0, 1) => load::<16>(passes),
                    (0, 2) => load::<32>(passes),
                    (0, _) => load::<48>(passes),
                    (_, 0) => fetch_add::<0>(passes),
                    (_, 1) => fetch_add::<16>(passes),
                    (_, 2) => fetch_add::<32>(passes),
                    (_, _) => fetch_add::<48>(passes),
                }
            }

            #[inline(never)]
            extern "C" fn one_load() -> u64 {
                $counter.load(Relaxed)
            }

            #[inline(never)]
            extern "C" fn one_fetch_add() -> u64 {
                $counter.fetch_add(1, Relaxed)
            }

            pub(super) const ONE_ACCESS: [extern "C" fn() -> u64; 2] = [one_load, one_fetch_add];
        }
    };
    (loop $operation:ident $counter:expr, |$it:ident| $access:expr) => {
        /// Nanoseconds for one access.
        #[inline(never)]
        fn $operation<const SKIP: u32>(passes: u64) -> f64 {
            let start = Instant::now();
            // SAFETY: instructions that do nothing, as many as it takes to move what follows.
            unsafe { asm!(".p2align 6", ".rept {skip}", "nop", ".endr", skip = const SKIP, options(nomem, nostack)) };
            for _ in 0..passes {
                accesses!(eight $counter, |$it| $access);
            }
            start.elapsed().as_nanos() as f64 / (passes * PER_PASS) as f64
        }
    };
    (eight $counter:expr, |$it:ident| $access:expr) => {
        accesses!(two $counter, |$it| $access);
        accesses!(two $counter, |$it| $access);
        accesses!(two $counter, |$it| $access);
        accesses!(two $counter, |$it| $access);
    };
    (two $counter:expr, |$it:ident| $access:expr) => {
        black_box({ let $it = &$counter; $access });
        black_box({ let $it = &$counter; $access });
    };
}

accesses!(shared, UNNAMED_COUNTER);
accesses!(named, NAMED_COUNTER);
accesses!(called, CALLED_COUNTER);
accesses!(plain, PLAIN_COUNTER);
accesses!(pointer, mapped_counter());

/// A subject's name, its loops, its functions of one access.
type Access = (&'static str, fn(usize, u32, u64) -> f64, [extern "C" fn() -> u64; 2]);

pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let home = home::make()?;
    attach(home.path())?;
    let accesses: [Access; 5] = [
        (SHARED, shared::measure, shared::ONE_ACCESS),
        (NAMED, named::measure, named::ONE_ACCESS),
        (CALLED, called::measure, called::ONE_ACCESS),
        (PLAIN, plain::measure, plain::ONE_ACCESS),
        (POINTER, pointer::measure, pointer::ONE_ACCESS),
    ];
    let mut report = Report::default();
    for (operation, case) in OPERATIONS.into_iter().enumerate() {
        let passes = if effort.quick { 10_000 } else { 100_000 };
        let mut subjects: Vec<_> = accesses
            .iter()
            .map(|&(name, measure, _)| {
                Subject::new(case, name, move |place| {
                    measure(operation, place, passes / 10); // Warms up.
                    Ok(measure(operation, place, passes))
                })
            })
            .collect();
        let samples = rounds::in_turn(&format!("{GROUP}, {case}"), &mut subjects, effort.rounds, PLACES);
        let figures = subjects.iter().zip(&samples);
        report.figures.extend(figures.map(|(it, samples)| Figure::new(GROUP, &it.case, &it.name, "ns", samples)));
    }
    for (operation, name) in OPERATIONS.into_iter().enumerate() {
        let case = format!("instructions, {name}");
        for (subject, _, one_access) in accesses {
            let counted = sys::instructions(one_access[operation]);
            let samples = counted.map(|count| vec![count as f64]).map_err(|error| format!("{error:#}"));
            report.figures.push(Figure::new(GROUP, &case, subject, "instructions", &samples));
        }
    }
    report.goals = goals(&report.figures);
    Ok(report)
}

/// Attaches what waits for the call, and maps a counter by hand in `folder`. Refuses to go on with private values:
/// their figures would be no figures.
fn attach(folder: &std::path::Path) -> anyhow::Result<()> {
    cotenant::attach().context("attach the counters")?;
    for block in cotenant::attachment().blocks {
        if !matches!(block.state, BlockState::Shared { .. }) {
            bail!("a block is not shared: {:?}", block.state);
        }
    }
    let mapped = sys::map_counter(folder).context("map a counter by hand")?;
    MAPPED_COUNTER.store(std::ptr::from_ref(mapped).cast_mut(), Relaxed);
    Ok(())
}

fn goals(figures: &[Figure]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for case in OPERATIONS {
        let ratio =
            median_of(figures, case, SHARED).zip(median_of(figures, case, PLAIN)).map(|(ours, limit)| ours / limit);
        goals.push(Goal::new(
            format!("{case} of a shared static takes 1.00 of a plain one's time (noise: {NOISE})"),
            ratio.map(|ratio| (format!("{ratio:.2}"), ratio <= 1.0 + NOISE)),
        ));
    }
    for case in OPERATIONS.map(|operation| format!("instructions, {operation}")) {
        let counts = median_of(figures, &case, SHARED).zip(median_of(figures, &case, PLAIN));
        goals.push(Goal::new(
            format!("{case}: as many as a plain static's"),
            counts.map(|(ours, limit)| (format!("{ours} and {limit}"), ours == limit)),
        ));
    }
    goals
}
