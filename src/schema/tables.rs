//! Layouts as programs in C declare them: a type is a struct of constants, a struct's fields are an array of parts.
//!
//! ```text
//! TypeTable: name, size, alignment, kind --> PartTable[]: name, at, type --> TypeTable ...
//! ```
//!
//! A [`Schema`](super::Schema) as plain structs of fixed layout, with addresses in place of slices, which `cotenant.h`
//! fills in. From here on they become the `Node`s that schemas are everywhere, so a type that is declared in C has
//! the encoding and the fingerprint of the same type in Rust.

#![allow(unsafe_code)]
#![allow(missing_docs)] // Hidden: the header's names are in docs/c.md.

use std::ffi::{CStr, c_char};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicPtr, AtomicU64};

use super::decode::{self, Node};
use super::{Kind, MAX_DEPTH, NODE_HEAD_BYTES};
use crate::error::{Error, ErrorKind, Result};

/// A type's layout.
#[repr(C)]
pub struct TypeTable {
    pub name: *const c_char,
    pub parts: *const PartTable,
    pub size_bytes: u64,
    pub align_bytes: u32,
    pub part_count: u32,
    /// Elements of an array, capacity of a text; 0 for others.
    pub array_len: u32,
    /// A [`Kind`].
    pub kind: u8,
    pub is_atomic: u8,
    pub reserved: [u8; 2],
    /// What this process made of the table; null at first.
    pub known: AtomicPtr<u8>,
}

/// A field, an array's element, or an enum's value.
#[repr(C)]
pub struct PartTable {
    pub name: *const c_char,
    /// A field's offset, or [`NATURAL`]; an enum's value.
    pub at: u64,
    /// Null for an enum's value.
    pub schema: *const TypeTable,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<TypeTable>() == 48 && size_of::<PartTable>() == 24);

// SAFETY: addresses of constants; what changes is an atomic.
unsafe impl Sync for TypeTable {}
// SAFETY: addresses of constants.
unsafe impl Sync for PartTable {}

/// The offset that C gives a field behind those before it: the next multiple of its alignment. Lists of fields (the
/// header's X-macros) cannot name the struct that they are put into, so they cannot say `offsetof`; that the compiler
/// chose the same offsets shows in the struct's size.
pub const NATURAL: u64 = u64::MAX;

/// Parts that a table may have: a bound for one that is damaged.
const PARTS_MAX: u32 = 65_536;

impl PartTable {
    /// The parts of a struct of this size and alignment as nodes, checked like those that come from a segment.
    ///
    /// # Safety
    /// The tables and all that they refer to are what `cotenant.h` made of a declaration.
    pub(crate) unsafe fn nodes(parts: &[PartTable], size_bytes: u64, align_bytes: u32) -> Result<Vec<Node>> {
        // SAFETY: the caller's promise.
        let nodes: Result<Vec<Node>> = parts.iter().map(|part| unsafe { part_node(part, 0) }).collect();
        let mut nodes = nodes?;
        place(&mut nodes, size_bytes, align_bytes)?;
        for node in &nodes {
            decode::decode(&encode(node)).map_err(|error| damaged(&error.to_string()))?;
        }
        Ok(nodes)
    }
}

impl TypeTable {
    /// The type as a node without a name, at offset 0: an object of a segment.
    ///
    /// # Safety
    /// As of [`PartTable::nodes`].
    pub(crate) unsafe fn node(&self) -> Result<Node> {
        let part = [PartTable { name: c"".as_ptr(), at: 0, schema: self }];
        // SAFETY: the caller's promise.
        let mut nodes = unsafe { PartTable::nodes(&part, self.size_bytes, self.align_bytes) }?;
        nodes.pop().ok_or_else(|| damaged("it is empty"))
    }
}

fn damaged(what: &str) -> Error {
    let error = Error::new(ErrorKind::InvalidInput, format!("a declaration in C makes no sense: {what}"));
    error.hint("declare shared variables and types with the macros of cotenant.h, compiled with its own version")
}

