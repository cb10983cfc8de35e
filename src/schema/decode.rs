//! Reads encoded schemas back, from bytes that anybody may have written (`docs/format.md`, "Schema node").
//!
//! Nothing is believed before it is checked: lengths against the bytes that are there, nesting against [`MAX_DEPTH`],
//! parts against the size of what holds them. Each node takes at least [`NODE_HEAD_BYTES`], so the bytes bound the
//! number of nodes, whatever a `count` says. Who holds a [`Node`] may rely on its shape (see [`check_shape`]), but not
//! on its texts, which are any UTF-8: print them with [`printable`](super::difference::printable).

use std::fmt;

#[cfg(test)]
use super::FINGERPRINT_SEED;
use super::{Kind, MAX_DEPTH, NODE_HEAD_BYTES, hash};

/// A variable, field, element or variant, with its parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Node {
    /// A [`Kind`], or a number that a later format gives a meaning.
    pub(crate) kind_byte: u8,
    /// Whether every access to it is one atomic access.
    pub(crate) is_atomic: bool,
    /// The variable's, field's or variant's name; empty for an element.
    pub(crate) name: String,
    /// The name of its type. Not in the fingerprint.
    pub(crate) type_name: String,
    /// The first line of its documentation. Not in the fingerprint.
    pub(crate) doc: String,
    /// Size in bytes, padding included.
    pub(crate) size_bytes: u64,
    /// The offset in what holds it; a variant's discriminant.
    pub(crate) at: u64,
    /// Capacity of an array, list or text; the number of parts of others.
    pub(crate) count: u32,
    /// Alignment in bytes: a power of two, or 0 for a variant.
    pub(crate) align_bytes: u32,
    /// Its parts, in their order.
    pub(crate) children: Vec<Node>,
}

/// Why bytes are no schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecodeError {
    /// Where the node begins that is wrong.
    pub(crate) at_bytes: usize,
    /// What is wrong with it, to be read after "the node".
    pub(crate) fault: &'static str,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the schema is damaged: the node at byte {} {}", self.at_bytes, self.fault)
    }
}

impl std::error::Error for DecodeError {}

/// Reads the first node of `bytes` with its parts; gives it and the bytes that it took.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Node, usize), DecodeError> {
    let mut reader = Reader { bytes, next: 0 };
    let node = reader.node(0)?;
    Ok((node, reader.next))
}

/// Reads nodes up to the end of `bytes`: the variables of a block.
pub(crate) fn decode_all(bytes: &[u8]) -> Result<Vec<Node>, DecodeError> {
    let mut reader = Reader { bytes, next: 0 };
    let mut nodes = Vec::new();
    while reader.next < bytes.len() {
        nodes.push(reader.node(0)?);
    }
    Ok(nodes)
}

impl Node {
    /// What sort of value it is; `None` for a kind that this version does not know.
    pub(crate) fn kind(&self) -> Option<Kind> {
        Some(match self.kind_byte {
            1 => Kind::Unsigned,
            2 => Kind::Signed,
            3 => Kind::Float,
            4 => Kind::Bool,
            5 => Kind::Char,
            6 => Kind::Enum,
            7 => Kind::Struct,
            8 => Kind::Array,
            9 => Kind::Text,
            10 => Kind::List,
            11 => Kind::Optional,
            12 => Kind::Mutex,
            13 => Kind::Variant,
            14 => Kind::RwLock,
            15 => Kind::Condvar,
            16 => Kind::Once,
            17 => Kind::OnceCell,
            18 => Kind::Semaphore,
            19 => Kind::Barrier,
            20 => Kind::Event,
            21 => Kind::Leader,
            22 => Kind::PerProcess,
            23 => Kind::Counter,
            24 => Kind::Gauge,
            25 => Kind::Histogram,
            26 => Kind::Metrics,
            27 => Kind::RateLimiter,
            28 => Kind::Cache,
            32 => Kind::Published,
            33 => Kind::PublishedBytes,
            36 => Kind::Queue,
            _ => return None,
        })
    }
}

/// Whether two builds may share bytes laid out like this: what equal fingerprints stand for, without the collisions.
pub(crate) fn layout_eq(a: &Node, b: &Node) -> bool {
    a.name == b.name && a.at == b.at && layout_eq_elsewhere(a, b)
}

/// [`layout_eq`] of the types alone, whatever the name and offset.
pub(crate) fn layout_eq_elsewhere(a: &Node, b: &Node) -> bool {
    a.kind_byte == b.kind_byte
        && a.is_atomic == b.is_atomic
        && a.size_bytes == b.size_bytes
        && a.align_bytes == b.align_bytes
        && a.count == b.count
        && a.children.len() == b.children.len()
        && a.children.iter().zip(&b.children).all(|(a, b)| layout_eq(a, b))
}

/// Goes on hashing with the layout of `node`, exactly as [`fingerprint`](super::fingerprint) does while compiling.
pub(crate) fn fingerprint(seed: u64, node: &Node) -> u64 {
    let mut h = hash(seed, &(node.name.len() as u64).to_le_bytes());
    h = hash(h, node.name.as_bytes());
    h = hash(h, &node.at.to_le_bytes());
    if node.kind() == Some(Kind::Variant) {
        return hash(h, &[node.kind_byte]);
    }
    h = hash(h, &[node.kind_byte, node.is_atomic as u8]);
    h = hash(h, &node.size_bytes.to_le_bytes());
    h = hash(h, &u64::from(node.align_bytes).to_le_bytes());
    h = hash(h, &node.count.to_le_bytes());
    node.children.iter().fold(h, fingerprint)
}

