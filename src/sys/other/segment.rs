//! Segments of objects, which this system does not have.

#![allow(unsafe_code)]

use super::Attached;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::BackingKind;
use crate::segment::request::Request;

/// What can back a segment here.
pub(crate) const BACKINGS: &[BackingKind] = &[];

/// Refuses.
pub(crate) fn open(request: &Request<'_>) -> Result<&'static Attached> {
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("cotenant shares nothing on this system yet, so there are no segments (`{}`)", request.plan.name),
    ))
}

/// Nothing was ever opened.
///
/// # Safety
/// None is needed.
pub(crate) unsafe fn close(attached: &'static Attached) {
    match attached.never {}
}
