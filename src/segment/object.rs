//! What is told of an object, and what a type says of itself to a segment.
//!
//! The **fingerprint** of an object in a segment is its type's alone: as of a nameless variable at offset 0. It is a
//! constant of the program, so that asking for an object compares one number; the name is in the schema, for people
//! and for whoever looks for it.

use std::fmt;

use super::directory::{Directory, OBJECT_ALIGN_BYTES};
use super::header::{ObjectEntry, object_state};
use crate::error::{Error, ErrorKind};
use crate::process_sync::{ProcessSync, assert_shareable};
use crate::schema::decode::{self, Node};
use crate::schema::difference::{self, printable, type_text};
use crate::schema::{self, FINGERPRINT_SEED, Kind, MAX_DEPTH, Part, Schema, tables};

/// The strictest alignment that a segment gives: the smallest page that its memory begins on.
const MAX_ALIGN_BYTES: usize = 4096;

/// What a segment must know of a type.
pub(crate) struct TypeLayout {
    /// Of the value; of an area's head.
    pub(crate) bytes: u64,
    /// Bytes behind the value that its maker asks for; `None`: the object is no area.
    pub(crate) area_bytes: Option<u64>,
    pub(crate) align_bytes: u64,
    pub(crate) fingerprint: u64,
    form: Form,
}

/// The type's whole layout, as it came to be known.
enum Form {
    Compiled(Part),
    /// Of a nameless variable at offset 0.
    Described(Node),
}

impl TypeLayout {
    /// Refuses, while compiling, types that a segment cannot hold.
    pub(crate) const fn of<T: ProcessSync>() -> TypeLayout {
        TypeLayout::compiled::<T>(None)
    }

    const fn compiled<T: ProcessSync>(area_bytes: Option<u64>) -> TypeLayout {
        assert_shareable::<T>();
        assert!(
            T::IS_STABLE_LAYOUT,
            "an object of a segment must have a layout that every program gives it alike: put `#[repr(C)]` on its \
             struct (and on the structs inside it), and use a struct in place of a tuple"
        );
        assert!(align_of::<T>() <= MAX_ALIGN_BYTES, "an object of a segment is aligned to 4,096 bytes at most");
        let part = Part { name: "", at: 0, doc: "", schema: Some(T::SCHEMA) };
        TypeLayout {
            bytes: size_of::<T>() as u64,
            area_bytes,
            align_bytes: align_of::<T>() as u64,
            fingerprint: schema::fingerprint(FINGERPRINT_SEED, &part),
            form: Form::Compiled(part),
        }
    }

    /// Of a type that is described while running; refuses what [`of`](TypeLayout::of) does.
    pub(crate) fn described(node: Node) -> Result<TypeLayout, Error> {
        if node.align_bytes as usize > MAX_ALIGN_BYTES {
            let what = format!("the type `{}` is aligned to {} bytes", printable(&node.type_name), node.align_bytes);
            let error = Error::new(ErrorKind::InvalidInput, what);
            return Err(error.hint("an object of a segment is aligned to 4,096 at most"));
        }
        Ok(TypeLayout {
            bytes: node.size_bytes,
            area_bytes: None,
            align_bytes: node.align_bytes.into(),
            fingerprint: decode::fingerprint(FINGERPRINT_SEED, &node),
            form: Form::Described(node),
        })
    }

    /// The type, if it is described while running.
    pub(crate) fn node(&self) -> Option<&Node> {
        match &self.form {
            Form::Described(node) => Some(node),
            Form::Compiled(_) => None,
        }
    }

    /// An area: a head of type `H`, and `area_bytes` bytes behind it if this one makes it. Which kinds of types are
    /// heads is told by [`Kind::is_area`](crate::schema::Kind::is_area).
    pub(crate) const fn area_of<H: ProcessSync>(area_bytes: u64) -> TypeLayout {
        assert!(H::SCHEMA.kind.is_area(), "tools would take an area with such a head for damage");
        TypeLayout::compiled::<H>(Some(area_bytes))
    }

    /// Where the bytes of an area begin.
    pub(crate) const fn head_bytes(&self) -> u64 {
        self.bytes.next_multiple_of(OBJECT_ALIGN_BYTES)
    }

    /// The size of an object that this program makes; `None`: no segment is that large.
    pub(crate) const fn object_bytes(&self) -> Option<u64> {
        match self.area_bytes {
            Some(area_bytes) => self.head_bytes().checked_add(area_bytes),
            None => Some(self.bytes),
        }
    }

    /// Whether an object of that type may have this size: of an area its maker chose it.
    pub(crate) const fn admits_bytes(&self, object_bytes: u64) -> bool {
        match self.area_bytes {
            Some(_) => object_bytes >= self.head_bytes(),
            None => object_bytes == self.bytes,
        }
    }

