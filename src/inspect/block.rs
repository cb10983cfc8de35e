//! The blocks of `shared!` in an image: found by their descriptors, read through the image's memory.
//!
//! Every address, length and count is the file's word and checked. All descriptors together may refer to a quarter of
//! the file's size in objects and schemas: those of real images take far less, and many descriptors of a small hostile
//! file could otherwise refer to the same large schema.

use super::declaration;
use super::descriptor::{self, Descriptor, HEAD_BYTES};
use super::memory::{Memory, Value};
use super::report::{ByteOrder, Format, Image, SectionRole};
use super::value;
use crate::schema::decode::{self, Node};
use crate::schema::{difference, tables};

/// Bytes of an entry of the objects.
const OBJECT_BYTES: u64 = 64;
/// What small files may refer to all the same.
const BUDGET_MIN_BYTES: u64 = 64 << 10;
/// Faults that are told; where there are more, the file is not worth them.
const FAULTS_MAX: usize = 16;

/// A block of shared variables.
#[derive(Debug)]
pub struct Block<'a> {
    /// Its shared name; empty for an unnamed block.
    pub name: &'a str,
    /// The group that may use it; empty for none.
    pub group: &'a str,
    /// The module that declares it.
    pub module: &'a str,
    /// Permission bits of its segment.
    pub mode: u32,
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
    /// Where its variables lie in the image.
    pub address: u64,
    /// The section around it: an index into [`Image::sections`].
    pub section: Option<usize>,
    /// Bytes of the variables.
    pub used_bytes: u64,
    /// Bytes of its pages.
    pub padded_bytes: u64,
    /// The fingerprint that the descriptor holds.
    pub fingerprint: u64,
    /// The fingerprint of the schemas that are there: another one means that file or compiler broke it.
    pub computed_fingerprint: u64,
    /// Its variables, in their order.
    pub variables: Vec<Variable<'a>>,
    /// Reached through a pointer, because it cannot be mapped where it lies.
    pub is_indirect: bool,
    pub(super) schemas_bytes: u64,
}

/// A shared variable.
#[derive(Debug)]
pub struct Variable<'a> {
    pub(super) node: Node,
    pub(super) bytes: u64,
    pub(super) fingerprint: u64,
    pub(super) initial: Option<Value<'a>>,
}

impl Block<'_> {
    /// The name, or the module for an unnamed block. May hold anything: see [`printable`](super::printable).
    pub fn label(&self) -> &str {
        if self.name.is_empty() { self.module } else { self.name }
    }

    /// Whether the loader of the image shares it, not Cotenant: an unnamed block on Windows.
    pub(super) fn is_mapped_by_loader(&self, format: Format) -> bool {
        format == Format::Pe && self.name.is_empty() && !self.attach_by_call
    }
}

impl Variable<'_> {
    /// Its name, with its module in an unnamed block.
    pub fn name(&self) -> &str {
        &self.node.name
    }

    /// Its type as a Rust programmer would write it.
    pub fn type_text(&self) -> String {
        difference::type_text(&self.node)
    }

    /// Its offset in the block.
    pub fn offset(&self) -> u64 {
        self.node.at
    }

    /// Its size.
    pub fn size_bytes(&self) -> u64 {
        self.node.size_bytes
    }

    /// Its alignment.
    pub fn align_bytes(&self) -> u32 {
        self.node.align_bytes
    }

    /// The first line of its documentation.
    pub fn doc(&self) -> &str {
        &self.node.doc
    }

    pub(super) fn initial_bytes(&self) -> Option<&[u8]> {
        self.initial.as_ref().map(|value| value.bytes)
    }

    /// The initial value in about `chars_max` characters, arrays abbreviated; `None` if the file does not hold it.
    pub fn initial(&self, chars_max: usize) -> Option<String> {
        Some(value::to_text(&self.node, self.initial?, chars_max))
    }
}

