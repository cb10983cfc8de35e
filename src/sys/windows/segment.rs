//! Segments of objects, which this system does not have.

#![allow(unsafe_code)]

use super::Attached;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::BackingKind;
use crate::segment::request::Request;

/// What can back a segment here.
pub(crate) const BACKINGS: &[BackingKind] = &[BackingKind::FileMapping];

/// Refuses.
pub(crate) fn open(request: &Request<'_>) -> Result<&'static Attached> {
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("segments of objects are not to be had on Windows yet (`{}`)", request.plan.name),
    ))
}

/// Nothing was ever opened.
///
/// # Safety
/// None is needed.
pub(crate) unsafe fn close(attached: &'static Attached) {
    attached.detach();
}
