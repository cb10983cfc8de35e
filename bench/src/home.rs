//! A folder for the segments of one run, removed at its end.

use anyhow::Context;
use tempfile::TempDir;

use crate::sys;

/// Makes a folder that only this user can enter, in memory where the system has such a place.
pub(crate) fn make() -> anyhow::Result<TempDir> {
    let parent = sys::memory_folder();
    tempfile::Builder::new()
        .prefix("cotenant-bench-")
        .tempdir_in(&parent)
        .with_context(|| format!("make a folder in {}", parent.display()))
}
