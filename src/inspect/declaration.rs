//! A block that was declared in C, read from an image (`docs/format.md`, "Declared in C"): a table of words and one of
//! variables, whose types are tables, too. What `image::declaration` makes of it when the image is loaded, from bytes
//! that anybody may have written.
//!
//! Every table that is read is paid for from the budget, so that a small file cannot describe a large tree.

use super::descriptor::Descriptor;
use super::memory::{Memory, Value};
use crate::image::declaration::{DECLARATION_MAGIC, word};
use crate::schema::decode::{self, Node};
use crate::schema::{Kind, MAX_DEPTH, tables};

const DECLARATION_BYTES: u64 = 96;
const WORD_BYTES: u64 = 16;
const PART_BYTES: u64 = 24;
const TYPE_BYTES: u64 = 48;
/// A longer name in a declaration is none of ours.
const TEXT_BYTES_MAX: u64 = 4096;

/// The size that a declaration at `head` claims; `None` if there is none.
pub(super) fn size_at(head: &Value<'_>) -> Option<u64> {
    let has_magic = head.bytes.starts_with(&DECLARATION_MAGIC);
    has_magic.then(|| head.unsigned(8, 4)).flatten().map(|bytes| bytes as u64)
}

/// Reads the declaration at `at`, which [`size_at`] said has `bytes`: what a descriptor would say, and its variables.
pub(super) fn read<'a>(
    memory: &Memory<'a>,
    at: u64,
    bytes: u64,
    budget: &mut u64,
) -> Result<(Descriptor<'a>, Vec<Node>), String> {
    if memory.pointer_bytes != 8 || bytes != DECLARATION_BYTES {
        return Err(format!("has {bytes} bytes: it is of another version of cotenant.h, or of a 32-bit system"));
    }
    let fixed = memory.value(at, bytes).ok_or("is cut off")?;
    let number = |offset, bytes| fixed.unsigned(offset, bytes).unwrap_or_default() as u64;
    let pointer = |offset: u64| memory.pointer(at + offset).ok_or("is cut off");
    let mut reader = Reader { memory, budget };
    let mut descriptor = Descriptor {
        keep_until_removed: false,
        attach_by_call: false,
        private_on_failure: false,
        separate_on_mismatch: false,
        share_when_privileged: false,
        mode: 0,
        name: "",
        group: "",
        module: reader.text(pointer(32)?)?,
        block: pointer(40)?,
        pristine: pointer(48)?,
        used_bytes: number(56, 8),
        padded_bytes: number(64, 8),
        fingerprint: 0,
        objects: (0, 0),
        schemas: (0, 0),
        object_count: number(12, 4),
        has_target: pointer(72)? != 0,
    };
    for index in 0..number(88, 4) {
        reader.word(pointer(24)?, index, &mut descriptor)?;
    }
    if descriptor.mode == 0 {
        descriptor.mode = if descriptor.group.is_empty() { 0o600 } else { 0o660 };
    }
    let (used_bytes, align_bytes) = (descriptor.used_bytes, number(92, 4) as u32);
    let mut nodes = reader.parts(pointer(16)?, descriptor.object_count, 0)?;
    tables::place(&mut nodes, used_bytes, align_bytes).map_err(|error| format!("cannot be read: {error}"))?;
    for node in &mut nodes {
        decode::decode(&tables::encode(node)).map_err(|error| format!("cannot be read: {error}"))?;
        if descriptor.name.is_empty() {
            node.name = format!("{}::{}", descriptor.module, node.name);
        }
    }
    Ok((descriptor, nodes))
}

struct Reader<'m, 'a, 'b> {
    memory: &'m Memory<'a>,
    budget: &'b mut u64,
}

impl<'a> Reader<'_, 'a, '_> {
    fn pay(&mut self, bytes: u64) -> Result<(), String> {
        *self.budget = self.budget.checked_sub(bytes).ok_or("refers to more than such a file can hold")?;
        Ok(())
    }