/// # Safety
/// Null, or a C string that stays.
unsafe fn text(text: *const c_char) -> Result<String> {
    if text.is_null() {
        return Ok(String::new());
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(str::to_owned).map_err(|_| damaged("a name is not UTF-8"))
}

/// # Safety
/// As of [`PartTable::nodes`].
unsafe fn part_node(part: &PartTable, depth: usize) -> Result<Node> {
    if depth >= MAX_DEPTH {
        return Err(damaged("types lie too deep inside others"));
    }
    // SAFETY: the caller's promise.
    let name = unsafe { text(part.name) }?;
    // SAFETY: the caller's promise.
    let Some(table) = (unsafe { part.schema.as_ref() }) else {
        return Ok(Node { kind_byte: Kind::Variant as u8, name, at: part.at, ..Node::default() });
    };
    if table.part_count > PARTS_MAX || table.part_count > 0 && table.parts.is_null() {
        return Err(damaged("a type has no table of its parts"));
    }
    let parts = match table.part_count as usize {
        0 => &[],
        // SAFETY: the table, of which the caller says that it is whole.
        count => unsafe { std::slice::from_raw_parts(table.parts, count) },
    };
    // SAFETY: the caller's promise.
    let children: Result<Vec<Node>> = parts.iter().map(|part| unsafe { part_node(part, depth + 1) }).collect();
    let mut children = children?;
    place(&mut children, table.size_bytes, table.align_bytes)?;
    if table.kind == Kind::Enum as u8 {
        check_variants(&children, table.size_bytes)?;
    }
    if table.kind == Kind::Published as u8 {
        check_published(&children)?;
    }
    if table.kind == Kind::PerProcess as u8 {
        check_cells(&children)?;
    }
    // SAFETY: the caller's promise.
    let type_name = unsafe { text(table.name) }?;
    Ok(Node {
        kind_byte: table.kind,
        is_atomic: table.is_atomic != 0,
        name,
        type_name,
        doc: String::new(),
        size_bytes: table.size_bytes,
        at: part.at,
        count: count(table.kind, table.array_len, table.part_count),
        align_bytes: table.align_bytes,
        children,
    })
}

/// Refuses an enum whose integer cannot hold one of its values, and two names for one value: the compiler of C takes
/// both.
fn check_variants(variants: &[Node], size_bytes: u64) -> Result<()> {
    let bits = (size_bytes.min(8) * 8) as u32;
    let mut values = std::collections::BTreeSet::new();
    for variant in variants {
        let value = variant.at as i64;
        let fits = bits == 64 || bits > 0 && (-(1_i64 << (bits - 1))..1_i64 << bits).contains(&value);
        if !fits {
            let name = &variant.name;
            return Err(damaged(&format!("the value {value} of `{name}` does not fit into an integer of {bits} bits")));
        }
        if !values.insert(value) {
            return Err(damaged(&format!("two names of an enum have the value {value}; one is `{}`", variant.name)));
        }
    }
    Ok(())
}

/// Refuses what Rust refuses because it is not `Copy`: a snapshot is a copy, and a lock or an atomic is none.
fn check_published(parts: &[Node]) -> Result<()> {
    let buffers = parts.iter().find(|part| part.name == "buffers");
    let buffer = buffers.and_then(|buffers| buffers.children.first());
    let value = buffer.and_then(|buffer| buffer.children.iter().find(|part| part.name == "value"));
    match value.map(plain) {
        Some(Ok(())) => Ok(()),
        Some(Err(part)) => {
            let what = format!("what is published is copied, and `{}` ({}) cannot be", part.name, part.type_name);
            Err(damaged(&what))
        }
        None => Err(damaged("a published value has no buffers")),
    }
}

/// Refuses cells whose values have parts that two threads cannot change at a time.
fn check_cells(parts: &[Node]) -> Result<()> {
    let shared = parts.iter().find(|part| part.name == "shared").and_then(|cells| cells.children.first());
    match shared.and_then(torn) {
        None => Ok(()),
        Some(part) => {
            let what = "cells are changed by several threads at a time, and";
            Err(damaged(&format!("{what} `{}` ({}) is no atomic", part.name, part.type_name)))
        }
    }
}

/// The first part of a value that is a plain number.
fn torn(node: &Node) -> Option<&Node> {
    match node.kind() {
        Some(Kind::Unsigned | Kind::Signed | Kind::Float | Kind::Bool | Kind::Char | Kind::Enum) => {
            (!node.is_atomic).then_some(node)
        }
        Some(Kind::Struct | Kind::Array | Kind::List | Kind::Optional) => node.children.iter().find_map(torn),
        _ => None,
    }
}

/// Whether a value and all of its parts are bytes that may be copied; else the first that may not.
fn plain(node: &Node) -> std::result::Result<(), &Node> {
    match node.kind() {
        Some(Kind::Unsigned | Kind::Signed | Kind::Float | Kind::Bool | Kind::Char | Kind::Enum | Kind::Text)
            if !node.is_atomic =>
        {
            Ok(())
        }
        Some(Kind::Struct | Kind::Array | Kind::List | Kind::Optional) => node.children.iter().try_for_each(plain),
        _ => Err(node),
    }
}

/// A word that C cannot compute while compiling: what an object has there at first, where its initial value is zero.
pub(crate) struct Unsaid {
    /// In the object.
    at: u64,
    word: Word,
}

enum Word {
    Buckets,
    /// A flag's seed, its name's hash; `None`: the object's name.
    Seed(Option<String>),
}

/// Where a flag keeps its percentage and its seed, which `published::flag` has it agree with.
pub(crate) const FLAG_PERCENT_AT: u64 = 312;
pub(crate) const FLAG_SEED_AT: u64 = 320;
/// Buckets for seconds: `metrics::Buckets::new()`, which asserts that.
pub(crate) const SECONDS: u64 = 1 << 63 | 2 << 32 | 10 << 16 | (-20_i16 as u16) as u64;

impl Unsaid {
    /// Those of a variable or an object.
    pub(crate) fn all(node: &Node) -> Vec<Unsaid> {
        let mut found = Vec::new();
        Unsaid::find(node, 0, None, &mut found);
        found
    }

    /// `name`: that of the struct's field which the node is, or is an element of; `None`: of the object.
    fn find(node: &Node, at: u64, name: Option<&str>, found: &mut Vec<Unsaid>) {
        match node.kind() {
            Some(Kind::Published) if is_flag(node) => {
                found.push(Unsaid { at: at + FLAG_SEED_AT, word: Word::Seed(name.map(str::to_owned)) });
            }
            Some(Kind::Histogram) => found.push(Unsaid { at, word: Word::Buckets }),
            Some(Kind::Array) => {
                for element in &node.children {
                    let step = |index: u32| at + u64::from(index) * element.size_bytes;
                    (0..node.count).for_each(|index| Unsaid::find(element, step(index), name, found));
                }
            }
            Some(Kind::Struct) => {
                node.children.iter().for_each(|part| Unsaid::find(part, at + part.at, Some(&part.name), found));
            }
            Some(Kind::Mutex | Kind::RwLock) => {
                node.children.iter().for_each(|part| Unsaid::find(part, at + part.at, name, found));
            }
            _ => {}
        }
    }

    /// Where the percentage lies in the object, of a flag.
    pub(crate) fn percent_at(&self) -> Option<u64> {
        matches!(self.word, Word::Seed(_)).then(|| self.at - FLAG_SEED_AT + FLAG_PERCENT_AT)
    }

    /// What the flag is called, in an object of that name.
    pub(crate) fn name<'a>(&'a self, object: &'a str) -> &'a str {
        match &self.word {
            Word::Seed(Some(name)) => name,
            _ => object,
        }
    }

    /// Writes it into an object of that name, unless something else than zero is there.
    ///
    /// # Safety
    /// `object` is one of the type, writable, and the word is accessed atomically if at all.
    pub(crate) unsafe fn say(&self, object: *mut u8, name: &str) {
        let place = object.wrapping_add(self.at as usize).cast::<u64>();
        // SAFETY: inside of the object and aligned, says the caller.
        let word = unsafe { AtomicU64::from_ptr(place) };
        let said = match self.word {
            Word::Buckets => SECONDS,
            Word::Seed(_) => super::hash(super::FNV_SEED, self.name(name).as_bytes()),
        };
        let _ = word.compare_exchange(0, said, Relaxed, Relaxed);
    }
}

/// The first part of a variable or an object of which the bytes are no value: an enum that has none of its numbers.
/// Rust could not look at it. Of published values the first, of cells one, of what is made once nothing.
///
/// # Safety
/// `at` is one of the type, readable, and nobody changes its enums.
pub(crate) unsafe fn no_value(node: &Node, at: *const u8) -> Option<&Node> {
    // SAFETY: parts lie inside of what they are parts of, says the caller.
    let part = |part| unsafe { no_value_at(part, at) };
    match node.kind() {
        Some(Kind::Enum) => {
            let mut bytes = [0; 8];
            let size_bytes = (node.size_bytes as usize).min(8);
            // SAFETY: as many bytes, says the caller.
            unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(at, size_bytes) };
            let unused = 64 - 8 * size_bytes as u32;
            let seen = u64::from_le_bytes(bytes);
            let is_one = |variant: &Node| variant.at.checked_shl(unused) == seen.checked_shl(unused);
            if node.children.iter().any(is_one) { None } else { Some(node) }
        }
        Some(Kind::Struct | Kind::Mutex | Kind::RwLock) => node.children.iter().find_map(part),
        Some(Kind::Array) => {
            let element = node.children.first().filter(|element| has_enum(element))?;
            (0..u64::from(node.count)).find_map(|index| {
                let at = at.wrapping_add((index * element.size_bytes) as usize);
                // SAFETY: elements lie one behind the other.
                unsafe { no_value(element, at) }
            })
        }
        Some(Kind::Published | Kind::PerProcess) => node.children.iter().find_map(|array| {
            // SAFETY: the first buffer or cell, where the array is.
            array.children.first().and_then(|first| unsafe { no_value(first, at.wrapping_add(array.at as usize)) })
        }),
        _ => None,
    }
}