/// Finds the blocks of an image.
pub(super) fn find<'a>(image: &mut Image<'a>, memory: &Memory<'a>, file_bytes: u64) {
    let sections = image.sections.iter().filter(|section| section.role == SectionRole::Descriptors);
    let mut areas: Vec<_> = sections.map(|section| (section.address, section.size)).take(FAULTS_MAX).collect();
    if image.sections.is_empty() {
        areas = memory.areas().take(FAULTS_MAX).collect();
    }
    let mut budget = (file_bytes / 4).max(BUDGET_MIN_BYTES);
    for (start, size) in areas {
        find_in(image, memory, (start, size), &mut budget);
    }
    if image.blocks.iter().any(|block| block.is_mapped_by_loader(image.format)) {
        // Their shared twins lie there (`src/sys/windows/section.rs`).
        for section in image.sections.iter_mut().filter(|section| section.rights.shared && section.name == b".shared") {
            section.role = SectionRole::Blocks;
        }
    }
    // The order of the link is nobody's choice.
    image.blocks.sort_by_key(|block| (block.name.is_empty(), block.name, block.module, block.address));
}

fn find_in<'a>(image: &mut Image<'a>, memory: &Memory<'a>, (start, size): (u64, u64), budget: &mut u64) {
    let Some(area) = memory.value(start, size) else { return };
    let mut at: u64 = 0;
    while at.saturating_add(HEAD_BYTES) <= area.bytes.len() as u64 && image.block_faults.len() < FAULTS_MAX {
        let head = area.part(at, HEAD_BYTES);
        let in_rust = head.and_then(|head| descriptor::size_at(&head));
        let in_c = head.and_then(|head| declaration::size_at(&head));
        let Some(bytes) = in_rust.or(in_c) else {
            at += 4; // Padding between descriptors, which are aligned to 4 at least.
            continue;
        };
        let place = start.wrapping_add(at);
        let block = match in_rust {
            Some(bytes) => descriptor::read(memory, place, bytes)
                .and_then(|descriptor| read_block(image, memory, &descriptor, budget)),
            None => declared_block(image, memory, (place, bytes), budget),
        };
        match block {
            Ok(block) => {
                image.blocks.push(block);
                at += bytes;
            }
            // Somebody who searches for descriptors holds the magic, too: without a section's name that says nothing.
            Err(_) if image.sections.is_empty() => at += 4,
            Err(fault) => {
                image.block_faults.push(format!("the descriptor at {:#x} {fault}", start.wrapping_add(at)));
                at += HEAD_BYTES;
            }
        }
    }
}

fn read_block<'a>(
    image: &Image<'a>,
    memory: &Memory<'a>,
    descriptor: &Descriptor<'a>,
    budget: &mut u64,
) -> Result<Block<'a>, String> {
    let (objects_at, object_count) = descriptor.objects;
    let (schemas_at, schemas_bytes) = descriptor.schemas;
    if object_count != descriptor.object_count {
        return Err(format!("counts its variables twice, as {object_count} and {}", descriptor.object_count));
    }
    let needed = object_count.checked_mul(OBJECT_BYTES).and_then(|bytes| bytes.checked_add(schemas_bytes));
    *budget = needed.and_then(|needed| budget.checked_sub(needed)).ok_or("refers to more than such a file can hold")?;
    let objects = memory.value(objects_at, object_count * OBJECT_BYTES).ok_or("has objects outside of the image")?;
    let schemas = memory.bytes(schemas_at, schemas_bytes).ok_or("has schemas outside of the image")?;
    let initial_at = if descriptor.pristine == 0 { descriptor.block } else { descriptor.pristine };
    let values = memory.value(initial_at, descriptor.used_bytes).ok_or("has its block outside of the image")?;
    let mut variables = Vec::new();
    for index in 0..object_count {
        let object = objects.part(index * OBJECT_BYTES, OBJECT_BYTES).ok_or("has objects outside of the image")?;
        let fault = |fault: String| format!("has a variable number {index} that {fault}");
        variables.push(variable(&object, schemas, values).map_err(fault)?);
    }
    Ok(block(image, memory, descriptor, variables, schemas_bytes))
}

