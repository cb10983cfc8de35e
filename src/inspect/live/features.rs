//! What this kernel and this file system can do, found by doing it.

use std::io;
use std::path::Path;

use crate::sys::probe;

/// A feature that segments use, and how trying it went.
#[derive(Debug)]
#[non_exhaustive]
pub struct Feature {
    /// `unnamed-files`, `description-locks`, `reserve`, `wipe-on-fork`, `futex-wake-op`, `robust-list`, `memfd-seals`,
    /// `memfd-noexec-seal`, `populate-write` or `pid-descriptors`.
    pub name: &'static str,
    /// What the system said.
    pub result: io::Result<()>,
}

/// Tries what the kernel must or may do for us. Empty on systems other than Linux.
pub fn kernel_features() -> Vec<Feature> {
    probe::kernel().into_iter().map(|tried| Feature { name: tried.name, result: tried.result }).collect()
}

/// Tries what the file system of `folder`, which this user may write, must do for us. Leaves nothing there.
pub fn file_system_features(folder: &Path) -> Vec<Feature> {
    probe::file_system(folder).into_iter().map(|tried| Feature { name: tried.name, result: tried.result }).collect()
}