    /// The encoded schema of an object of this type. The caller has checked the length of the name.
    pub(crate) fn schema(&self, name: &str) -> Vec<u8> {
        let mut bytes = match &self.form {
            Form::Compiled(part) => {
                let mut bytes = vec![0; schema::encoded_bytes(part)];
                schema::encode(&mut bytes, 0, part);
                bytes
            }
            Form::Described(node) => tables::encode(node),
        };
        // A type is encoded while compiling, a name is known while running: the name's place is behind the head.
        bytes[2..4].copy_from_slice(&(name.len() as u16).to_le_bytes());
        bytes.splice(schema::NODE_HEAD_BYTES..schema::NODE_HEAD_BYTES, name.bytes());
        bytes
    }

    /// That an object has another type than this, field by field.
    #[cold]
    pub(crate) fn mismatch(&self, directory: &Directory, entry: &ObjectEntry, name: &str) -> Error {
        let theirs = match directory.schema(entry) {
            Ok(theirs) => theirs,
            Err(error) => return error,
        };
        let ours = decode::decode(&self.schema(name)).map(|(node, _)| node);
        let lines = ours.map(|ours| difference::describe(&[ours], &[theirs])).unwrap_or_default();
        if lines.is_empty() {
            return directory.corrupt("the fingerprint of an object is not its type's");
        }
        let path = directory.path();
        let what = format!("the object `{name}` of the segment {path} has another type than this program's:");
        lines.into_iter().fold(Error::new(ErrorKind::Mismatch, what), Error::line)
    }

    /// Where the objects of this type may begin.
    pub(crate) fn object_align_bytes(&self) -> u64 {
        self.align_bytes.max(OBJECT_ALIGN_BYTES)
    }
}

/// Whether a value of this layout holds a lock, whose copy would mean nothing. Types that hold none are refused
/// nothing.
pub(crate) const fn holds_lock(schema: &Schema, depth: usize) -> bool {
    let is_plain = matches!(
        schema.kind,
        Kind::Unsigned
            | Kind::Signed
            | Kind::Float
            | Kind::Bool
            | Kind::Char
            | Kind::Enum
            | Kind::Struct
            | Kind::Array
            | Kind::Text
            | Kind::List
            | Kind::Optional
            | Kind::Variant
    );
    if !is_plain || depth > MAX_DEPTH {
        return true;
    }
    let mut i = 0;
    while i < schema.parts.len() {
        if let Some(part) = schema.parts[i].schema {
            if holds_lock(part, depth + 1) {
                return true;
            }
        }
        i += 1;
    }
    false
}

/// An object of a segment, as [`Segment::objects`](crate::Segment::objects) tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectInfo {
    /// Its name.
    pub name: String,
    /// Its type, as a Rust programmer would write it.
    pub type_name: String,
    /// Size of the value in bytes.
    pub bytes: u64,
    /// Where the value lies: bytes from the start of the segment.
    pub at: u64,
    /// The fingerprint of its type: equal for types that may share bytes.
    pub fingerprint: u64,
    /// Whether the value is there.
    pub state: ObjectState,
    /// The fields of the type, those of its fields too, in the order of their places.
    pub fields: Vec<FieldInfo>,
}

/// Whether an object's value is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectState {
    /// The value is there.
    Ready,
    /// Somebody makes the value, or was killed while making it; then the next
    /// [`get_or_init`](crate::Segment::get_or_init) makes it.
    BeingMade,
    /// The directory's bytes make no sense here.
    Damaged,
}

impl fmt::Display for ObjectState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ObjectState::Ready => "ready",
            ObjectState::BeingMade => "being made",
            ObjectState::Damaged => "damaged",
        })
    }
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldInfo {
    /// Its name, behind the names of the fields that hold it: `limits.burst`, or `orders[].price` for the first of
    /// many.
    pub path: String,
    /// Its type, as a Rust programmer would write it.
    pub type_name: String,
    /// Bytes from the start of the object.
    pub at: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// The objects of a segment. Made by [`Segment::objects`](crate::Segment::objects) and
/// [`SegmentReader::objects`](crate::SegmentReader::objects).
pub struct Objects<'a> {
    directory: &'a Directory,
    next: u32,
    /// Schemas lie in the order of the objects; a hostile one that does not is not copied over and over.
    schemas_end: u64,
}

impl<'a> Objects<'a> {
    pub(crate) fn new(directory: &'a Directory) -> Objects<'a> {
        Objects { directory, next: 0, schemas_end: 0 }
    }
}

impl Iterator for Objects<'_> {
    type Item = ObjectInfo;

