//! Names of segments cannot be listed here: they go with the last process that has them open.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::segment::list::{PruneOptions, Pruned, SegmentInfo};

/// Refuses: the system has no folder of them.
pub(crate) fn list(_folder: Option<PathBuf>) -> Result<Vec<SegmentInfo>> {
    Err(Error::new(ErrorKind::Unsupported, "segments cannot be listed on this system"))
}

/// Nothing is ever left behind.
pub(crate) fn prune(_options: &PruneOptions) -> Result<Vec<Pruned>> {
    Ok(Vec::new())
}

/// Refuses.
pub(crate) fn unlink(path: &Path) -> Result<()> {
    let what = format!("cannot remove the name of {}: names cannot be removed on this system", path.display());
    Err(Error::new(ErrorKind::Unsupported, what).hint("it goes with the last process that has it open"))
}
