//! The header: the first 4,096 bytes of every segment.
//!
//! ```text
//! 0    magic, format, kind, sizes       fixed at creation; copied once and checked here
//! 152  data_bytes, object_count, ...    change while in use; read through `live::Live`
//! 200  build id, name, scope            fixed
//! 512  slot bitmap, 4,096 bits          a hint: which slots are probably taken
//! 2048 questions, 256 words             a hint: when somebody asked whether an owner lives
//! ```

#![allow(unsafe_code)]

use std::mem::offset_of;

use super::events::{EVENT_BYTES, EVENTS_MAX};
use crate::error::{Error, ErrorKind, Result};

/// The whole header, and the alignment of what follows it.
pub(crate) const HEADER_BYTES: usize = 4096;
/// The first eight bytes of every segment.
pub(crate) const MAGIC: [u8; 8] = *b"COTENANT";
/// The format that this build writes. Format N reads format N-1.
pub(crate) const FORMAT: u32 = 1;
/// Slots 1 to 4,095: the lock word has twelve bits for one, and 0 stands for "none".
pub(crate) const MAX_PARTICIPANTS: u32 = 4095;
pub(crate) const PARTICIPANT_BYTES: u32 = 64;
/// Bounds for what a header may claim: one who joins copies objects and schemas.
const MAX_OBJECTS: u32 = 65_536;
const MAX_SCHEMA_BYTES: u64 = 16 << 20;
pub(crate) const OBJECT_BYTES: u32 = 64;
/// The companion of a System V segment names no memory yet.
pub(crate) const NO_SYSV_ID: u32 = u32::MAX;
pub(crate) const MAX_BUILD_ID_BYTES: usize = 32;
pub(crate) const MAX_NAME_BYTES: usize = 128;
pub(crate) const MAX_SCOPE_BYTES: usize = 64;
/// Where the lock of the directory lies: a lock word, held while objects are added or removed.
pub(crate) const DIRECTORY_LOCK_AT: usize = 448;
/// Where a word counts participants that were found dead.
pub(crate) const PARTICIPANT_DEATHS_AT: usize = 456;
/// Where the slot bitmap lies.
pub(crate) const BITMAP_AT: usize = 512;
pub(crate) const BITMAP_WORDS: usize = 64;
/// Where 256 words lie that say when an owner was asked about.
pub(crate) const ASKED_AT: usize = 2048;

/// What a segment is made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum SegmentKind {
    /// The unnamed blocks of one image.
    Image = 1,
    /// One named block.
    Block = 2,
    /// Objects that are made while it is in use: `Segment`.
    #[allow(dead_code)] // Where nothing is shared.
    Objects = 3,
}

/// What a segment's memory is made of, as its header says it. 0, in segments of blocks, is the system's own kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(dead_code)] // Each system has some of them.
pub(crate) enum BackingKind {
    Anonymous = 1,
    Memfd = 2,
    Posix = 3,
    SysV = 4,
    File = 5,
    FileMapping = 6,
}

/// What an entry of the objects area says of its object.
#[allow(dead_code)] // Where nothing is shared.
pub(crate) mod object_state {
    /// The value is there.
    pub(crate) const READY: u32 = 1;
    /// Somebody, named by the entry's `init_lock`, makes the value, or died in it.
    pub(crate) const BEING_MADE: u32 = 2;
    /// Its name is free; its bytes stay until nobody is attached.
    pub(crate) const REMOVED: u32 = 3;
}

