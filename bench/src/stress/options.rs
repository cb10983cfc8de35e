//! What `stress` is told, and how durations and sizes are written.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// `cotenant-bench stress WHAT ...`
#[derive(Args)]
pub(crate) struct Options {
    /// What the processes work on.
    pub(super) what: What,
    /// How many processes work at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4000))]
    pub(super) processes: u32,
    /// How often one of them is killed, on average: 50ms, 1s.
    #[arg(long, value_name = "DUR", default_value = "50ms", value_parser = duration)]
    pub(super) kill_every: Duration,
    /// How long it goes on: 60s, 5m.
    #[arg(long = "for", value_name = "DUR", default_value = "60s", value_parser = duration)]
    pub(super) duration: Duration,
    /// Ends after so many kills, if that is earlier.
    #[arg(long, value_name = "N")]
    pub(super) kills: Option<u64>,
    /// Repeats the choices of a run, as far as chance in scheduling lets it.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Memory that every process touches, so that its end takes longer: 64MiB, 1GiB.
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = bytes)]
    pub(super) resident: u64,
    /// Locks without the kernel's robust list: what it is good for.
    #[arg(long)]
    pub(super) no_robust_list: bool,
    /// Prints the closing object only.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Every lock, with invariants that a lost or a double entry breaks; some process is killed all the time.
    Locks,
    /// Values that are published at full speed and loaded by all: torn, older than before, or lost.
    Published,
    /// A shared cache, with a history of every value: none may be mixed, another key's, or older than what was told.
    Cache,
    /// A queue: messages that are accepted come, twice only if marked; senders and receivers are killed.
    Queue,
    /// All of them wait for one owner, who is stopped: what that costs, and whether he is robbed.
    Waiters,
    /// Counters, gauges, histograms and rate limits: what was acknowledged is in the totals, whoever is killed.
    Metrics,
    /// 10,000 series and 10,000 processes, so many at a time: memory and the time of a scrape, which must not grow.
    Series,
}

/// What a process of a run is told by the one that starts it.
#[derive(Args)]
pub(crate) struct Role {
    pub(super) what: What,
    /// The words that all processes of the run have between them.
    pub(super) words: PathBuf,
    /// Which of the places it takes; the keeper has none.
    #[arg(long)]
    pub(super) place: Option<usize>,
    /// Its number in this run, which no other process has.
    #[arg(long, default_value_t = 0)]
    pub(super) incarnation: u64,
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    #[arg(long, default_value_t = 0)]
    pub(super) resident: u64,
    #[arg(long)]
    pub(super) no_robust_list: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit} is no unit of time: us, ms, s, m, h")),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let shift = match unit {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        _ => return Err(format!("{unit} is no unit of memory: KiB, MiB, GiB")),
    };
    Ok((number * f64::from(1_u32 << shift)) as u64)
}

fn split(text: &str) -> Result<(f64, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..end].parse().map_err(|_| format!("{text:?} does not begin with a number"))?;
    Ok((number, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_with_their_units() {
        assert_eq!(duration("50ms"), Ok(Duration::from_millis(50)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(bytes("1GiB"), Ok(1 << 30));
        assert_eq!(bytes("0"), Ok(0));
    }

    #[test]
    fn what_is_no_number_or_unit_is_refused() {
        assert!(duration("soon").is_err());
        assert!(duration("5 lightyears").is_err());
        assert!(bytes("1GB?").is_err());
    }
}