/// A block that was declared in C: its file holds no fingerprints, which are made when it is loaded.
fn declared_block<'a>(
    image: &Image<'a>,
    memory: &Memory<'a>,
    (at, bytes): (u64, u64),
    budget: &mut u64,
) -> Result<Block<'a>, String> {
    let (descriptor, nodes) = declaration::read(memory, at, bytes, budget)?;
    let initial_at = if descriptor.pristine == 0 { descriptor.block } else { descriptor.pristine };
    let values = memory.value(initial_at, descriptor.used_bytes).ok_or("has its block outside of the image")?;
    let schemas_bytes = nodes.iter().map(|node| tables::encode(node).len() as u64).sum();
    let mut variables = Vec::new();
    for node in nodes {
        let initial = values.part(node.at, node.size_bytes).ok_or("has a variable that lies outside of it")?;
        let fingerprint = decode::fingerprint(fingerprint_seed(memory), &node);
        variables.push(Variable { bytes: node.size_bytes, fingerprint, initial: Some(initial), node });
    }
    let mut block = block(image, memory, &descriptor, variables, schemas_bytes);
    block.fingerprint = block.computed_fingerprint;
    Ok(block)
}

fn block<'a>(
    image: &Image<'a>,
    memory: &Memory<'a>,
    descriptor: &Descriptor<'a>,
    variables: Vec<Variable<'a>>,
    schemas_bytes: u64,
) -> Block<'a> {
    let seed = fingerprint_seed(memory);
    let computed = variables.iter().fold(seed, |hash, variable| decode::fingerprint(hash, &variable.node));
    let section = image
        .sections
        .iter()
        .position(|section| section.rights.read && descriptor.block.wrapping_sub(section.address) < section.size);
    Block {
        name: descriptor.name,
        group: descriptor.group,
        module: descriptor.module,
        mode: descriptor.mode,
        keep_until_removed: descriptor.keep_until_removed,
        attach_by_call: descriptor.attach_by_call,
        private_on_failure: descriptor.private_on_failure,
        separate_on_mismatch: descriptor.separate_on_mismatch,
        share_when_privileged: descriptor.share_when_privileged,
        address: descriptor.block,
        section,
        used_bytes: descriptor.used_bytes,
        padded_bytes: descriptor.padded_bytes,
        fingerprint: descriptor.fingerprint,
        computed_fingerprint: computed,
        variables,
        is_indirect: descriptor.has_target,
        schemas_bytes,
    }
}

fn variable<'a>(object: &Value<'_>, schemas: &[u8], values: Value<'a>) -> Result<Variable<'a>, String> {
    let number = |at, bytes| object.unsigned(at, bytes).unwrap_or_default() as u64;
    let (schema_at, schema_bytes) = (number(0, 8), number(8, 4));
    let schema = super::report::slice_at(schemas, schema_at, schema_bytes).ok_or("has a schema that is not there")?;
    let (node, taken) = decode::decode(schema).map_err(|error| format!("cannot be read: {error}"))?;
    let (data_at, bytes) = (number(16, 8), number(24, 8));
    if taken != schema.len() || node.at != data_at || node.size_bytes != bytes {
        return Err("has a schema for another place or size".to_owned());
    }
    let initial = values.part(data_at, bytes);
    if initial.is_none() {
        return Err("lies outside of its block".to_owned());
    }
    Ok(Variable { node, bytes, fingerprint: number(32, 8), initial })
}

/// What every fingerprint of this image begins with.
fn fingerprint_seed(memory: &Memory<'_>) -> u64 {
    crate::schema::fingerprint_seed(memory.pointer_bytes, memory.byte_order == ByteOrder::Little)
}
