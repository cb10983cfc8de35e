//! Systems on which only the portable part is measured.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::cache::workload::Workload;
use crate::locks::Cases;
use crate::published;
use crate::subject::Subject;

pub(crate) fn memory_folder() -> PathBuf {
    std::env::temp_dir()
}

pub(crate) fn machine() -> String {
    format!("machine: {} {}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Not shared here: a counter on the heap, reached as a mapped one is.
pub(crate) fn map_counter(_folder: &Path) -> io::Result<&'static AtomicU64> {
    Ok(Box::leak(Box::new(AtomicU64::new(0))))
}

pub(crate) fn instructions(_function: extern "C" fn() -> u64) -> anyhow::Result<u64> {
    anyhow::bail!("instructions are counted on Linux only")
}

/// Why programs' starts are not measured here.
pub(crate) const NO_STARTS: Option<&str> = Some("starts are measured on Linux only");

/// Starts are not measured here, so nobody has one.
pub(crate) struct Lifeline;

impl Lifeline {
    pub(crate) fn new() -> io::Result<Lifeline> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn input(&self) -> io::Result<std::process::Stdio> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn cut(&self) {}
}

/// Locks of the system and of other libraries are measured on Linux only.
pub(crate) fn add_peers(_cases: &mut Cases<'_>) {}

pub(crate) fn remove_peers() {}

/// The one between processes is for Linux only.
pub(crate) fn add_publishers(_cases: &mut published::Cases<'_>) {}

/// What each of two processes answers.
pub(crate) type Work<'a> = dyn Fn(&dyn Fn() -> anyhow::Result<()>) -> anyhow::Result<[f64; 2]> + 'a;

pub(crate) fn in_two_processes(_work: &Work<'_>) -> anyhow::Result<[[f64; 2]; 2]> {
    anyhow::bail!("two processes are measured on Linux only")
}

/// Ways of the system and of other libraries are measured on Linux only.
pub(crate) fn add_ways(_cases: &mut crate::channels::Cases<'_>) {}

pub(crate) fn kernel_ways(_maker: &crate::compare::Maker) -> anyhow::Result<[Vec<crate::compare::Measure>; 5]> {
    anyhow::bail!("ways of sharing are compared on Linux only")
}

pub(crate) fn pin(_nth: usize) {}

pub(crate) fn unpin() {}

pub(crate) fn computes_alone(_prepare: &dyn Fn(), _work: &dyn Fn()) -> anyhow::Result<bool> {
    anyhow::bail!("system calls are forbidden on Linux only")
}

/// Not shared here.
pub(crate) fn shared_words(words: usize) -> io::Result<&'static [AtomicU64]> {
    Ok(Box::leak((0..words).map(|_| AtomicU64::new(0)).collect()))
}

/// Stores of others are measured on Linux only.
pub(crate) fn add_stores<'a>(
    _subjects: &mut Vec<Subject<'a>>,
    _case: &str,
    _names: [&str; 3],
    _workload: &'a Workload,
    _folder: &'a Path,
    _time: Duration,
) {
}

/// Nobody is killed here.
pub(crate) struct Victim;

impl Victim {
    pub(crate) fn start(_work: &dyn Fn()) -> anyhow::Result<Victim> {
        anyhow::bail!("processes are killed on Linux only")
    }

    pub(crate) fn kill(self) -> anyhow::Result<()> {
        Ok(())
    }
}

// Nobody is started here, see `NO_STARTS`; what follows is never called.

pub(crate) fn map_words(_file: &File, _words: usize) -> io::Result<&'static [AtomicU64]> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn now_ns() -> u64 {
    0
}

pub(crate) fn thread_ns() -> u64 {
    static BEGUN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGUN.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
}

pub(crate) fn end_with_parent() {}

pub(crate) fn was_killed(status: ExitStatus) -> bool {
    !status.success()
}

pub(crate) fn stop(_pid: u32, _stopped: bool) {}

pub(crate) fn cpu_seconds(_pid: u32) -> Option<f64> {
    None
}

/// A POSIX segment as people make it by hand.
pub(crate) mod by_hand {
    use std::io;

    pub(crate) fn create(_bytes: usize) -> io::Result<f64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn open(_bytes: usize) -> io::Result<f64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn grow(_bytes: usize) -> io::Result<f64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Children of a fork, which this system has not.
pub(crate) struct Crowd;

impl Crowd {
    pub(crate) fn of(_count: usize, _once: impl Fn()) -> io::Result<Crowd> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

pub(crate) fn on_a_terminal(_command: std::process::Command) -> io::Result<f64> {
    Err(io::ErrorKind::Unsupported.into())
}