#[cfg(test)]
/// The fingerprint of a whole block.
pub(crate) fn fingerprint_all(nodes: &[Node]) -> u64 {
    nodes.iter().fold(FINGERPRINT_SEED, fingerprint)
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// Where the next node begins; never past the end.
    next: usize,
}

impl<'a> Reader<'a> {
    /// Reads a node `depth` levels below a variable. Recursion is bounded by [`MAX_DEPTH`].
    fn node(&mut self, depth: usize) -> Result<Node, DecodeError> {
        let at_bytes = self.next;
        let wrong = |fault| DecodeError { at_bytes, fault };
        if depth >= MAX_DEPTH {
            return Err(wrong("lies too deep inside others"));
        }
        let head = self.take(NODE_HEAD_BYTES).ok_or(wrong("is cut off"))?;
        let number = |at: usize, bytes: usize| {
            head[at..at + bytes].iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let (kind_byte, is_atomic) = (head[0], head[1]);
        let (size_bytes, at) = (number(8, 8), number(16, 8));
        let (count, align_bytes) = (number(24, 4) as u32, number(28, 4) as u32);
        if is_atomic > 1 {
            return Err(wrong("has a flag that is neither 0 nor 1"));
        }
        let mut texts = [const { String::new() }; 3];
        for (i, text) in texts.iter_mut().enumerate() {
            let bytes = self.take(number(2 + 2 * i, 2) as usize).ok_or(wrong("is cut off in its texts"))?;
            *text = std::str::from_utf8(bytes).map_err(|_| wrong("has a text that is not UTF-8"))?.to_owned();
        }
        let [name, type_name, doc] = texts;
        let is_atomic = is_atomic == 1;
        let children = Vec::new(); // not `with_capacity(count)`: nobody has checked `count`
        let mut node =
            Node { kind_byte, is_atomic, name, type_name, doc, size_bytes, at, count, align_bytes, children };
        for _ in 0..parts_that_follow(&node) {
            let child = self.node(depth + 1)?;
            node.children.push(child);
        }
        check_shape(&node, depth).map_err(wrong)?;
        Ok(node)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.next..)?.get(..len)?;
        self.next += len;
        Some(taken)
    }
}

fn parts_that_follow(node: &Node) -> u32 {
    match node.kind() {
        Some(Kind::Array | Kind::List) => 1,
        Some(Kind::Text) => 0,
        _ => node.count,
    }
}

/// What a reader of values may then rely on: scalars have a scalar's size, parts lie within what holds them, elements
/// within their array, and only enums have variants. Of an unknown kind only that its parts lie within it.
fn check_shape(node: &Node, depth: usize) -> Result<(), &'static str> {
    let kind = node.kind();
    if kind == Some(Kind::Variant) {
        let is_plain = (node.size_bytes, node.align_bytes, node.count, node.is_atomic) == (0, 0, 0, false);
        return if is_plain && depth > 0 { Ok(()) } else { Err("is a variant with a layout, or outside of an enum") };
    }
    if !node.align_bytes.is_power_of_two() {
        return Err("has an alignment that is no power of two");
    }
    let is_enum = kind == Some(Kind::Enum);
    if node.children.iter().any(|part| (part.kind() == Some(Kind::Variant)) != is_enum) {
        return Err("has variants and is no enum, or is an enum of something else");
    }
    let count = u64::from(node.count);
    let size_is_right = match kind {
        Some(Kind::Unsigned | Kind::Signed | Kind::Float) => matches!(node.size_bytes, 1 | 2 | 4 | 8 | 16),
        Some(Kind::Enum) => matches!(node.size_bytes, 0 | 1 | 2 | 4 | 8 | 16),
        Some(Kind::Bool) => node.size_bytes == 1,
        Some(Kind::Char) => node.size_bytes == 4,
        Some(Kind::Text) => node.size_bytes >= 4 + count,
        _ => true,
    };
    if !size_is_right {
        return Err("has a size that its kind cannot have");
    }
    let is_scalar = matches!(kind, Some(Kind::Unsigned | Kind::Signed | Kind::Float | Kind::Bool | Kind::Char));
    if is_scalar && count != 0 || kind == Some(Kind::Optional) && count != 1 {
        return Err("has a number of parts that its kind cannot have");
    }
    let first_at = match kind {
        Some(Kind::List) => 4,
        Some(Kind::Optional) => 1,
        _ => 0,
    };
    let elements = if matches!(kind, Some(Kind::Array | Kind::List)) { count } else { 1 };
    let lies_within = |part: &Node| {
        let end = part.size_bytes.checked_mul(elements).and_then(|size| size.checked_add(part.at));
        part.at >= first_at && end.is_some_and(|end| end <= node.size_bytes)
    };
    if !is_enum && !node.children.iter().all(lies_within) {
        return Err("has parts that do not lie within it");
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
