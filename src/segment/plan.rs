//! A plan: everything that a segment is to be, worked out before the first system call.
//!
//! The creator writes it; one who joins compares it with what is there.

use super::events::{EVENT_BYTES, EVENTS};
use super::header::{
    BackingKind, FORMAT, HEADER_BYTES, Header, MAGIC, MAX_BUILD_ID_BYTES, MAX_NAME_BYTES, MAX_PARTICIPANTS,
    MAX_SCOPE_BYTES, NO_SYSV_ID, OBJECT_BYTES, ObjectEntry, PARTICIPANT_BYTES, SegmentKind, byte_order,
};

/// Room for objects and schemas of a named block that grows, so that the data need not move. Only used pages cost.
const GROWING_OBJECTS: usize = 512;
const GROWING_SCHEMA_BYTES: usize = 256 << 10;
/// Room for the data of a named block; address space of the file, not memory.
const GROWING_DATA_BYTES: u64 = 1 << 30;

/// Whether a named block of `larger` (variables, bytes of schemas, bytes of data) fits into the segment that was made
/// for `smaller` (variables, bytes of schemas).
#[cfg(feature = "inspect")]
pub(crate) fn growth_fits(smaller: (usize, u64), larger: (usize, u64, u64)) -> bool {
    larger.0 <= smaller.0.max(GROWING_OBJECTS)
        && larger.1 <= smaller.1.max(GROWING_SCHEMA_BYTES as u64)
        && larger.2 <= GROWING_DATA_BYTES
}

/// Initial bytes of a part of the data area, in this process's memory.
#[derive(Clone, Copy)]
pub(crate) struct InitialBytes {
    /// From the start of the data area.
    pub(crate) at: u64,
    pub(crate) address: *const u8,
    pub(crate) bytes: usize,
}

/// What a segment is to be.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) kind: SegmentKind,
    pub(crate) name: String,
    pub(crate) scope: String,
    pub(crate) build_id: Vec<u8>,
    pub(crate) keep_until_removed: bool,
    pub(crate) mode: u32,
    pub(crate) group: Option<String>,
    pub(crate) fingerprint: u64,
    pub(crate) objects: Vec<ObjectEntry>,
    pub(crate) schemas: Vec<u8>,
    /// Whole pages of the running system.
    pub(crate) data_bytes: u64,
    pub(crate) initial: Vec<InitialBytes>,
    pub(crate) page_bytes: usize,
    pub(crate) room: Room,
    /// [`BackingKind`](super::header::BackingKind); 0 in segments of blocks.
    pub(crate) backing: u8,
}

/// What a segment may come to hold: address space, not memory.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub(crate) participants: u32,
    pub(crate) objects: usize,
    pub(crate) schema_bytes: usize,
    pub(crate) data_bytes: u64,
}

impl Room {
    /// For the unnamed blocks of an image, which never grow.
    pub(crate) fn exactly(objects: usize, schema_bytes: usize, data_bytes: u64) -> Room {
        Room { participants: MAX_PARTICIPANTS, objects, schema_bytes, data_bytes }
    }

    /// For a named block, which may grow at its end.
    pub(crate) fn to_grow(objects: usize, schema_bytes: usize) -> Room {
        Room {
            participants: MAX_PARTICIPANTS,
            objects: objects.max(GROWING_OBJECTS),
            schema_bytes: schema_bytes.max(GROWING_SCHEMA_BYTES),
            data_bytes: GROWING_DATA_BYTES,
        }
    }
}

impl Plan {
    /// The header, with every area's place.
    pub(crate) fn header(&self, instance: [u8; 16], creator_pid: u32, created_unix_ns: u64) -> Header {
        let room = self.room;
        let participants_at = HEADER_BYTES;
        let events_at = participants_at + room.participants as usize * PARTICIPANT_BYTES as usize;
        let objects_at = (events_at + (EVENTS * EVENT_BYTES) as usize).next_multiple_of(4096);
        let schemas_at = objects_at + room.objects * OBJECT_BYTES as usize;
        let data_at = (schemas_at + room.schema_bytes).next_multiple_of(self.page_bytes.max(4096)) as u64;
        let mut header = Header {
            magic: MAGIC,
            format: FORMAT,
            header_bytes: HEADER_BYTES as u32,
            kind: self.kind as u8,
            pointer_bytes: size_of::<usize>() as u8,
            byte_order: byte_order(),
            keep: self.keep_until_removed.into(),
            page_bytes: self.page_bytes.max(4096) as u32,
            file_bytes: data_at + self.data_bytes,
            max_bytes: data_at + room.data_bytes,
            created_unix_ns,
            instance,
            creator_pid,
            mode: self.mode,
            fingerprint: self.fingerprint,
            participants_at: participants_at as u64,
            participants_max: room.participants,
            participant_bytes: PARTICIPANT_BYTES,
            objects_at: objects_at as u64,
            objects_max: room.objects as u32,
            object_bytes: OBJECT_BYTES,
            schemas_at: schemas_at as u64,
            schemas_max_bytes: room.schema_bytes as u64,
            events_at: events_at as u64,
            events_max: EVENTS,
            event_bytes: EVENT_BYTES,
            data_at,
            data_bytes: self.data_bytes,
            object_count: self.objects.len() as u32,
            participants_reserved: 0,
            event_next: 0,
            deaths: 0,
            companion_ino: 0,
            build_id_bytes: 0,
            name_bytes: 0,
            build_id: [0; MAX_BUILD_ID_BYTES],
            backing: self.backing,
            reserved: [0; 3],
            sysv_id: if self.backing == BackingKind::SysV as u8 { NO_SYSV_ID } else { 0 },
            removals: 0,
            boot: 0,
            name: [0; MAX_NAME_BYTES],
            scope: [0; MAX_SCOPE_BYTES],
        };
        header.build_id_bytes = fill(&mut header.build_id, &self.build_id);
        header.name_bytes = fill(&mut header.name, self.name.as_bytes());
        fill(&mut header.scope, self.scope.as_bytes());
        header
    }

    /// Where the initial value of `object` lies in this process; the plan's parts cover all of its objects.
    pub(crate) fn initial_of(&self, object: &ObjectEntry) -> *const u8 {
        let part = self.initial.iter().rfind(|part| part.at <= object.data_at);
        part.map_or(std::ptr::null(), |part| part.address.wrapping_add((object.data_at - part.at) as usize))
    }

    /// The objects area as it is written.
    pub(crate) fn objects_bytes(&self) -> Vec<u8> {
        self.objects.iter().flat_map(|object| object.to_bytes()).collect()
    }
}

/// Copies as much as fits, gives how much.
fn fill(to: &mut [u8], from: &[u8]) -> u32 {
    let bytes = from.len().min(to.len());
    to[..bytes].copy_from_slice(&from[..bytes]);
    bytes as u32
}
