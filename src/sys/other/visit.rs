//! A tool's visit to a segment that is there, on systems without segments in files: there is none.

use std::convert::Infallible;
use std::path::Path;
use std::ptr::NonNull;

use crate::error::{Error, ErrorKind, Result};

/// There is none.
pub(crate) struct Visit {
    never: Infallible,
}

impl Visit {
    pub(crate) fn instance(&self) -> [u8; 16] {
        match self.never {}
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        match self.never {}
    }

    pub(crate) fn bytes(&self) -> usize {
        match self.never {}
    }
}

pub(crate) fn join(path: &Path) -> Result<Visit> {
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("cannot join {}: segments lie in files on Linux only", path.display()),
    ))
}