/// # Safety
/// As of [`no_value`], of what the part is of.
unsafe fn no_value_at(part: &Node, whole: *const u8) -> Option<&Node> {
    // SAFETY: it lies there.
    unsafe { no_value(part, whole.wrapping_add(part.at as usize)) }
}

fn has_enum(node: &Node) -> bool {
    node.kind() == Some(Kind::Enum) || node.children.iter().any(has_enum)
}

/// Whether C declared it as a flag: a published value in all else.
pub(crate) fn is_flag(node: &Node) -> bool {
    node.kind() == Some(Kind::Published) && node.type_name == "Flag" && node.size_bytes >= FLAG_SEED_AT + 8
}

/// What a node's `count` says, as [`super::Schema::count`] has it.
pub(crate) fn count(kind: u8, array_len: u32, part_count: u32) -> u32 {
    let has_len = [Kind::Array as u8, Kind::List as u8, Kind::Text as u8].contains(&kind);
    if has_len { array_len } else { part_count }
}

/// Gives the fields without an offset the one that C gives them; `size_bytes` and `align_bytes` are of the whole.
pub(crate) fn place(fields: &mut [Node], size_bytes: u64, align_bytes: u32) -> Result<()> {
    let mut end: u64 = 0;
    let mut is_natural = false;
    for field in fields.iter_mut().filter(|field| field.kind() != Some(Kind::Variant)) {
        if field.at == NATURAL {
            let aligned = end.checked_next_multiple_of(field.align_bytes.max(1).into());
            field.at = aligned.ok_or_else(|| damaged("a struct is larger than any memory"))?;
            is_natural = true;
        }
        end = field.at.saturating_add(field.size_bytes);
    }
    if is_natural && end.checked_next_multiple_of(align_bytes.max(1).into()) != Some(size_bytes) {
        return Err(damaged("the compiler laid a struct out in a way of its own (`#pragma pack`, -fpack-struct)"));
    }
    Ok(())
}

