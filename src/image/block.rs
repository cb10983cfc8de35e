//! A block's descriptor: what the runtime, and a tool that reads the file, know of a block of variables.
//!
//! ```text
//! section cotenant_meta:  Descriptor -> name, module, schemas, objects (read-only)
//!                              |
//! section cotenant:            +-----> the block, whole pages, mapped over by the segment
//! ```

#![allow(unsafe_code)]
#![allow(missing_docs)] // Hidden: only what the macros expand to names these.

use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::AtomicPtr;

use crate::error::Error;
use crate::process_sync::ProcessSync;
use crate::schema::{self, Part};
pub use crate::segment::header::ObjectEntry;
use crate::sys;

/// The first bytes of every descriptor.
pub const DESCRIPTOR_MAGIC: [u8; 8] = *b"COTBLOCK";

/// The words of a block's attribute, as numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Words {
    /// `keep = until_removed`.
    pub keep_until_removed: bool,
    /// `attach = by_call`.
    pub attach_by_call: bool,
    /// `on_failure = private`.
    pub private_on_failure: bool,
    /// `on_mismatch = separate`.
    pub separate_on_mismatch: bool,
    /// `when_privileged = share`.
    pub share_when_privileged: bool,
    /// Zero.
    pub reserved: [u8; 3],
    /// Permission bits of the segment.
    pub mode: u32,
}

/// A slice of a static, laid out alike in every compiler's and language's descriptors: address, then length.
#[repr(C)]
pub struct StaticSlice<T: 'static> {
    first: *const T,
    len: usize,
}

impl<T> StaticSlice<T> {
    pub const fn new(slice: &'static [T]) -> Self {
        StaticSlice { first: slice.as_ptr(), len: slice.len() }
    }
}

impl<T> Deref for StaticSlice<T> {
    type Target = [T];

    fn deref(&self) -> &'static [T] {
        // SAFETY: made from a `&'static [T]` only.
        unsafe { std::slice::from_raw_parts(self.first, self.len) }
    }
}

/// A static string: address, then length in bytes.
#[repr(transparent)]
pub struct StaticText(StaticSlice<u8>);

impl StaticText {
    pub const fn new(text: &'static str) -> Self {
        StaticText(StaticSlice::new(text.as_bytes()))
    }

    pub(crate) fn as_str(&self) -> &'static str {
        // SAFETY: made from a `&'static [u8]` only.
        let bytes = unsafe { std::slice::from_raw_parts(self.0.first, self.0.len) };
        // SAFETY: the bytes of a `&'static str`.
        unsafe { std::str::from_utf8_unchecked(bytes) }
    }
}

/// What is known of a block while compiling; docs/format.md draws it.
#[repr(C)]
pub struct Descriptor {
    pub magic: [u8; 8],
    pub descriptor_bytes: u32,
    pub object_count: u32,
    pub words: Words,
    /// The block's shared name; empty for an unnamed block.
    pub name: StaticText,
    /// The group that may use it; empty for none.
    pub group: StaticText,
    /// The module that declares it.
    pub module: StaticText,
    /// As the code that uses the variables sees it.
    pub block: *const u8,
    /// A second copy of the initial values, for a block that is attached by call, or (Windows) in the section that the
    /// loader shares; else null.
    pub pristine: *const u8,
    pub used_bytes: usize,
    pub padded_bytes: usize,
    pub fingerprint: u64,
    pub objects: StaticSlice<ObjectEntry>,
    pub schemas: StaticSlice<u8>,
    /// Where a block that cannot be mapped in place keeps the address of its values.
    pub target: Option<&'static AtomicPtr<u8>>,
    /// What this process remembers of the block.
    pub status: &'static Status,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Words>() == 12 && size_of::<Descriptor>() == 168);

// SAFETY: the pointers are only addresses of statics; what changes is in `status`, which is `Sync`.
unsafe impl Sync for Descriptor {}

/// What a process remembers of a block.
pub struct Status {
    pub(crate) next: AtomicPtr<Descriptor>,
    pub(crate) outcome: OnceLock<Outcome>,
    /// Of a block that is declared in C: where, in its image; 0: the descriptor itself lies there.
    declaration: usize,
    /// Whether the declaration says what is to happen where sharing is impossible, or need not: a library in C must.
    pub(crate) says_on_failure: bool,
}

/// What became of a block in this process.
pub(crate) enum Outcome {
    Attached(&'static sys::Attached),
    Private(Error),
}

impl Status {
    #[doc(hidden)]
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Status {
        Status::of_declaration(0, true)
    }