    fn next(&mut self) -> Option<ObjectInfo> {
        // Asked each time: objects that are added meanwhile are told, too. A count that cannot be ends the list.
        while self.next < self.directory.count().ok()? {
            let entry = self.directory.entry(self.next).read();
            self.next += 1;
            let state = match entry.state {
                object_state::READY => ObjectState::Ready,
                object_state::BEING_MADE => ObjectState::BeingMade,
                object_state::REMOVED => continue,
                _ => ObjectState::Damaged,
            };
            let is_in_order = entry.schema_at >= self.schemas_end;
            self.schemas_end = self.schemas_end.max(entry.schema_at.saturating_add(entry.schema_bytes.into()));
            let schema = if is_in_order { self.directory.schema(&entry).ok() } else { None };
            return Some(info(&entry, state, schema, self.directory.data_at));
        }
        None
    }
}

impl fmt::Debug for Objects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("segment", &self.directory.path()).finish_non_exhaustive()
    }
}

fn info(entry: &ObjectEntry, state: ObjectState, schema: Option<Node>, data_at: u64) -> ObjectInfo {
    let state = if schema.is_some() { state } else { ObjectState::Damaged };
    let mut fields = Vec::new();
    let (name, type_name) = match &schema {
        Some(node) => {
            list_fields(node, "", 0, &mut fields);
            (printable(&node.name), type_text(node))
        }
        None => Default::default(),
    };
    let (bytes, fingerprint) = (entry.bytes, entry.fingerprint);
    ObjectInfo { name, type_name, bytes, at: data_at.saturating_add(entry.data_at), fingerprint, state, fields }
}

/// Recursion is bounded: [`decode`](crate::schema::decode) reads no deeper than [`MAX_DEPTH`].
fn list_fields(whole: &Node, path: &str, at: u64, fields: &mut Vec<FieldInfo>) {
    for part in whole.children.iter().filter(|part| part.kind() != Some(Kind::Variant)) {
        let path = match (part.name.as_str(), path) {
            ("", _) => format!("{path}[]"),
            (name, "") => printable(name),
            (name, _) => format!("{path}.{}", printable(name)),
        };
        let at = at.saturating_add(part.at);
        fields.push(FieldInfo { path: path.clone(), type_name: type_text(part), at, bytes: part.size_bytes });
        list_fields(part, &path, at, fields);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::schema::decode::decode;
    use crate::value::{Array, Optional, Text};

    const PLAIN: [&Schema; 5] =
        [u128::SCHEMA, <[AtomicU32; 3]>::SCHEMA, Text::<5>::SCHEMA, Array::<bool, 2>::SCHEMA, Optional::<u8>::SCHEMA];
    const LOCK: Schema = {
        let parts: &[Part] = &[Part { name: "value", at: 8, doc: "", schema: Some(u32::SCHEMA) }];
        Schema::compound::<[u64; 2]>("Mutex", Kind::Mutex, parts)
    };

    #[test]
    fn a_lock_is_found_however_deep_it_lies() {
        for plain in PLAIN {
            assert!(!holds_lock(plain, 0), "{}", plain.type_name);
        }
        const IN_ARRAY: Schema =
            Schema::array::<[u64; 2]>("array", 1, &[Part { name: "", at: 0, doc: "", schema: Some(&LOCK) }]);
        const IN_STRUCT: Schema = {
            let parts: &[Part] = &[
                Part { name: "plain", at: 16, doc: "", schema: Some(u8::SCHEMA) },
                Part { name: "locks", at: 0, doc: "", schema: Some(&IN_ARRAY) },
            ];
            Schema::compound::<[u64; 3]>("Guarded", Kind::Struct, parts)
        };
        assert!(holds_lock(&LOCK, 0) && holds_lock(&IN_ARRAY, 0) && holds_lock(&IN_STRUCT, 0));
    }

    #[test]
    fn a_schema_is_the_types_with_the_objects_name() {
        let layout = TypeLayout::of::<[AtomicU32; 3]>();
        for name in ["n", "größe", &"n".repeat(128)] {
            let bytes = layout.schema(name);
            let (node, used) = decode(&bytes).expect("a schema");
            assert_eq!((node.name.as_str(), node.size_bytes, used), (name, 12, bytes.len()));
        }
        assert_eq!(layout.fingerprint, TypeLayout::of::<[AtomicU32; 3]>().fingerprint);
        assert_ne!(layout.fingerprint, TypeLayout::of::<[u32; 3]>().fingerprint);
    }

    #[test]
    #[should_panic(expected = "#[repr(C)]")]
    fn a_tuple_is_refused() {
        let _ = TypeLayout::of::<(u32, u8)>();
    }
}