/// The node and those below it, as a schema is encoded everywhere: [`super::encode`] for what is known while compiling.
pub(crate) fn encode(node: &Node) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, node);
    out
}

fn put(out: &mut Vec<u8>, node: &Node) {
    let texts = [&node.name, &node.type_name, &node.doc].map(|text| &text.as_bytes()[..text.len().min(0xffff)]);
    let start = out.len();
    out.extend([node.kind_byte, u8::from(node.is_atomic)]);
    texts.iter().for_each(|text| out.extend((text.len() as u16).to_le_bytes()));
    out.extend(node.size_bytes.to_le_bytes());
    out.extend(node.at.to_le_bytes());
    out.extend(node.count.to_le_bytes());
    out.extend(node.align_bytes.to_le_bytes());
    debug_assert_eq!(out.len() - start, NODE_HEAD_BYTES);
    texts.iter().for_each(|text| out.extend_from_slice(text));
    node.children.iter().for_each(|child| put(out, child));
}

#[cfg(test)]
mod tests {
    use super::super::{FINGERPRINT_SEED, Part, encoded_bytes};
    use super::*;
    use crate::process_sync::ProcessSync;
    use crate::value::{Optional, Text};

    const PARTS: [Part; 3] = [
        Part { name: "motd", at: 8, doc: "", schema: Some(Text::<64>::SCHEMA) },
        Part { name: "limit", at: 80, doc: "", schema: Some(Optional::<[u16; 3]>::SCHEMA) },
        Part { name: "hits", at: 0, doc: "of all", schema: Some(std::sync::atomic::AtomicU64::SCHEMA) },
    ];