/// The fixed part of the header, as it lies in memory (little-endian, 8-byte boundaries).
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) magic: [u8; 8],
    pub(crate) format: u32,
    pub(crate) header_bytes: u32,
    pub(crate) kind: u8,
    pub(crate) pointer_bytes: u8,
    /// 1 = little-endian.
    pub(crate) byte_order: u8,
    /// 0 = while attached, 1 = until removed.
    pub(crate) keep: u8,
    pub(crate) page_bytes: u32,
    /// Size at creation; growth appends behind it.
    pub(crate) file_bytes: u64,
    pub(crate) max_bytes: u64,
    pub(crate) created_unix_ns: u64,
    /// Random: tells this segment from every other that had its name.
    pub(crate) instance: [u8; 16],
    pub(crate) creator_pid: u32,
    pub(crate) mode: u32,
    /// Of the objects at creation.
    pub(crate) fingerprint: u64,
    pub(crate) participants_at: u64,
    pub(crate) participants_max: u32,
    pub(crate) participant_bytes: u32,
    pub(crate) objects_at: u64,
    pub(crate) objects_max: u32,
    pub(crate) object_bytes: u32,
    pub(crate) schemas_at: u64,
    pub(crate) schemas_max_bytes: u64,
    /// 0: there is no ring of events.
    pub(crate) events_at: u64,
    pub(crate) events_max: u32,
    pub(crate) event_bytes: u32,
    pub(crate) data_at: u64,
    /// Changes: bytes of the data area in use.
    pub(crate) data_bytes: u64,
    /// Changes, and is the commit word of growth: objects beyond it do not exist.
    pub(crate) object_count: u32,
    /// Changes: slots for whose participant entries memory has been reserved.
    pub(crate) participants_reserved: u32,
    /// Changes: the number of the next event.
    pub(crate) event_next: u64,
    /// Changes: how often an owner was found dead.
    pub(crate) deaths: u64,
    pub(crate) companion_ino: u64,
    pub(crate) build_id_bytes: u32,
    pub(crate) name_bytes: u32,
    pub(crate) build_id: [u8; MAX_BUILD_ID_BYTES],
    /// [`BackingKind`].
    pub(crate) backing: u8,
    pub(crate) reserved: [u8; 3],
    /// Of a System V segment: its `shmid`. In its companion it changes: [`NO_SYSV_ID`] until there is memory.
    pub(crate) sysv_id: u32,
    /// Changes: counts removals of objects; statistics.
    pub(crate) removals: u64,
    /// Changes: of a file, in which run of the machine its slots were last taken. 0: not known.
    pub(crate) boot: u64,
    pub(crate) name: [u8; MAX_NAME_BYTES],
    pub(crate) scope: [u8; MAX_SCOPE_BYTES],
}

const _: () = assert!(size_of::<Header>() == 448);
const _: () = assert!(offset_of!(Header, data_bytes) == 152);
const _: () = assert!(offset_of!(Header, build_id) == 200);
const _: () = assert!(offset_of!(Header, backing) == 232);
const _: () = assert!(offset_of!(Header, removals) == 240);
const _: () = assert!(offset_of!(Header, name) == 256);
const _: () = assert!(size_of::<Header>() <= DIRECTORY_LOCK_AT && DIRECTORY_LOCK_AT + 8 == PARTICIPANT_DEATHS_AT);
const _: () = assert!(PARTICIPANT_DEATHS_AT + 8 <= BITMAP_AT);
const _: () = assert!(size_of::<Header>() <= BITMAP_AT && BITMAP_AT + BITMAP_WORDS * 8 <= HEADER_BYTES);
const _: () = assert!((MAX_PARTICIPANTS as usize) < BITMAP_WORDS * 64);

impl Header {
    /// The first bytes of the segment's file.
    pub(crate) fn to_bytes(self) -> [u8; size_of::<Header>()] {
        // SAFETY: the struct is `repr(C)`, all integers, and without padding (the assertion on its size counts them).
        unsafe { std::mem::transmute(self) }
    }

