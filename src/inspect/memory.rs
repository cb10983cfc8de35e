//! An image's memory as the loader would lay it out, read from the file: address ranges with their bytes.
//!
//! ```text
//! range: start ..... start + bytes.len() ..... start + size
//!        from the file                 zeros
//! ```
//!
//! Relocations are kept only for the places where somebody will ask: the descriptors.

use std::collections::HashMap;

use super::report::ByteOrder;

/// Address ranges of an image.
#[derive(Debug)]
pub(super) struct Memory<'a> {
    /// By start. A hostile file's may overlap; then the one that starts last counts.
    ranges: Vec<Range<'a>>,
    /// What relocations put at an address.
    relocated: HashMap<u64, u64>,
    pub(super) pointer_bytes: u8,
    pub(super) byte_order: ByteOrder,
}

#[derive(Debug)]
struct Range<'a> {
    start: u64,
    bytes: &'a [u8],
    size: u64,
}

impl<'a> Memory<'a> {
    pub(super) fn new(pointer_bytes: u8, byte_order: ByteOrder) -> Memory<'a> {
        Memory { ranges: Vec::new(), relocated: HashMap::new(), pointer_bytes, byte_order }
    }

    /// Adds a range; what `size` is over `bytes` reads as zeros. Call [`sort`](Memory::sort) after the last one.
    pub(super) fn add(&mut self, start: u64, bytes: &'a [u8], size: u64) {
        let size = size.max(bytes.len() as u64);
        if size > 0 {
            self.ranges.push(Range { start, bytes, size });
        }
    }

    pub(super) fn sort(&mut self) {
        self.ranges.sort_by_key(|range| range.start);
    }

    pub(super) fn relocate(&mut self, address: u64, value: u64) {
        self.relocated.insert(address, value);
    }

    /// Whether an address is one of the image's.
    pub(super) fn contains(&self, address: u64) -> bool {
        self.range_at(address).is_some()
    }

    /// The ranges: start and size.
    pub(super) fn areas(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().map(|range| (range.start, range.size))
    }

    /// Bytes that are in the file. Empty at any address for a length of 0.
    pub(super) fn bytes(&self, address: u64, len: u64) -> Option<&'a [u8]> {
        if len == 0 {
            return Some(&[]);
        }
        let (range, offset) = self.range_at(address)?;
        let end = offset.checked_add(len)?;
        range.bytes.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)
    }

    /// Bytes of which the last may be zeros that are not in the file.
    pub(super) fn value(&self, address: u64, len: u64) -> Option<Value<'a>> {
        if len == 0 {
            return Some(Value { bytes: &[], len: 0, byte_order: self.byte_order });
        }
        let (range, offset) = self.range_at(address)?;
        if offset.checked_add(len)? > range.size {
            return None;
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(range.bytes.len());
        let bytes = &range.bytes[start..];
        let bytes = &bytes[..bytes.len().min(usize::try_from(len).unwrap_or(usize::MAX))];
        Some(Value { bytes, len, byte_order: self.byte_order })
    }

    /// UTF-8 up to a zero byte, which must be among the first `bytes_max` and in the file.
    pub(super) fn text(&self, address: u64, bytes_max: u64) -> Option<&'a str> {
        let (range, offset) = self.range_at(address)?;
        let rest = range.bytes.get(usize::try_from(offset).ok()?..)?;
        let end = rest.iter().take(bytes_max as usize).position(|byte| *byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok()
    }

    /// A pointer, as the loader would leave it.
    pub(super) fn pointer(&self, address: u64) -> Option<u64> {
        if let Some(value) = self.relocated.get(&address) {
            return Some(*value);
        }
        let len = self.pointer_bytes;
        Some(self.value(address, len.into())?.unsigned(0, len.into())? as u64)
    }

    fn range_at(&self, address: u64) -> Option<(&Range<'a>, u64)> {
        let index = self.ranges.partition_point(|range| range.start <= address).checked_sub(1)?;
        let range = &self.ranges[index];
        let offset = address - range.start;
        (offset < range.size).then_some((range, offset))
    }
}

/// The bytes of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    /// Those that are in the file; the others are zeros.
    pub(super) bytes: &'a [u8],
    pub(super) len: u64,
    byte_order: ByteOrder,
}

impl<'a> Value<'a> {
    /// A value all of whose bytes are there.
    pub(super) fn new(bytes: &'a [u8], byte_order: ByteOrder) -> Value<'a> {
        Value { bytes, len: bytes.len() as u64, byte_order }
    }

    /// A part of it.
    pub(super) fn part(&self, at: u64, len: u64) -> Option<Value<'a>> {
        if at.checked_add(len)? > self.len {
            return None;
        }
        let start = usize::try_from(at).unwrap_or(usize::MAX).min(self.bytes.len());
        let bytes = &self.bytes[start..];
        let bytes = &bytes[..bytes.len().min(usize::try_from(len).unwrap_or(usize::MAX))];
        Some(Value { bytes, len, byte_order: self.byte_order })
    }

    /// An integer of at most 16 bytes.
    pub(super) fn unsigned(&self, at: u64, len: u64) -> Option<u128> {
        let part = self.part(at, len)?;
        let mut all = [0; 16];
        all.get_mut(..part.bytes.len())?.copy_from_slice(part.bytes);
        let all = all.get(..len as usize)?;
        let push = |number: u128, byte: &u8| number << 8 | u128::from(*byte);
        Some(match self.byte_order {
            ByteOrder::Big => all.iter().fold(0, push),
            ByteOrder::Little => all.iter().rev().fold(0, push),
        })
    }
}
