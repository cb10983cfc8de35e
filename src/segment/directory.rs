//! The directory: which objects a segment holds, read by anybody, whatever the bytes say.
//!
//! ```text
//! header: object_count ------+            entry: name_hash, state, fingerprint, schema_at --> schemas area
//!                            v                                                  data_at ----> data area
//! objects  | entry 0 | entry 1 | entry 2 | (being written) | ...
//! ```
//!
//! Entries below `object_count` do not change, but for `state` and `init_lock`, and are not used for another object
//! while anybody is attached: a copy of an entry stays true, and one load of `state` tells whether its name still is.
//! All numbers are hostile: each is read once and checked against its area before it is used. What changes the
//! directory is in [`make`](super::make).

#![allow(unsafe_code)]

use std::mem::offset_of;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

use super::header::{DIRECTORY_LOCK_AT, Header, MAX_NAME_BYTES, OBJECT_BYTES, ObjectEntry, object_state};
use super::live::Live;
use super::object::TypeLayout;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::RawLock;
use crate::schema::decode::{self, Node};
use crate::schema::{FNV_SEED, NODE_HEAD_BYTES, hash};

/// Objects begin on these boundaries, so that no two share a cache line.
pub(crate) const OBJECT_ALIGN_BYTES: u64 = 64;

/// An entry of the objects area, as it lies in shared memory.
#[repr(C)]
pub(crate) struct Entry {
    pub(crate) schema_at: AtomicU64,
    pub(crate) schema_bytes: AtomicU32,
    /// Changes: [`object_state`].
    pub(crate) state: AtomicU32,
    pub(crate) data_at: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) fingerprint: AtomicU64,
    pub(crate) initial_hash: AtomicU64,
    /// Changes: held by whoever makes the value.
    pub(crate) init_lock: RawLock,
    pub(crate) name_hash: AtomicU64,
}

const _: () = assert!(size_of::<Entry>() == OBJECT_BYTES as usize && align_of::<Entry>() == 8);
const _: () = assert!(offset_of!(Entry, state) == offset_of!(ObjectEntry, state));
const _: () = assert!(offset_of!(Entry, data_at) == offset_of!(ObjectEntry, data_at));
const _: () = assert!(offset_of!(Entry, fingerprint) == offset_of!(ObjectEntry, fingerprint));
const _: () = assert!(offset_of!(Entry, init_lock) == offset_of!(ObjectEntry, init_lock));
const _: () = assert!(offset_of!(Entry, name_hash) == offset_of!(ObjectEntry, name_hash));

impl Entry {
    /// A private copy.
    pub(crate) fn read(&self) -> ObjectEntry {
        ObjectEntry {
            // Acquire pairs with the Release that says READY: who sees it sees the value.
            state: self.state.load(Acquire),
            schema_at: self.schema_at.load(Relaxed),
            schema_bytes: self.schema_bytes.load(Relaxed),
            data_at: self.data_at.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            fingerprint: self.fingerprint.load(Relaxed),
            initial_hash: self.initial_hash.load(Relaxed),
            init_lock: 0,
            name_hash: self.name_hash.load(Relaxed),
        }
    }
}

/// The directory of a mapped segment.
pub(crate) struct Directory {
    live: Live,
    pub(crate) objects_at: u64,
    pub(crate) objects_max: u32,
    pub(crate) schemas_at: u64,
    pub(crate) schemas_max_bytes: u64,
    pub(crate) data_at: u64,
    pub(crate) data_max_bytes: u64,
    pub(crate) page_bytes: u64,
    /// The segment, for messages.
    path: String,
}

/// An object as it was found: where its entry is, and a copy of it.
pub(crate) struct Found {
    pub(crate) index: u32,
    pub(crate) entry: ObjectEntry,
}

impl Directory {
    /// # Safety
    /// `header` passed [`Header::check`], and `live` is the start of a shared mapping of all its `max_bytes` bytes,
    /// page-aligned and readable (writable, for [`make`](super::make)), which is unmapped only after this value and
    /// all that was reached through it is gone.
    pub(crate) unsafe fn new(live: Live, header: &Header, path: String) -> Directory {
        Directory {
            live,
            objects_at: header.objects_at,
            objects_max: header.objects_max,
            schemas_at: header.schemas_at,
            schemas_max_bytes: header.schemas_max_bytes,
            data_at: header.data_at,
            data_max_bytes: header.max_bytes.saturating_sub(header.data_at),
            page_bytes: header.page_bytes.into(),
            path,
        }
    }

    pub(crate) fn live(&self) -> Live {
        self.live
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// How many entries there are.
    pub(crate) fn count(&self) -> Result<u32> {
        // Acquire pairs with the Release of the commit: who sees the count sees the entries.
        let count = self.live.object_count().load(Acquire);
        if count <= self.objects_max { Ok(count) } else { Err(self.corrupt("it claims more objects than fit")) }
    }

    /// The entry `index`, which is below `objects_max`. (At or behind the count its memory may not be reserved yet.)
    pub(crate) fn entry(&self, index: u32) -> &Entry {
        assert!(index < self.objects_max, "a segment of {} objects has none of index {index}", self.objects_max);
        let at = self.objects_at as usize + index as usize * OBJECT_BYTES as usize;
        // SAFETY: the objects area lies in the mapping (`Header::check`), and `index` in the area.
        let address = unsafe { self.live.base().add(at) };
        // SAFETY: mapped as long as `self` lives; a multiple of 8 from a page's start; all fields are atomics.
        unsafe { address.cast::<Entry>().as_ref() }
    }

    /// Held while objects are added or removed.
    pub(crate) fn lock(&self) -> &RawLock {
        // SAFETY: inside the header.
        let address = unsafe { self.live.base().add(DIRECTORY_LOCK_AT) };
        // SAFETY: mapped as long as `self` lives, aligned, an atomic.
        unsafe { address.cast::<RawLock>().as_ref() }
    }

    /// The object of that name, be it ready or being made.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Found>> {
        let wanted = name_hash(name);
        for index in 0..self.count()? {
            let shared = self.entry(index);
            if shared.name_hash.load(Relaxed) != wanted {
                continue;
            }
            let entry = shared.read();
            let in_use = matches!(entry.state, object_state::READY | object_state::BEING_MADE);
            if in_use && self.has_name(&entry, name)? {
                return Ok(Some(Found { index, entry }));
            }
        }
        Ok(None)
    }