    pub(crate) const fn of_declaration(declaration: usize, says_on_failure: bool) -> Status {
        let next = AtomicPtr::new(std::ptr::null_mut());
        Status { next, outcome: OnceLock::new(), declaration, says_on_failure }
    }
}

impl Words {
    /// Goes on hashing with what tells segments of unnamed blocks apart.
    pub(crate) fn hash(self, seed: u64) -> u64 {
        let words = [
            self.keep_until_removed,
            self.attach_by_call,
            self.private_on_failure,
            self.separate_on_mismatch,
            self.share_when_privileged,
        ];
        schema::hash(seed, &words.map(u8::from))
    }
}

impl Descriptor {
    pub(crate) fn is_named(&self) -> bool {
        !self.name.as_str().is_empty()
    }

    /// An address in the image that declares the block.
    pub(crate) fn declared_at(&self) -> usize {
        match self.status.declaration {
            0 => std::ptr::from_ref(self) as usize,
            declaration => declaration,
        }
    }

    /// The descriptor at an address that `register` was given; `None` for null.
    pub(crate) fn at(address: *const Descriptor) -> Option<&'static Descriptor> {
        // SAFETY: only addresses of `&'static Descriptor`s are ever stored in the list.
        unsafe { address.as_ref() }
    }

    /// Where the initial values lie: in the pristine copy if the block is attached by call, else in the block, which
    /// nobody has changed before it is attached at load.
    pub(crate) fn initial(&self) -> *const u8 {
        if self.words.attach_by_call { self.pristine } else { self.block }
    }

    /// A hash of an object's initial bytes, never 0. Padding counts: in a static it is what the linker wrote, zeros.
    pub(crate) fn hash_initial(&self, object: &ObjectEntry) -> u64 {
        let start = self.initial().wrapping_add(object.data_at as usize);
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for i in 0..object.bytes as usize {
            // SAFETY: inside the block; a static's bytes are all written in the image. Volatile, because they are not
            // read as the values that they are.
            let byte = unsafe { start.wrapping_add(i).read_volatile() };
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash.max(1)
    }

    /// The block for messages: its name, or its module.
    pub(crate) fn label(&self) -> &'static str {
        if self.is_named() { self.name.as_str() } else { self.module.as_str() }
    }
}

/// Bytes of all variables' schemas.
#[doc(hidden)]
pub const fn schemas_bytes(variables: &[Part]) -> usize {
    let mut total = 0;
    let mut i = 0;
    while i < variables.len() {
        total += schema::encoded_bytes(&variables[i]);
        i += 1;
    }
    total
}

/// All variables' schemas, one behind the other.
#[doc(hidden)]
pub const fn encode_schemas<const N: usize>(variables: &[Part]) -> [u8; N] {
    let mut out = [0; N];
    let mut at = 0;
    let mut i = 0;
    while i < variables.len() {
        at = schema::encode(&mut out, at, &variables[i]);
        i += 1;
    }
    out
}

/// The directory entries of a block's variables.
#[doc(hidden)]
pub const fn objects<const N: usize>(variables: &[Part]) -> [ObjectEntry; N] {
    let mut out = [ObjectEntry::UNPLACED; N];
    let mut schema_at = 0;
    let mut i = 0;
    while i < N {
        let schema_bytes = schema::encoded_bytes(&variables[i]);
        out[i].schema_at = schema_at as u64;
        out[i].schema_bytes = schema_bytes as u32;
        out[i].data_at = variables[i].at;
        out[i].bytes = match variables[i].schema {
            Some(schema) => schema.size_bytes as u64,
            None => 0,
        };
        out[i].fingerprint = schema::fingerprint(schema::FINGERPRINT_SEED, &variables[i]);
        schema_at += schema_bytes;
        i += 1;
    }
    out
}

/// The fingerprint of a whole block.
#[doc(hidden)]
pub const fn block_fingerprint(variables: &[Part]) -> u64 {
    let mut fingerprint = schema::FINGERPRINT_SEED;
    let mut i = 0;
    while i < variables.len() {
        fingerprint = schema::fingerprint(fingerprint, &variables[i]);
        i += 1;
    }
    fingerprint
}

/// Refuses, while compiling, a variable that processes cannot share.
#[doc(hidden)]
pub const fn assert_variable<T: ProcessSync>(is_named: bool) {
    crate::process_sync::assert_shareable::<T>();
    assert!(
        !is_named || T::IS_STABLE_LAYOUT,
        "a variable of a named block must have a layout that every program gives it alike: put `#[repr(C)]` on its \
         struct (and on the structs inside it), and use a struct in place of a tuple"
    );
}
