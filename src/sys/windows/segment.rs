//! Segments of objects: file mappings of this user, opened by name, reserved whole and committed as they grow.
//!
//! A mapping lives as long as a process has it open: there is nothing to keep, to list, or to take a name from. Only
//! the user who runs the program can open one, so there are no readers either.

#![allow(unsafe_code)]

use std::convert::Infallible;

use super::{Attached, file_mapping};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::{BackingKind, Header};
use crate::segment::live::Live;
use crate::segment::request::Request;
use crate::sys::ranges;

/// What can back a segment here.
pub(crate) const BACKINGS: &[BackingKind] = &[BackingKind::FileMapping];

/// Opens or creates the segment, and makes this process a participant.
pub(crate) fn open(request: &Request<'_>) -> Result<&'static Attached> {
    if request.backing != BackingKind::FileMapping {
        let what = format!("{} cannot be had on Windows (`{}`)", request.backing.label(), request.plan.name);
        return Err(Error::new(ErrorKind::Unsupported, what).hint("use `Backing::FileMapping`, the default here"));
    }
    let attached: &'static Attached = Box::leak(Box::new(file_mapping::open_objects(request)?));
    let bytes = attached.header().max_bytes as usize;
    ranges::publish(attached.base().as_ptr() as usize, bytes, attached, 0);
    Ok(attached)
}

/// Lets go of a segment: slot, memory, handles. With the last process its name and its values go.
///
/// # Safety
/// `attached` came from [`open`], is not used again, and nothing refers to the segment's memory any more.
pub(crate) unsafe fn close(attached: &'static Attached) {
    ranges::withdraw(attached);
    attached.detach();
    // SAFETY: leaked by `open`; the caller gives up the last reference, and the locks' one was just withdrawn.
    drop(unsafe { Box::from_raw(std::ptr::from_ref(attached).cast_mut()) });
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