    fn has_name(&self, entry: &ObjectEntry, name: &str) -> Result<bool> {
        let schema = self.schema_range(entry)?;
        let name_bytes = u16::from_le_bytes([self.byte(schema.at + 2), self.byte(schema.at + 3)]) as usize;
        if name_bytes != name.len() || schema.bytes < NODE_HEAD_BYTES + name_bytes {
            return Ok(false);
        }
        let first = schema.at + NODE_HEAD_BYTES;
        Ok(name.bytes().enumerate().all(|(i, byte)| self.byte(first + i) == byte))
    }

    /// A private copy of an object's encoded schema.
    pub(crate) fn schema_bytes(&self, entry: &ObjectEntry) -> Result<Vec<u8>> {
        let schema = self.schema_range(entry)?;
        Ok((schema.at..schema.at + schema.bytes).map(|at| self.byte(at)).collect())
    }

    /// An object's decoded schema.
    pub(crate) fn schema(&self, entry: &ObjectEntry) -> Result<Node> {
        let bytes = self.schema_bytes(entry)?;
        match decode::decode(&bytes) {
            Ok((node, used)) if used == bytes.len() && node.name.len() <= MAX_NAME_BYTES => Ok(node),
            Ok(_) => Err(self.corrupt("a schema is longer than its object says")),
            Err(fault) => Err(self.corrupt(&fault.to_string())),
        }
    }

    /// Where an object's schema lies in the mapping.
    fn schema_range(&self, entry: &ObjectEntry) -> Result<Range> {
        let bytes = u64::from(entry.schema_bytes);
        let end = entry.schema_at.checked_add(bytes);
        if bytes < NODE_HEAD_BYTES as u64 || end.is_none_or(|end| end > self.schemas_max_bytes) {
            return Err(self.corrupt("a schema lies outside of the schemas area"));
        }
        Ok(Range { at: (self.schemas_at + entry.schema_at) as usize, bytes: bytes as usize })
    }

    /// The byte at `at`, which the caller has checked to lie in an area before the data.
    fn byte(&self, at: usize) -> u8 {
        debug_assert!((at as u64) < self.data_at);
        // SAFETY: inside the mapping.
        let address = unsafe { self.live.base().add(at) };
        // SAFETY: mapped as long as `self` lives; others write it by atomic operations, too.
        unsafe { address.cast::<AtomicU8>().as_ref() }.load(Relaxed)
    }

    /// Copies `bytes` to `at` of the schemas area, which has room for them.
    pub(crate) fn write_schema(&self, at: u64, bytes: &[u8]) {
        assert!(at + bytes.len() as u64 <= self.schemas_max_bytes, "a schema was to be written behind its area");
        for (i, byte) in bytes.iter().enumerate() {
            // SAFETY: inside the schemas area, by the assertion.
            let address = unsafe { self.live.base().add((self.schemas_at + at) as usize + i) };
            // SAFETY: mapped, and atomic for whoever reads it meanwhile.
            unsafe { address.cast::<AtomicU8>().as_ref() }.store(*byte, Relaxed);
        }
    }

    /// Where the value of an object lies, if its place is one that an object of this layout can have.
    pub(crate) fn place(&self, entry: &ObjectEntry, layout: &TypeLayout) -> Result<NonNull<u8>> {
        // Whole lines belong to the object; readers copy it by words.
        let end = entry.bytes.checked_next_multiple_of(OBJECT_ALIGN_BYTES);
        let end = end.and_then(|bytes| bytes.checked_add(entry.data_at));
        let fits = layout.admits_bytes(entry.bytes)
            && entry.data_at % OBJECT_ALIGN_BYTES == 0
            && entry.data_at % layout.align_bytes.max(1) == 0
            && end.is_some_and(|end| end <= self.data_max_bytes);
        if !fits {
            return Err(self.corrupt("an object lies outside of the data, or has another size than its type"));
        }
        // SAFETY: inside the mapping, by the check.
        Ok(unsafe { self.live.base().add((self.data_at + entry.data_at) as usize) })
    }

    pub(crate) fn corrupt(&self, why: &str) -> Error {
        Error::new(ErrorKind::Corrupt, format!("the segment {} is damaged: {why}", self.path))
            .hint("end the programs that use it and remove it (`Segment::options().unlink`)")
    }
}

struct Range {
    at: usize,
    bytes: usize,
}

/// FNV-1a of a name, as entries hold it.
pub(crate) fn name_hash(name: &str) -> u64 {
    hash(FNV_SEED, name.as_bytes())
}

/// Refuses a name that an object cannot have.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let why = if name.is_empty() {
        "is empty".to_owned()
    } else if name.len() > MAX_NAME_BYTES {
        format!("has {} bytes; at most {MAX_NAME_BYTES} are possible", name.len())
    } else if name.chars().any(char::is_control) {
        "has a control character".to_owned()
    } else {
        return Ok(());
    };
    let shown = crate::schema::difference::printable(name);
    Err(Error::new(ErrorKind::InvalidInput, format!("an object cannot be named `{shown}`: the name {why}")))
}
