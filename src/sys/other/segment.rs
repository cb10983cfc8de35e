//! Segments of objects, which this system does not have.

#![allow(unsafe_code)]

use std::convert::Infallible;

use super::Attached;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::{BackingKind, Header};
use crate::segment::live::Live;
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

/// What a reader keeps. There is none.
pub(crate) struct Reading {
    never: Infallible,
}

impl Reading {
    pub(crate) fn path(&self) -> &str {
        match self.never {}
    }

    pub(crate) fn header(&self) -> &Header {
        match self.never {}
    }

    pub(crate) fn live(&self) -> Live {
        match self.never {}
    }

    pub(crate) fn this_boot(&self) -> u64 {
        match self.never {}
    }

    pub(crate) fn has_bytes(&self, _bytes: u64) -> bool {
        match self.never {}
    }

    pub(crate) fn is_unlinked(&self) -> bool {
        match self.never {}
    }

    pub(crate) fn living(&self) -> Box<dyn Fn(u32) -> Option<u32> + '_> {
        match self.never {}
    }
}

/// Refuses.
pub(crate) fn open_reader(request: &Request<'_>) -> Result<Reading> {
    let what = format!("segments cannot be read without being written on this system (`{}`)", request.plan.name);
    Err(Error::new(ErrorKind::Unsupported, what))
}

/// Refuses.
pub(crate) fn unlink(request: &Request<'_>) -> Result<()> {
    let what = format!("cannot remove the name of `{}`: names cannot be removed on this system", request.plan.name);
    Err(Error::new(ErrorKind::Unsupported, what).hint("it goes with the last process that has it open"))
}