    fn from_bytes(bytes: &[u8; size_of::<Header>()]) -> Header {
        // SAFETY: every bit pattern is a value of this all-integer struct; the read is unaligned on purpose.
        unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast::<Header>()) }
    }

    /// Whether these bytes begin like a segment of ours.
    pub(crate) fn has_magic(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Copies and checks the header of `path`; `bytes` is a private copy, `file_bytes` what the system says.
    pub(crate) fn check(bytes: &[u8], file_bytes: u64, path: &dyn std::fmt::Display) -> Result<Header> {
        let corrupt = |why: String| {
            Error::new(ErrorKind::Corrupt, format!("the segment {path} is damaged: {why}"))
                .hint("end the programs that use it and remove the file")
        };
        if !Header::has_magic(bytes) {
            return Err(Error::new(ErrorKind::Foreign, format!("the file {path} is not a Cotenant segment"))
                .hint("move it away, or choose another folder with COTENANT_DIR"));
        }
        let Some(fixed) = bytes.first_chunk::<{ size_of::<Header>() }>() else {
            return Err(corrupt(format!("it has {file_bytes} bytes, less than a header")));
        };
        let header = Header::from_bytes(fixed);
        if header.format != FORMAT {
            return Err(Error::new(
                ErrorKind::Mismatch,
                format!("the segment {path} has format {}, this program knows format {FORMAT}", header.format),
            )
            .hint("end the programs of the other Cotenant version, then start this one"));
        }
        header.check_areas(file_bytes).map_err(corrupt)?;
        if header.pointer_bytes as usize != size_of::<usize>() || header.byte_order != byte_order() {
            return Err(Error::new(
                ErrorKind::Mismatch,
                format!("the segment {path} was made by a {}-bit program", header.pointer_bytes.saturating_mul(8)),
            )
            .hint("programs that share must have one word size and byte order"));
        }
        Ok(header)
    }

    /// Every area lies inside the file, in order, and none overlaps another.
    fn check_areas(&self, file_bytes: u64) -> std::result::Result<(), String> {
        let areas = [
            ("header", 0, u64::from(self.header_bytes)),
            (
                "participants",
                self.participants_at,
                u64::from(self.participants_max).saturating_mul(self.participant_bytes.into()),
            ),
            ("events", self.events_at, u64::from(self.events_max).saturating_mul(self.event_bytes.into())),
            ("objects", self.objects_at, u64::from(self.objects_max).saturating_mul(self.object_bytes.into())),
            ("schemas", self.schemas_at, self.schemas_max_bytes),
            ("data", self.data_at, self.data_bytes),
        ];
        let mut end = 0_u64;
        // A segment of an older version, or on Windows of a program's section, has no events.
        let has_events = self.events_at != 0;
        for (area, at, bytes) in areas.into_iter().filter(|(area, ..)| *area != "events" || has_events) {
            let stop = at.checked_add(bytes).ok_or_else(|| format!("its {area} area overflows"))?;
            if at < end || stop > file_bytes || at % 8 != 0 {
                return Err(format!("its {area} area ({at}+{bytes}) does not fit into {file_bytes} bytes"));
            }
            end = stop;
        }
        let sizes_known = self.header_bytes as usize == HEADER_BYTES
            && self.participant_bytes == PARTICIPANT_BYTES
            && self.object_bytes == OBJECT_BYTES
            && self.max_bytes >= end
            && (1..=MAX_PARTICIPANTS).contains(&self.participants_max)
            && (!has_events || self.event_bytes == EVENT_BYTES && (1..=EVENTS_MAX).contains(&self.events_max))
            && self.objects_max <= MAX_OBJECTS
            && self.schemas_max_bytes <= MAX_SCHEMA_BYTES
            && self.object_count <= self.objects_max
            && self.page_bytes.is_power_of_two()
            && self.page_bytes >= 4096
            && self.data_at % u64::from(self.page_bytes) == 0
            && self.build_id_bytes as usize <= MAX_BUILD_ID_BYTES
            && self.name_bytes as usize <= MAX_NAME_BYTES;
        if sizes_known { Ok(()) } else { Err("its sizes contradict each other".into()) }
    }
}

pub(crate) const fn byte_order() -> u8 {
    if cfg!(target_endian = "little") { 1 } else { 2 }
}

/// One entry of the objects area: a variable of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ObjectEntry {
    /// Where its schema lies, from the start of the schemas area.
    pub schema_at: u64,
    /// Bytes of the schema.
    pub schema_bytes: u32,
    /// 1 = the value is there, 2 = it is being made, 3 = removed.
    pub state: u32,
    /// Where the value lies, from the start of the data area.
    pub data_at: u64,
    /// Size of the value.
    pub bytes: u64,
    /// Of this object alone, its offset in its block included.
    pub fingerprint: u64,
    /// Hash of the creator's initial value; 0 = not recorded.
    pub initial_hash: u64,
    /// A lock word: who makes the value. Of a block's variables, 0.
    pub init_lock: u64,
    /// FNV-1a of the name, in segments of objects; else 0.
    pub name_hash: u64,
}

const _: () = assert!(size_of::<ObjectEntry>() == OBJECT_BYTES as usize);

impl ObjectEntry {
    /// Of a block's variable, before its place is known.
    pub(crate) const UNPLACED: ObjectEntry = ObjectEntry {
        schema_at: 0,
        schema_bytes: 0,
        state: object_state::READY,
        data_at: 0,
        bytes: 0,
        fingerprint: 0,
        initial_hash: 0,
        init_lock: 0,
        name_hash: 0,
    };
}

impl ObjectEntry {
    pub(crate) fn to_bytes(self) -> [u8; OBJECT_BYTES as usize] {
        // SAFETY: `repr(C)`, all integers, no padding (asserted above).
        unsafe { std::mem::transmute(self) }
    }

    pub(crate) fn from_bytes(bytes: &[u8; OBJECT_BYTES as usize]) -> ObjectEntry {
        // SAFETY: every bit pattern is a value of this all-integer struct.
        unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast::<ObjectEntry>()) }
    }
}
