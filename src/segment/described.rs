//! Objects of types that are only described while running: those that programs in C declare (`schema::tables`).
//!
//! A type of Rust is a constant of the program. One of C is a table of it, made into the same layout and fingerprint
//! when it is first used, and kept behind the table's field `known` for as long as the process lives. From there on
//! both are the same: a `limits` of C and a `#[repr(C)] struct Limits` of Rust find each other's objects.

#![allow(unsafe_code)]
#![allow(missing_docs)] // Hidden: the header's names are in docs/c.md.

use std::ptr::NonNull;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::{Duration, Instant};

use super::make::Claim;
use super::object::TypeLayout;
use super::reader::SegmentReader;
use super::segment::Segment;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::tables::{self, TypeTable, Unsaid};

/// A type that is described.
pub struct ObjectType {
    layout: TypeLayout,
    unsaid: Vec<Unsaid>,
}

impl ObjectType {
    /// The type of a table.
    ///
    /// # Errors
    /// The table makes no sense.
    ///
    /// # Safety
    /// `cotenant.h` made the table, and nobody else writes into `known`.
    pub unsafe fn of(table: &TypeTable) -> Result<&'static ObjectType> {
        // Acquire pairs with the Release below.
        // SAFETY: null, or what was put there below and is never freed.
        if let Some(known) = unsafe { table.known.load(Acquire).cast::<ObjectType>().as_ref() } {
            return Ok(known);
        }
        // SAFETY: the caller's promise.
        let node = unsafe { table.node() }?;
        let unsaid = Unsaid::all(&node);
        let layout = TypeLayout::described(node)?;
        let fresh = Box::into_raw(Box::new(ObjectType { layout, unsaid }));
        match table.known.compare_exchange(std::ptr::null_mut(), fresh.cast(), AcqRel, Acquire) {
            // SAFETY: just made, and never freed: threads may use it at any time.
            Ok(_) => Ok(unsafe { &*fresh }),
            Err(theirs) => {
                // SAFETY: just made, and nobody else has it.
                drop(unsafe { Box::from_raw(fresh) });
                // SAFETY: as above.
                Ok(unsafe { &*theirs.cast::<ObjectType>() })
            }
        }
    }
}

impl Segment {
    /// As [`Segment::get`]: where the object lies, for as long as the segment is attached.
    pub fn get_described(&self, name: &str, of: &ObjectType) -> Result<Option<NonNull<u8>>> {
        if let Some(known) = self.known(name, &of.layout) {
            return Ok(known.place());
        }
        let ready = self.maker().get(name, &of.layout)?;
        Ok(ready.and_then(|ready| self.note(name, &of.layout, ready).place()))
    }

    /// As [`Segment::get_or_init`] and, with a timeout, [`Segment::get_or_init_timeout`]. `init` gets the object's
    /// bytes, all zero but for what is unsaid; if it says `false` the object is left to the next one who asks, and
    /// there is none here.
    pub fn get_or_make_described(
        &self,
        name: &str,
        of: &ObjectType,
        timeout: Option<Duration>,
        init: impl FnOnce(NonNull<u8>) -> bool,
    ) -> Result<Option<NonNull<u8>>> {
        if let Some(known) = self.known(name, &of.layout) {
            return Ok(known.place());
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let making = match self.maker().get_or_claim(name, &of.layout, deadline)? {
            Claim::Ready(ready) => return Ok(self.note(name, &of.layout, ready).place()),
            Claim::Make(making) => making,
        };
        let ready = making.ready;
        // Written although new memory is zero: one who died making it may have begun.
        // SAFETY: the object's own bytes, reserved; nobody refers to it.
        unsafe { ready.address.write_bytes(0, of.layout.bytes as usize) };
        for unsaid in &of.unsaid {
            // SAFETY: as above, of that type.
            unsafe { unsaid.say(ready.address.as_ptr(), name) };
        }
        // A `false`, like a panic, drops `making`, which leaves it to the next one.
        if !init(ready.address) {
            return Ok(None);
        }
        let address = ready.address.as_ptr();
        // SAFETY: as above.
        if let Some(part) = of.layout.node().and_then(|node| unsafe { tables::no_value(node, address) }) {
            let what = format!("the object `{name}` was made with a number that is no value of `{}`", part.type_name);
            return Err(Error::new(ErrorKind::InvalidInput, what).hint("have its init write one that is"));
        }
        if making.finish() {
            return Ok(self.note(name, &of.layout, ready).place());
        }
        // Its name was taken from it while it was made; it is this caller's alone.
        Ok(Some(ready.address))
    }
}

impl SegmentReader {
    /// As [`SegmentReader::get`]: where the object lies, in memory that can only be read.
    pub fn get_described(&self, name: &str, of: &ObjectType) -> Result<Option<NonNull<u8>>> {
        Ok(self.find(name, &of.layout)?.map(|(address, _)| address))
    }
}
