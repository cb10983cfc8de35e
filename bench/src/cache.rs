//! Group `cache`: the shared cache beside a bare table (the limit), private caches, and what others have between
//! processes.
//!
//! ```text
//! cache       which subjects, which goals
//! workload    the operations: keys, values, what a worker does          zipf      which key comes how often
//! ours        table     private                                         the subjects here; LMDB and servers in `sys`
//! latency     one `get` after the other, while another process is killed
//! ```
//!
//! 100,000 entries of 16 + 100 bytes, chosen by a Zipf law of 0.99, 95 of 100 operations read. Everything fits: nobody
//! evicts. `cotenant-bench hits` is for that.

mod latency;
mod ours;
mod private;
mod table;
pub(crate) mod workload;
pub(crate) mod zipf;

use std::time::Duration;

use crate::figure::{Figure, median_of};
use crate::goal::Goal;
use crate::rounds;
use crate::subject::Subject;
use crate::{Effort, Report, home, sys};
use workload::Workload;

const GROUP: &str = "cache";
const ONE: &str = "one worker";
const TWO: &str = "two workers";
const PROCESSES: &str = "cotenant Cache, processes";
const TABLE: &str = "limit seqlock table, no eviction, processes";
const QUICK_CACHE: &str = "quick_cache 0.6, threads, private";
const LMDB: &str = "LMDB by heed 0.22, processes";
const REDIS: &str = "Redis, a Unix socket, processes";
const MEMCACHED: &str = "memcached, a Unix socket, processes";
/// `lua_shared_dict` has no form that a program could call: this is from a run beside a bare table of 17.2.
const LUA_OF_TABLE: f64 = 1.6 / 17.2;
const GET_NS: f64 = 5000.0;
const OVERHEAD_BYTES: f64 = 64.0;

pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let home = home::make()?;
    let workload = Workload::new();
    let time = Duration::from_millis(if effort.quick { 10 } else { 100 });
    let ours = ours::Ours::new(home.path(), &workload)?;
    let table = table::Table::new(&workload)?;
    let quick_cache = private::quick_cache(&workload);
    let dashmap = private::dashmap(&workload);
    let moka = private::moka(&workload);
    let mut subjects = vec![
        Subject::new(ONE, TABLE, |_| Ok(workload.alone(&table, time))),
        Subject::new(ONE, PROCESSES, |_| Ok(workload.alone(&ours, time))),
        Subject::new(ONE, QUICK_CACHE, |_| Ok(workload.alone(&quick_cache, time))),
        Subject::new(TWO, TABLE, |_| workload.two_processes(|| Ok(&table), time)),
        Subject::new(TWO, PROCESSES, |_| workload.two_processes(|| Ok(&ours), time)),
        Subject::new(TWO, "cotenant Cache, threads", |_| Ok(workload.two_threads(&ours, time))),
        Subject::new(TWO, QUICK_CACHE, |_| Ok(workload.two_threads(&quick_cache, time))),
        Subject::new(TWO, "dashmap 6, threads, private", |_| Ok(workload.two_threads(&dashmap, time))),
        Subject::new(TWO, "moka 0.12, threads, private", |_| Ok(workload.two_threads(&moka, time))),
    ];
    sys::add_stores(&mut subjects, TWO, [LMDB, REDIS, MEMCACHED], &workload, home.path(), time);
    let samples = rounds::in_turn(GROUP, &mut subjects, effort.rounds, 1);
    let mut report = Report::default();
    let figures = subjects.iter().zip(&samples);
    report.figures.extend(figures.map(|(it, samples)| Figure::new(GROUP, &it.case, &it.name, "M/s", samples)));
    drop(subjects);
    report.goals = goals(&report.figures);
    report.goals.push(Goal::at_most(
        format!("overhead of an entry: at most {OVERHEAD_BYTES} bytes, with a full cache"),
        ours::overhead_bytes(&workload).ok(),
        OVERHEAD_BYTES,
        "bytes",
    ));
    let time = Duration::from_secs(if effort.quick { 1 } else { 5 });
    let latency = latency::measure(&ours, &workload, time);
    match &latency {
        Ok(latency) => eprintln!("get, beside a process that is killed every second: {latency}"),
        Err(why) => eprintln!("get, beside a process that is killed every second: not measured: {why:#}"),
    }
    let text = format!("get, p99.9, beside a writer that is killed every second: under {GET_NS} ns");
    report.goals.push(Goal::at_most(text, latency.ok().map(|it| it.p999), GET_NS, "ns"));
    Ok(report)
}

fn goals(figures: &[Figure]) -> Vec<Goal> {
    let ours = median_of(figures, TWO, PROCESSES);
    let ratio = |to: Option<f64>| ours.zip(to).map(|(ours, to)| ours / to);
    let at_least = |text: &str, ratio: Option<f64>, least: f64| {
        Goal::new(text, ratio.map(|ratio| (format!("{ratio:.2}"), ratio >= least)))
    };
    let two = |subject| median_of(figures, TWO, subject);
    let lua = two(TABLE).map(|table| table * LUA_OF_TABLE);
    vec![
        at_least("two processes: at least 1.25 of quick_cache's rate with two threads", ratio(two(QUICK_CACHE)), 1.25),
        at_least("two processes: at least 0.7 of the bare table's rate", ratio(two(TABLE)), 0.7),
        at_least("two processes: at least 4 of LMDB's rate", ratio(two(LMDB)), 4.0),
        at_least("two processes: at least 7 of lua_shared_dict's rate (0.093 of the bare table's)", ratio(lua), 7.0),
        at_least("two processes: at least 500 of Redis's rate", ratio(two(REDIS)), 500.0),
        at_least("two processes: at least 1.8 of one's rate", ratio(median_of(figures, ONE, PROCESSES)), 1.8),
    ]
}
