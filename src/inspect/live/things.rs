//! What an object of a kind that does something is doing: how far a queue is, what a counter counts, who published.
//!
//! Read word by word from outside, as all here: what is read while others write may be of different moments.

use super::objects::LiveObject;
use super::segment::LiveSegment;
use crate::error::Result;
use crate::inspect::memory::Value;
use crate::inspect::value::{counted, number};
use crate::schema::Kind;
use crate::schema::decode::Node;

/// Looks at who published, of what is published all the time.
const PUBLISHED_LOOKS_MAX: u32 = 20;

/// What an object is doing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Thing {
    /// A number that only grows: a counter's total, denials of a limiter.
    Counter(u64),
    /// A number that goes up and down.
    Number(f64),
    /// A queue.
    Queue {
        /// Bytes ever sent, headers of messages included.
        sent_bytes: u64,
        /// Bytes ever taken.
        taken_bytes: u64,
        /// Bytes in it now: sent, and not taken or not acknowledged.
        used_bytes: u64,
        /// Bytes that it has room for.
        capacity_bytes: u64,
    },
    /// A cache. What is in it its own reader tells (`cotenant::cache::CacheOptions::open_reader`).
    Cache {
        /// Bytes of this part of its memory.
        bytes: u64,
    },
    /// A published value.
    Published {
        /// How often it was published.
        sequence: u64,
        /// Who published last; `None`: nobody yet, or not known.
        publisher: Option<(u32, String)>,
        /// When: nanoseconds since 1970; 0: not known.
        unix_ns: u64,
    },
}

/// Its publisher, if one is known, and when.
type Published = (Option<(u32, String)>, u64);

impl LiveSegment {
    /// What an object is doing; `None` for one that is a value and no more.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn thing(&self, object: &LiveObject) -> Result<Option<Thing>> {
        let node = &object.node;
        Ok(match node.kind() {
            Some(Kind::Counter) => {
                let bytes = self.value_bytes(object)?;
                let value = Value::new(&bytes, self.order());
                node.children.first().and_then(|cells| counted(cells, value)).map(Thing::Counter)
            }
            Some(Kind::RateLimiter) => self.word(object, "denied")?.map(Thing::Counter),
            Some(Kind::Unsigned | Kind::Signed | Kind::Float) => {
                let bytes = self.value_bytes(object)?;
                number(node, &Value::new(&bytes, self.order())).map(Thing::Number)
            }
            Some(Kind::Queue) => self.queue(object)?,
            Some(Kind::Cache) => Some(Thing::Cache { bytes: object.size_bytes }),
            Some(Kind::Published | Kind::PublishedBytes) => self.published(object)?,
            _ => None,
        })
    }

    fn queue(&self, object: &LiveObject) -> Result<Option<Thing>> {
        let words = [self.word(object, "tail")?, self.word(object, "next")?, self.word(object, "head")?];
        let ([Some(tail), Some(next), Some(head)], Some(unit_bytes)) = (words, self.word(object, "unit_bytes")?) else {
            return Ok(None);
        };
        let bytes = |units: u64| units.saturating_mul(unit_bytes);
        let capacity_bytes = object.size_bytes.saturating_sub(object.node.size_bytes);
        Ok(Some(Thing::Queue {
            sent_bytes: bytes(tail),
            taken_bytes: bytes(next),
            used_bytes: used_bytes(tail, head, unit_bytes, capacity_bytes),
            capacity_bytes,
        }))
    }

    /// Looks again if what it read was replaced meanwhile: a publish is of one publisher.
    fn published(&self, object: &LiveObject) -> Result<Option<Thing>> {
        for _ in 0..PUBLISHED_LOOKS_MAX {
            let Some(sequence) = self.word(object, "head")? else { return Ok(None) };
            if let Some((publisher, unix_ns)) = self.publisher(object, sequence)? {
                return Ok(Some(Thing::Published { sequence, publisher, unix_ns }));
            }
        }
        // It is published all the time, or damaged: how often can be told all the same.
        let sequence = self.word(object, "head")?;
        Ok(sequence.map(|sequence| Thing::Published { sequence, publisher: None, unix_ns: 0 }))
    }

    /// Who published that one, and when; `None`: it is not whole any more.
    fn publisher(&self, object: &LiveObject, sequence: u64) -> Result<Option<Published>> {
        let (mut publisher, mut unix_ns) = (None, 0);
        let buffers =
            object.node.children.iter().find(|part| part.name == "buffers" && part.kind() == Some(Kind::Array));
        if let Some((buffers, buffer)) = buffers.and_then(|array| Some((array, array.children.first()?))) {
            let nth = sequence % u64::from(buffers.count.max(1));
            let at = buffers.at.saturating_add(nth.saturating_mul(buffer.size_bytes));
            let part = |name: &str| buffer.children.iter().find(|part| part.name == name);
            let read = |name: &str, bytes: &mut [u8]| match part(name) {
                Some(part) if part.size_bytes == bytes.len() as u64 => {
                    self.read_at(object, at.saturating_add(part.at), bytes)
                }
                _ => Ok(()),
            };
            let (mut when, mut pid, mut program) = ([0; 8], [0; 4], [0; 24]);
            let (mut before, mut after) = ([0; 8], [0; 8]);
            read("stamp", &mut before)?;
            read("unix_ns", &mut when)?;
            read("pid", &mut pid)?;
            read("program", &mut program)?;
            read("stamp", &mut after)?;
            let whole = sequence.wrapping_mul(2);
            if [before, after].map(u64::from_ne_bytes) != [whole; 2] {
                return Ok(None);
            }
            let end = program.iter().position(|byte| *byte == 0).unwrap_or(program.len());
            unix_ns = u64::from_ne_bytes(when);
            let pid = u32::from_ne_bytes(pid);
            publisher = (pid != 0).then(|| (pid, String::from_utf8_lossy(&program[..end]).into_owned()));
        }
        Ok(Some((publisher, unix_ns)))
    }

    /// A number of 64 or 32 bits among the parts of an object.
    pub(super) fn word(&self, object: &LiveObject, name: &str) -> Result<Option<u64>> {
        let is_it = |part: &&Node| part.name == name && part.children.is_empty() && matches!(part.size_bytes, 4 | 8);
        let Some(part) = object.node.children.iter().find(is_it) else { return Ok(None) };
        let mut bytes = [0; 8];
        let len = part.size_bytes as usize;
        self.read_at(object, part.at, &mut bytes[..len])?;
        // This machine's byte order: `Header::check` refuses another one.
        Ok(Some(match len {
            4 => u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).into(),
            _ => u64::from_ne_bytes(bytes),
        }))
    }
}

/// Of a queue's ring. Its words are read one after the other, and a sender that was killed leaves `tail` behind: where
/// receivers are past it, nothing is known to be used.
fn used_bytes(tail: u64, head: u64, unit_bytes: u64, capacity_bytes: u64) -> u64 {
    let used = tail.wrapping_sub(head).saturating_mul(unit_bytes);
    if used > capacity_bytes { 0 } else { used }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_whose_receivers_went_on_meanwhile_is_not_full() {
        assert_eq!(used_bytes(100, 36, 16, 1024), 1024);
        assert_eq!(used_bytes(100, 101, 16, 1024), 0);
        assert_eq!(used_bytes(1, u64::MAX, 16, 1024), 32);
        assert_eq!(used_bytes(u64::MAX, 0, u64::MAX, 1024), 0);
    }
}
