//! Systems on which only the portable part is measured.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

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
