//! Published values of live segments: the snapshots that are still whole, and the publishing of another one.
//!
//! The object is read three times: a buffer whose stamp is the same before and after the second reading, and says that
//! it is whole, is whole in the second one. That is what `Published::load` does, for who may map nothing.

#![allow(unsafe_code)]

use std::path::Path;
use std::ptr::NonNull;
use std::time::Duration;

use super::mend::address_of;
use super::objects::LiveObject;
use super::segment::LiveSegment;
use crate::error::{Error, ErrorKind, Result};
use crate::inspect::{Layout, Typed, printable};
use crate::published::Rollout;
use crate::published::untyped::{self, Shape};
use crate::schema::Kind;
use crate::schema::decode::Node;
use crate::sys::visit;

/// Bytes of one object that are read.
const OBJECT_BYTES_MAX: u64 = 256 << 20;
/// The head, the words of participants and the number of buffers of published bytes, and all of it in docs/format.md.
const BYTES_HEAD_BYTES: u64 = 384;
const BYTES_BUFFERS_AT: u64 = 256;
/// In a buffer.
const LENGTH_AT: usize = 56;

/// A published snapshot that is still whole.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LiveSnapshot {
    /// Its number: how often was published until then.
    pub sequence: u64,
    /// When, in nanoseconds since 1970; 0: it is the initial value.
    pub unix_ns: u64,
    /// Who published it: its process id as it sees itself; 0: it is the initial value.
    pub pid: u32,
    /// That process's program.
    pub program: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    layout: Option<Layout>,
}

impl LiveSnapshot {
    /// The type of the value; `None`: bytes.
    pub fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// The value; of bytes a text, where they are one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it has too many parts.
    pub fn typed(&self) -> Result<Typed> {
        match &self.layout {
            Some(layout) => layout.typed(&self.bytes),
            None => Ok(match std::str::from_utf8(&self.bytes) {
                Ok(text) => Typed::Text(text.to_owned()),
                Err(_) => Typed::Bytes(self.bytes.clone()),
            }),
        }
    }
}

impl LiveObject {
    /// Whether it is a `Published`, a `Flag` or `PublishedBytes`.
    pub fn is_published(&self) -> bool {
        matches!(self.node.kind(), Some(Kind::Published | Kind::PublishedBytes))
    }

    /// The type of what is published here; `None`: bytes, or nothing is published here.
    pub fn published_layout(&self) -> Option<Layout> {
        shape_of(&self.node).and_then(|(_, layout)| layout)
    }
}

impl LiveSegment {
    /// The snapshots of a published value that are still whole, from the newest to the oldest. Takes no lock.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is no published value, or too large; [`ErrorKind::Corrupt`] if its parts lie
    /// where this library puts none, or if the newest snapshot is not there; else what the system says.
    pub fn snapshots(&self, object: &LiveObject) -> Result<Vec<LiveSnapshot>> {
        let (shape, layout) = self.shape(object)?;
        let readings = [self.object_bytes(object)?, self.object_bytes(object)?, self.object_bytes(object)?];
        let newest = word(&readings[1], 0);
        let mut found = Vec::new();
        for age in 0..shape.buffers {
            let Some(sequence) = newest.checked_sub(age) else { break };
            let at = (shape.buffers_at + (sequence & (shape.buffers - 1)) * shape.stride_bytes) as usize;
            let is_whole = |reading: &Vec<u8>| word(reading, at) == sequence.wrapping_mul(2);
            if is_whole(&readings[0]) && is_whole(&readings[2]) {
                found.push(snapshot(&readings[1][at..at + shape.stride_bytes as usize], &shape, sequence, &layout));
            }
        }
        if found.is_empty() {
            // A value that is published all the time may be at another number in each reading.
            return Err(self.damaged("no snapshot of a published value is whole, or all are being replaced"));
        }
        Ok(found)
    }

    /// The number of the newest snapshot of a published value.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn newest_sequence(&self, object: &LiveObject) -> Result<u64> {
        let mut bytes = [0; 8];
        self.source.read(&mut bytes, object.at).map_err(|cause| self.cannot_read("values", &cause))?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Publishes what `change` makes of the newest snapshot's bytes, as the programs of this segment, whose file is at
    /// `path`, do: this process becomes a participant for that time, waits at most `timeout` for others who publish,
    /// and wakes those who wait for a change. Gives the number.
    ///
    /// # Errors
    ///
    /// What `change` says, and nothing is published; [`ErrorKind::TimedOut`]; [`ErrorKind::NoSpace`] if there are too
    /// many bytes; [`ErrorKind::InvalidInput`] if it is a flag, and no percentage; else as of
    /// [`snapshots`](LiveSegment::snapshots) and [`set`](LiveSegment::set).
    pub fn publish(
        &self,
        path: &Path,
        object: &LiveObject,
        timeout: Duration,
        change: impl FnOnce(Vec<u8>, Option<&Layout>) -> Result<Vec<u8>>,
    ) -> Result<u64> {
        let (shape, layout) = self.shape(object)?;
        let visit = visit::join(path)?;
        if visit.instance() != self.header.instance {
            return Err(Error::new(ErrorKind::Busy, format!("{} is another segment by now", path.display())));
        }
        let address = address_of(&visit, object.at, object.size_bytes as usize, 128);
        let address = address.and_then(|address| NonNull::new(address.cast_mut()));
        let address = address.ok_or_else(|| self.damaged("a published value lies outside of what is mapped"))?;
        // SAFETY: mapped shared, writable and aligned (checked by `address_of`) while the visit lasts; the shape was
        // checked against the object's size.
        unsafe {
            untyped::update(address, &shape, timeout, |old| {
                let new = change(old, layout.as_ref())?;
                if let Some(layout) = &layout {
                    check_rollout(object, &layout.node, &new)?;
                }
                Ok(new)
            })
        }
    }

