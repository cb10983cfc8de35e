//! Descriptors of segments: for sending one over a Unix socket, and for programs that inherit one.

use crate::segment::{at, cotenant_segment, handle, out};
use crate::status::{call, cotenant_status, invalid};

/// A descriptor that leads to this segment, for a process that is to share it and gives it to
/// cotenant_segment_of_descriptor: sent over a Unix socket, or inherited by a program (it is close-on-exec: for that a
/// copy by dup2 that is not). Close it like any other; as long as it is open anywhere the segment counts as in use.
/// COTENANT_UNSUPPORTED: the segment is no file (COTENANT_BACKING_ANONYMOUS, COTENANT_BACKING_SYSV), or this is Windows.
/// COTENANT_SYSTEM: its name was removed. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_to_descriptor(
    segment: *const cotenant_segment,
    descriptor: *mut i32,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a segment.
        let segment = &unsafe { at(segment) }?.segment;
        // SAFETY: the caller passes a place.
        let place =
            unsafe { descriptor.as_mut() }.ok_or_else(|| invalid("the place for the result is a null pointer"))?;
        *place = descriptors::give(segment)?;
        Ok(())
    })
}

/// Attaches to the segment that a descriptor of cotenant_segment_to_descriptor leads to. The descriptor is this call's,
/// also if it fails: it closes it, or keeps it where no name leads to the segment. It is checked before it is used, for
/// whoever sent it may be hostile. COTENANT_FOREIGN: it leads to no segment, to a memfd that is not sealed, or to another
/// user's file. COTENANT_CORRUPT, COTENANT_MISMATCH, COTENANT_PERMISSION_DENIED; COTENANT_NOT_FOUND: nobody is attached
/// to it any more; COTENANT_INVALID_INPUT: no open descriptor; COTENANT_UNSUPPORTED: this is Windows. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_segment_of_descriptor(
    descriptor: i32,
    segment: *mut *mut cotenant_segment,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller gives an open descriptor away.
        let found = unsafe { descriptors::take(descriptor) }?;
        // SAFETY: the caller passes a place.
        *unsafe { out(segment) }? = handle(found);
        Ok(())
    })
}

/// Descriptors as numbers.
#[cfg(target_os = "linux")]
mod descriptors {
    use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

    use cotenant_rust::Segment;

    use crate::status::{Result, invalid};

    pub(super) fn give(segment: &Segment) -> Result<i32> {
        Ok(segment.to_fd()?.into_raw_fd())
    }

    /// # Safety
    /// Negative, or a descriptor that is open, and nobody else's.
    pub(super) unsafe fn take(descriptor: i32) -> Result<Segment> {
        if descriptor < 0 {
            return Err(invalid("a negative number is no descriptor"));
        }
        // SAFETY: the caller's promise.
        Ok(Segment::from_fd(unsafe { OwnedFd::from_raw_fd(descriptor) })?)
    }
}

/// There are none that lead to segments.
#[cfg(not(target_os = "linux"))]
mod descriptors {
    use cotenant_rust::Segment;

    use crate::status::cotenant_status::COTENANT_UNSUPPORTED;
    use crate::status::{Failure, Result};

    fn unsupported() -> Failure {
        Failure { status: COTENANT_UNSUPPORTED, message: "this system has no descriptors of segments".to_owned() }
    }

    pub(super) fn give(_: &Segment) -> Result<i32> {
        Err(unsupported())
    }

    /// # Safety
    /// None.
    pub(super) unsafe fn take(_: i32) -> Result<Segment> {
        Err(unsupported())
    }
}
