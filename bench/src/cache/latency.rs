//! How long one `get` takes, while a process beside writes and is killed every second.

use std::fmt;
use std::time::{Duration, Instant};

use super::ours::Ours;
use super::workload::{Store, Workload, value_of};
use crate::sys;

const KILL_EVERY: Duration = Duration::from_secs(1);

/// Nanoseconds of one `get`.
pub(crate) struct Latency {
    p50: f64,
    p99: f64,
    pub(crate) p999: f64,
    max: f64,
    times: usize,
    kills: u32,
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p99, p999, max, times, kills } = self;
        write!(f, "p50 {p50} ns, p99 {p99}, p99.9 {p999}, max {max}; {times} times, {kills} kills")
    }
}

pub(crate) fn measure(ours: &Ours, workload: &Workload, time: Duration) -> anyhow::Result<Latency> {
    let mut times = Vec::with_capacity(1 << 22);
    let mut value = Vec::new();
    let mut kills = 0;
    let start = Instant::now();
    while start.elapsed() < time {
        let victim = sys::Victim::start(&|| {
            for nth in 0_usize.. {
                let key = workload.key(nth);
                ours.set(key, &value_of(key, nth as u8));
            }
        })?;
        let begin = Instant::now();
        while begin.elapsed() < KILL_EVERY.min(time) {
            for nth in times.len()..times.len() + 256 {
                let before = Instant::now();
                ours.get(workload.key(nth), &mut value);
                times.push(before.elapsed().as_nanos() as u32);
            }
        }
        victim.kill()?;
        kills += 1;
    }
    times.sort_unstable();
    let at = |part: f64| f64::from(times[((times.len() - 1) as f64 * part) as usize]);
    Ok(Latency { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0), times: times.len(), kills })
}