    fn shape(&self, object: &LiveObject) -> Result<(Shape, Option<Layout>)> {
        let shape = match object.node.kind() {
            Some(Kind::Published) => shape_of(&object.node),
            Some(Kind::PublishedBytes) => self.shape_of_bytes(object)?,
            _ => {
                let what = format!("{} is no published value: {}", printable(object.name()), object.type_text());
                return Err(Error::new(ErrorKind::InvalidInput, what));
            }
        };
        match shape {
            Some((shape, layout)) if shape.is_possible(object.size_bytes) => Ok((shape, layout)),
            _ => Err(self.damaged("the parts of a published value lie where none can be")),
        }
    }

    fn shape_of_bytes(&self, object: &LiveObject) -> Result<Option<(Shape, Option<Layout>)>> {
        let mut buffers = [0; 8];
        let at = object.at.saturating_add(BYTES_BUFFERS_AT);
        self.source.read(&mut buffers, at).map_err(|cause| self.cannot_read("values", &cause))?;
        let buffers = u64::from_ne_bytes(buffers);
        let all = object.size_bytes.saturating_sub(BYTES_HEAD_BYTES);
        let stride_bytes = all.checked_div(buffers).unwrap_or(0) / 64 * 64;
        let value_at = LENGTH_AT as u64 + 8;
        let value_bytes = stride_bytes.saturating_sub(value_at);
        let buffers_at = BYTES_HEAD_BYTES;
        Ok(Some((Shape { buffers_at, buffers, stride_bytes, value_at, value_bytes, has_length: true }, None)))
    }

    fn object_bytes(&self, object: &LiveObject) -> Result<Vec<u8>> {
        if object.size_bytes > OBJECT_BYTES_MAX {
            let what = format!("{} has {} bytes", printable(object.name()), object.size_bytes);
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        let mut bytes = vec![0; object.size_bytes as usize];
        self.source.read(&mut bytes, object.at).map_err(|cause| self.cannot_read("values", &cause))?;
        Ok(bytes)
    }
}

/// The shape of a `Published`, of its schema.
fn shape_of(node: &Node) -> Option<(Shape, Option<Layout>)> {
    if node.kind() != Some(Kind::Published) {
        return None;
    }
    let part = |node: &Node, name: &str| node.children.iter().position(|part| part.name == name);
    let buffers = &node.children[part(node, "buffers")?];
    let buffer = buffers.children.first()?;
    let value = &buffer.children[part(buffer, "value")?];
    let is_ours = node.children[part(node, "head")?].at == 0 && node.children[part(node, "lock")?].at == 128;
    let shape = Shape {
        buffers_at: buffers.at,
        buffers: buffers.count.into(),
        stride_bytes: buffer.size_bytes,
        value_at: value.at,
        value_bytes: value.size_bytes,
        has_length: false,
    };
    is_ours.then(|| (shape, Some(Layout { node: value.clone() })))
}

/// Refuses what [`Flag::set`](crate::published::Flag::set) refuses.
fn check_rollout(object: &LiveObject, value: &Node, bytes: &[u8]) -> Result<()> {
    let fields: Vec<_> = value.children.iter().map(|part| (part.name.as_str(), part.at, part.kind())).collect();
    let rollout = [("percent", 0, Some(Kind::Float)), ("seed", 8, Some(Kind::Unsigned))];
    if value.type_name != "Rollout" || fields != rollout || bytes.len() != size_of::<Rollout>() {
        return Ok(());
    }
    let percent = f64::from_bits(word(bytes, 0));
    if (0.0..=100.0).contains(&percent) {
        return Ok(());
    }
    let what = format!("the flag {} cannot be on for {percent} per cent", printable(object.name()));
    Err(Error::new(ErrorKind::InvalidInput, what).hint("give 0 to 100"))
}

/// What lies in a buffer that is whole.
fn snapshot(buffer: &[u8], shape: &Shape, sequence: u64, layout: &Option<Layout>) -> LiveSnapshot {
    let length = if shape.has_length { word(buffer, LENGTH_AT).min(shape.value_bytes) } else { shape.value_bytes };
    let value_at = shape.value_at as usize;
    let program: Vec<u8> = buffer[32..56].iter().copied().take_while(|byte| *byte != 0).collect();
    LiveSnapshot {
        sequence,
        unix_ns: word(buffer, 16),
        pid: word(buffer, 24) as u32,
        program: String::from_utf8_lossy(&program).into_owned(),
        bytes: buffer[value_at..value_at + length as usize].to_vec(),
        layout: layout.clone(),
    }
}

/// A word at a place that the shape admits.
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map_or(0, u64::from_ne_bytes)
}