    fn text(&mut self, at: u64) -> Result<&'a str, String> {
        if at == 0 {
            return Ok("");
        }
        let text = self.memory.text(at, TEXT_BYTES_MAX).ok_or("has a text that is none, or not in UTF-8")?;
        self.pay(text.len() as u64)?;
        Ok(text)
    }

    fn pointer(&self, at: u64) -> Result<u64, String> {
        self.memory.pointer(at).ok_or_else(|| "has a table outside of the image".to_owned())
    }

    /// Address and bytes of an entry of a table.
    fn entry(&mut self, table: u64, index: u64, bytes: u64) -> Result<(u64, Value<'a>), String> {
        self.pay(bytes)?;
        let at = index.checked_mul(bytes).and_then(|offset| table.checked_add(offset));
        let at = at.ok_or("has a table outside of the image")?;
        Ok((at, self.memory.value(at, bytes).ok_or("has a table outside of the image")?))
    }

    fn word(&mut self, words: u64, index: u64, descriptor: &mut Descriptor<'a>) -> Result<(), String> {
        let (at, word) = self.entry(words, index, WORD_BYTES)?;
        let about = word.unsigned(0, 4).unwrap_or_default() as u32;
        let number = word.unsigned(4, 4).unwrap_or_default() as u32;
        let text = self.pointer(at + 8)?;
        if about != word::MODE && number > 1 {
            return Err("says a word of another version of cotenant.h".to_owned());
        }
        match about {
            word::NAME => descriptor.name = self.text(text)?,
            word::GROUP => descriptor.group = self.text(text)?,
            word::MODE => descriptor.mode = number,
            word::KEEP => descriptor.keep_until_removed = number == 1,
            word::ATTACH => descriptor.attach_by_call = number == 1,
            word::ON_FAILURE => descriptor.private_on_failure = number == 1,
            word::ON_MISMATCH => descriptor.separate_on_mismatch = number == 1,
            word::WHEN_PRIVILEGED => descriptor.share_when_privileged = number == 1,
            _ => return Err("says a word of another version of cotenant.h".to_owned()),
        }
        Ok(())
    }

    fn parts(&mut self, table: u64, count: u64, depth: usize) -> Result<Vec<Node>, String> {
        if depth >= MAX_DEPTH && count > 0 {
            return Err("has types that lie too deep inside others".to_owned());
        }
        // Not `with_capacity(count)`: nobody has checked it.
        let mut nodes = Vec::new();
        for index in 0..count {
            let (at, part) = self.entry(table, index, PART_BYTES)?;
            let name = self.pointer(at)?;
            let name = self.text(name)?.to_owned();
            let place = part.unsigned(8, 8).unwrap_or_default() as u64;
            let schema = self.pointer(at + 16)?;
            nodes.push(match schema {
                0 => Node { kind_byte: Kind::Variant as u8, name, at: place, ..Node::default() },
                schema => self.typed(schema, name, place, depth)?,
            });
        }
        Ok(nodes)
    }

    fn typed(&mut self, schema: u64, name: String, place: u64, depth: usize) -> Result<Node, String> {
        let (at, fixed) = self.entry(schema, 0, TYPE_BYTES)?;
        let number = |offset, bytes| fixed.unsigned(offset, bytes).unwrap_or_default() as u64;
        let (size_bytes, align_bytes, part_count) = (number(16, 8), number(24, 4) as u32, number(28, 4));
        let (array_len, kind_byte) = (number(32, 4) as u32, number(36, 1) as u8);
        let type_name = self.pointer(at)?;
        let type_name = self.text(type_name)?.to_owned();
        let parts = self.pointer(at + 8)?;
        let mut children = self.parts(parts, part_count, depth + 1)?;
        tables::place(&mut children, size_bytes, align_bytes).map_err(|error| format!("cannot be read: {error}"))?;
        Ok(Node {
            kind_byte,
            is_atomic: number(37, 1) != 0,
            name,
            type_name,
            doc: String::new(),
            size_bytes,
            at: place,
            count: tables::count(kind_byte, array_len, part_count as u32),
            align_bytes,
            children,
        })
    }
}