    #[test]
    fn a_node_is_encoded_as_it_was_while_compiling() {
        for part in &PARTS {
            let mut bytes = vec![0; encoded_bytes(part)];
            super::super::encode(&mut bytes, 0, part);
            let (node, _) = decode::decode(&bytes).expect("a schema");
            assert_eq!(encode(&node), bytes);
            assert_eq!(decode::fingerprint(FINGERPRINT_SEED, &node), super::super::fingerprint(FINGERPRINT_SEED, part));
        }
    }

    #[test]
    fn an_enum_of_c_has_values_that_fit_and_differ() {
        let variant = |at: i64| Node { name: "X".into(), at: at as u64, ..Node::default() };
        let check = |values: &[i64], size_bytes| {
            check_variants(&values.iter().map(|value| variant(*value)).collect::<Vec<_>>(), size_bytes)
        };
        for (values, size_bytes) in [(&[0, 255, -128][..], 1), (&[-1, 65_535], 2), (&[i64::MIN, -1, i64::MAX], 8)] {
            check(values, size_bytes).expect("they fit and differ");
        }
        for (values, size_bytes) in [(&[0, 256][..], 1), (&[-129], 1), (&[1 << 40], 4), (&[7, 3, 7], 4), (&[0], 0)] {
            assert_eq!(check(values, size_bytes).map_err(|error| error.kind()), Err(ErrorKind::InvalidInput));
        }
    }

    #[test]
    fn a_table_of_c_is_the_schema_of_rust() {
        let leaf = TypeTable {
            name: c"AtomicU64".as_ptr(),
            parts: std::ptr::null(),
            size_bytes: 8,
            align_bytes: 8,
            part_count: 0,
            array_len: 0,
            kind: Kind::Unsigned as u8,
            is_atomic: 1,
            reserved: [0; 2],
            known: AtomicPtr::default(),
        };
        let parts = [c"first", c"hits"].map(|name| PartTable { name: name.as_ptr(), at: NATURAL, schema: &leaf });
        // SAFETY: a whole table.
        let nodes = unsafe { PartTable::nodes(&parts, 16, 8) }.expect("nodes");
        let node = &nodes[1];
        let ours = Part { doc: "", at: 8, ..PARTS[2] };
        assert_eq!(decode::fingerprint(FINGERPRINT_SEED, node), super::super::fingerprint(FINGERPRINT_SEED, &ours));
        assert_eq!(node.type_name, "AtomicU64");
        // SAFETY: a whole table.
        let packed = unsafe { PartTable::nodes(&parts, 17, 1) };
        assert_eq!(packed.map_err(|error| error.kind()), Err(ErrorKind::InvalidInput));
    }

    #[test]
    fn a_table_that_makes_no_sense_is_refused() {
        let odd = TypeTable {
            name: c"odd".as_ptr(),
            parts: std::ptr::null(),
            size_bytes: 3,
            align_bytes: 3,
            part_count: 0,
            array_len: 0,
            kind: Kind::Unsigned as u8,
            is_atomic: 0,
            reserved: [0; 2],
            known: AtomicPtr::default(),
        };
        // SAFETY: its addresses are whole.
        let error = unsafe { odd.node() }.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
