//! The named things in a segment: variables of blocks, objects of `Segment`s; their types and their values.

use std::mem::offset_of;

use super::segment::LiveSegment;
use crate::error::Result;
use crate::inspect::memory::Value;
use crate::inspect::report::ByteOrder;
use crate::inspect::value;
use crate::schema::Kind;
use crate::schema::decode::{self, Node};
use crate::schema::difference;
use crate::segment::header::{Header, OBJECT_BYTES, ObjectEntry, object_state};

/// Bytes of one value that are read.
pub(super) const VALUE_BYTES_MAX: u64 = 1 << 20;

/// An object, with its type.
#[derive(Debug)]
pub struct LiveObject {
    pub(super) node: Node,
    /// Its number in the segment.
    pub index: u32,
    /// Whether it is there.
    pub state: ObjectState,
    /// Where its value lies in the segment.
    pub at: u64,
    /// The size of its value, and of the bytes behind it if it is an area.
    pub size_bytes: u64,
    /// Hash of its layout.
    pub fingerprint: u64,
    /// The lock word of whoever makes the value; 0: nobody.
    pub(super) init_lock: u64,
}

/// Whether an object is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectState {
    /// Its value is there.
    Ready,
    /// Somebody makes its value, or died in it; the next one who asks for it makes it.
    BeingMade,
    /// Its name is free again; its bytes stay while somebody is attached.
    Removed,
    /// A number that this version does not know.
    Unknown(u32),
}

impl LiveSegment {
    /// The objects that there are now, in the order in which they were made. What is wrong with one of them is an error
    /// in its place.
    ///
    /// # Errors
    ///
    /// The entries cannot be read.
    pub fn objects(&self) -> Result<Vec<Result<LiveObject>>> {
        let header = &self.header;
        let count = self.count_at(offset_of!(Header, object_count), header.objects_max)?;
        let mut bytes = vec![0; count as usize * OBJECT_BYTES as usize];
        self.source.read(&mut bytes, header.objects_at).map_err(|cause| self.cannot_read("objects", &cause))?;
        let entries = bytes.chunks_exact(OBJECT_BYTES as usize).filter_map(|entry| entry.first_chunk());
        let entries: Vec<_> = entries.map(ObjectEntry::from_bytes).collect();
        // Schemas lie one behind the other: all that are in use are read at once, bounded by the area's 16 MiB.
        let end = entries.iter().map(|entry| entry.schema_at.saturating_add(entry.schema_bytes.into())).max();
        let mut schemas = vec![0; end.unwrap_or(0).min(header.schemas_max_bytes) as usize];
        let failed = |cause| self.cannot_read("schemas", &cause);
        let len = self.source.read_up_to(&mut schemas, header.schemas_at).map_err(failed)?;
        schemas.truncate(len);
        // Entries of a hostile segment might all name the same large one.
        let mut budget = header.schemas_max_bytes;
        let mut objects = Vec::new();
        for (entry, index) in entries.iter().zip(0..) {
            objects.push(self.object(entry, index, &schemas, &mut budget));
        }
        Ok(objects)
    }

    fn object(&self, entry: &ObjectEntry, index: u32, schemas: &[u8], budget: &mut u64) -> Result<LiveObject> {
        let wrong = |why: &str| self.damaged(&format!("object {index} {why}"));
        let schema_bytes = u64::from(entry.schema_bytes);
        let is_inside = |at: u64, bytes: u64, end: u64| at.checked_add(bytes).is_some_and(|stop| stop <= end);
        if !is_inside(entry.schema_at, schema_bytes, self.header.schemas_max_bytes) {
            return Err(wrong("has a schema outside of the schemas"));
        }
        *budget = budget.checked_sub(schema_bytes).ok_or_else(|| wrong("has a schema that others have, too"))?;
        let schema = schemas.get(entry.schema_at as usize..).and_then(|rest| rest.get(..schema_bytes as usize));
        let schema = schema.ok_or_else(|| wrong("has a schema that is cut off"))?;
        let (node, _) = decode::decode(schema).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        // What is being made may not have its place yet; for all others it must lie in the data.
        let state = match entry.state {
            object_state::READY => ObjectState::Ready,
            object_state::BEING_MADE => ObjectState::BeingMade,
            object_state::REMOVED => ObjectState::Removed,
            other => ObjectState::Unknown(other),
        };
        // The header was read earlier, and the segment may have grown since: its maximum is what bounds it.
        let data_max = self.header.max_bytes.saturating_sub(self.header.data_at);
        let is_area = node.kind().is_some_and(Kind::is_area);
        let is_size = if is_area { node.size_bytes <= entry.bytes } else { node.size_bytes == entry.bytes };
        let is_placed = is_inside(entry.data_at, entry.bytes, data_max) && is_size;
        if state == ObjectState::Ready && !is_placed {
            return Err(wrong("lies outside of the data, or has another size than its type"));
        }
        Ok(LiveObject {
            node,
            index,
            state,
            at: self.header.data_at.saturating_add(entry.data_at),
            size_bytes: entry.bytes,
            fingerprint: entry.fingerprint,
            init_lock: entry.init_lock,
        })
    }

    /// The value of an object as it is at this moment, in about `chars_max` characters. Of a large one, what lies
    /// behind the first MiB is shown as `?`.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not there.
    pub fn value(&self, object: &LiveObject, chars_max: usize) -> Result<String> {
        let bytes = self.value_bytes(object)?;
        let value = Value::new(&bytes, self.order());
        Ok(value::to_text(&object.node, value, chars_max))
    }

    pub(super) fn value_bytes(&self, object: &LiveObject) -> Result<Vec<u8>> {
        if object.state != ObjectState::Ready {
            return Err(self.damaged(&format!("object {} has no value", object.index)));
        }
        let mut bytes = vec![0; object.size_bytes.min(VALUE_BYTES_MAX) as usize];
        self.source.read(&mut bytes, object.at).map_err(|cause| self.cannot_read("values", &cause))?;
        Ok(bytes)
    }

    pub(super) fn order(&self) -> ByteOrder {
        if self.header.byte_order == 1 { ByteOrder::Little } else { ByteOrder::Big }
    }
}

impl LiveObject {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.node.name
    }

    /// Its type as a Rust programmer would write it.
    pub fn type_text(&self) -> String {
        difference::type_text(&self.node)
    }

    /// What kind of thing it is; `None`: one that this version does not know.
    pub fn kind(&self) -> Option<Kind> {
        self.node.kind()
    }

    /// Whether it is a value and no more, whose parts are told by its type; else there is a better word for what it is
    /// than its bytes: the newest that was published, a total, how full a queue is.
    pub fn is_plain(&self) -> bool {
        let is_thing = matches!(
            self.kind(),
            Some(Kind::Queue | Kind::Cache | Kind::Counter | Kind::Gauge | Kind::Histogram | Kind::Metrics)
        );
        !is_thing && !self.is_published()
    }

    /// The first line of its documentation.
    pub fn doc(&self) -> &str {
        &self.node.doc
    }
}
