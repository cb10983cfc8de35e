//! Values as people read them, by their schema: `Limits { burst: 20 }`, `[0, 0, 0, ... 61 more]`, `"text"`.
//!
//! Whatever the schema claims, no more is written, and no more work done, than the limit allows.

use super::memory::Value;
use crate::schema::Kind;
use crate::schema::decode::Node;
use crate::schema::difference::printable_within;

/// Elements of an array that are written; the others are counted.
const ELEMENTS_MAX: u64 = 8;
/// Bytes of an unknown kind that are written.
const UNKNOWN_BYTES_MAX: usize = 16;

/// The value in about `chars_max` characters.
pub(super) fn to_text(node: &Node, value: Value<'_>, chars_max: usize) -> String {
    let mut writer = Writer { out: String::new(), bytes_max: chars_max };
    writer.value(node, value);
    if writer.is_full() {
        let mut end = chars_max.min(writer.out.len());
        while !writer.out.is_char_boundary(end) {
            end -= 1;
        }
        writer.out.truncate(end);
        writer.out.push('…');
    }
    writer.out
}

struct Writer {
    out: String,
    bytes_max: usize,
}

impl Writer {
    /// Each visit to a node writes something first, so that this ends every loop and recursion.
    fn is_full(&self) -> bool {
        self.out.len() > self.bytes_max
    }

    fn value(&mut self, node: &Node, value: Value<'_>) {
        if self.is_full() {
            return;
        }
        match node.kind() {
            Some(Kind::Unsigned) => self.push(unsigned(&value).map(|number| number.to_string())),
            Some(Kind::Signed) => self.push(signed(&value).map(|number| number.to_string())),
            Some(Kind::Float) => self.push(float(&value)),
            Some(Kind::Bool) => self.push(unsigned(&value).map(|number| match number {
                0 => "false".to_owned(),
                1 => "true".to_owned(),
                other => format!("{other} (no bool)"),
            })),
            Some(Kind::Char) => self.push(unsigned(&value).map(|number| {
                let character = u32::try_from(number).ok().and_then(char::from_u32);
                character.map_or_else(|| format!("{number:#x} (no char)"), |character| format!("{character:?}"))
            })),
            Some(Kind::Enum) => self.enumeration(node, &value),
            Some(Kind::Struct) => self.structure(node, value),
            Some(Kind::Array) => self.elements(node, value, node.count.into()),
            Some(Kind::List) => {
                let len = value.unsigned(0, 4).unwrap_or_default() as u64;
                self.elements(node, value, len.min(node.count.into()));
            }
            Some(Kind::Text) => self.push(text(node, &value, self.bytes_max)),
            Some(Kind::Optional) => self.optional(node, value),
            Some(Kind::Published) => {
                self.out.push_str("Published(");
                match newest(node, value) {
                    Some((part, value)) => self.value(part, value),
                    None => self.push(None),
                }
                self.out.push(')');
            }
            // Locks, and types that this version does not know: their parts say enough.
            _ if !node.children.is_empty() => match lock_text(node, value) {
                Some(text) => self.out.push_str(&text),
                None => match node.children.iter().find(|part| part.name == "value") {
                    Some(part) => self.wrapped(&printable_within(&node.type_name, self.bytes_max), part, value),
                    None => self.structure(node, value),
                },
            },
            _ => self.push(Some(unknown(node, &value))),
        }
    }

    fn push(&mut self, text: Option<String>) {
        self.out.push_str(text.as_deref().unwrap_or("?"));
    }

    fn part(&mut self, part: &Node, whole: Value<'_>) {
        match whole.part(part.at, part.size_bytes) {
            Some(value) => self.value(part, value),
            None => self.out.push('?'),
        }
    }

    fn wrapped(&mut self, name: &str, part: &Node, whole: Value<'_>) {
        self.out.push_str(name);
        self.out.push('(');
        self.part(part, whole);
        self.out.push(')');
    }

    fn enumeration(&mut self, node: &Node, value: &Value<'_>) {
        // A discriminant is 64-bit two's complement; the value may be shorter, and is negative if it says so.
        let (Some(unsigned), Some(signed)) = (unsigned(value), signed(value)) else { return self.push(None) };
        let is_it = |variant: &&Node| i128::from(variant.at as i64) == signed || u128::from(variant.at) == unsigned;
        match node.children.iter().find(is_it) {
            Some(variant) => self.out.push_str(&printable_within(&variant.name, self.bytes_max)),
            None => self.out.push_str(&format!("{unsigned} (no variant)")),
        }
    }

    fn structure(&mut self, node: &Node, value: Value<'_>) {
        if !node.type_name.is_empty() {
            self.out.push_str(&printable_within(&node.type_name, self.bytes_max));
            self.out.push(' ');
        }
        self.out.push('{');
        for (index, part) in node.children.iter().enumerate() {
            if self.is_full() {
                return;
            }
            self.out.push_str(if index == 0 { " " } else { ", " });
            self.out.push_str(&printable_within(&part.name, self.bytes_max));
            self.out.push_str(": ");
            self.part(part, value);
        }
        self.out.push_str(if node.children.is_empty() { "}" } else { " }" });
    }

    fn elements(&mut self, node: &Node, value: Value<'_>, len: u64) {
        self.out.push('[');
        let Some(element) = node.children.first() else { return self.out.push(']') };
        for index in 0..len.min(ELEMENTS_MAX) {
            if self.is_full() {
                return;
            }
            self.out.push_str(if index == 0 { "" } else { ", " });
            let at = index.checked_mul(element.size_bytes).and_then(|at| at.checked_add(element.at));
            match at.and_then(|at| value.part(at, element.size_bytes)) {
                Some(value) => self.value(element, value),
                None => self.out.push('?'),
            }
        }
        if len > ELEMENTS_MAX {
            self.out.push_str(&format!(", ... {} more", len - ELEMENTS_MAX));
        }
        self.out.push(']');
    }

    fn optional(&mut self, node: &Node, value: Value<'_>) {
        match (value.unsigned(0, 1), node.children.first()) {
            (Some(0), _) => self.out.push_str("none"),
            (Some(_), Some(part)) => self.wrapped("some", part, value),
            _ => self.push(None),
        }
    }
}

/// What a lock says of itself; `None` for one that says it by the value that it guards, and for one without the parts
/// that such a lock has.
fn lock_text(node: &Node, value: Value<'_>) -> Option<String> {
    let part = |name: &str| node.children.iter().find(|part| part.name == name);
    let number = |name: &str| {
        let part = part(name).filter(|part| part.children.is_empty() && matches!(part.size_bytes, 4 | 8))?;
        unsigned(&value.part(part.at, part.size_bytes)?)
    };
    let is_set = |name: &str| Some(number(name)? & 1 != 0);
    Some(match node.kind()? {
        Kind::OnceCell if is_set("completed")? => return None,
        Kind::OnceCell => "OnceCell(not set)".to_owned(),
        Kind::Once => format!("Once({})", if is_set("completed")? { "done" } else { "not done" }),
        Kind::Event => format!("Event({})", if is_set("word")? { "set" } else { "not set" }),
        Kind::Condvar => "Condvar".to_owned(),
        Kind::Leader => format!("Leader(term {})", number("term")?),
        Kind::Counter => format!("Counter({})", counted(node.children.first()?, value)?),
        Kind::Histogram => "Histogram".to_owned(),
        Kind::Gauge => {
            let across = ["", "last", "sum", "minimum", "maximum", "each process"].get(number("across")? as usize)?;
            format!("Gauge({across})")
        }
        Kind::Metrics => format!("Metrics({} of {} series)", number("count")?, number("series_max")?),
        Kind::RateLimiter => format!("{}({} denied)", printable_within(&node.type_name, 40), number("denied")?),
        Kind::Cache => "Cache".to_owned(),
        Kind::PublishedBytes => format!("PublishedBytes(publish {})", number("head")?),
        Kind::Queue => "Queue".to_owned(),
        Kind::Semaphore => {
            let cells = part("cells")?;
            let permits = number("permits")?.min(cells.count.into()) as u64;
            format!("Semaphore({} of {permits} free)", permits - held(cells, value, permits))
        }
        Kind::Barrier => {
            let cells = part("cells")?;
            // Cells of an older generation have not been cleared yet: who came then has gone.
            let is_of_now = number("cleared_generation")? == number("generation")?;
            let arrived = if is_of_now { held(cells, value, cells.count.into()) } else { 0 };
            format!("Barrier({arrived} of {} arrived)", cells.count)
        }
        _ => return None,
    })
}

/// What the head of a `Published` names: a value's node and its bytes, which may be written over while they are read.
pub(super) fn newest<'a, 'v>(node: &'a Node, value: Value<'v>) -> Option<(&'a Node, Value<'v>)> {
    let part = |node: &'a Node, name: &str| node.children.iter().find(|part| part.name == name);
    let buffers = part(node, "buffers")?;
    let buffer = buffers.children.first()?;
    let nth = value.unsigned(part(node, "head")?.at, 8)? as u64 % u64::from(buffers.count.max(1));
    let buffer_at = nth.checked_mul(buffer.size_bytes)?.checked_add(buffers.at)?;
    let whole = value.part(buffer_at, buffer.size_bytes)?;
    let part = part(buffer, "value")?;
    Some((part, whole.part(part.at, part.size_bytes)?))
}

/// What the first words of all cells of a `PerProcess` add up to. Bounded by the bytes that are there.
pub(super) fn counted(cells: &Node, value: Value<'_>) -> Option<u64> {
    let whole = value.part(cells.at, cells.size_bytes)?;
    let mut sum = 0_u64;
    for part in cells.children.iter().filter(|part| matches!(part.name.as_str(), "shared" | "own")) {
        let stripes = whole.part(part.at, part.size_bytes)?;
        let stride = part.children.first()?.size_bytes.max(8);
        for nth in (0..part.count.into()).take(stripes.bytes.len() / 8) {
            sum = sum.wrapping_add(stripes.unsigned(stride.checked_mul(nth)?, 8)? as u64);
        }
    }
    Some(sum)
}

/// Lock words that somebody holds, among the first of an array of them. Bounded by the bytes that are there.
pub(super) fn held(cells: &Node, value: Value<'_>, first: u64) -> u64 {
    let Some(words) = value.part(cells.at, cells.size_bytes) else { return 0 };
    // What is not in the file is zeros, and so free.
    let first = first.min(cells.count.into()).min(words.bytes.len() as u64 / 8);
    (0..first).map_while(|index| words.unsigned(index * 8, 8)).filter(|word| word & 0xffff_ffff != 0).count() as u64
}

/// A number of any type, as near as 64 bits of a float come to it.
pub(super) fn number(node: &Node, value: &Value<'_>) -> Option<f64> {
    match (node.kind()?, value.len) {
        (Kind::Unsigned, _) => unsigned(value).map(|number| number as f64),
        (Kind::Signed, _) => signed(value).map(|number| number as f64),
        (Kind::Float, 4) => unsigned(value).map(|bits| f32::from_bits(bits as u32).into()),
        (Kind::Float, 8) => unsigned(value).map(|bits| f64::from_bits(bits as u64)),
        _ => None,
    }
}

fn unsigned(value: &Value<'_>) -> Option<u128> {
    value.unsigned(0, value.len)
}

fn signed(value: &Value<'_>) -> Option<i128> {
    let number = unsigned(value)?;
    if value.len == 0 {
        return Some(0);
    }
    let unused = 128 - 8 * value.len as u32;
    Some((number << unused) as i128 >> unused)
}

fn float(value: &Value<'_>) -> Option<String> {
    let bits = unsigned(value)?;
    Some(match value.len {
        4 => format!("{:?}", f32::from_bits(bits as u32)),
        8 => format!("{:?}", f64::from_bits(bits as u64)),
        _ => format!("{bits:#x} (bits)"),
    })
}

/// A text ends where its bytes cease to be UTF-8, and is no longer than its capacity.
fn text(node: &Node, value: &Value<'_>, chars_max: usize) -> Option<String> {
    let len = (value.unsigned(0, 4)? as u64).min(node.count.into());
    // The limit is in characters; one takes at most four bytes.
    let part = value.part(4, len)?;
    let shown = part.bytes.len().min(chars_max.saturating_add(1).saturating_mul(4));
    let valid = match std::str::from_utf8(&part.bytes[..shown]) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&part.bytes[..error.valid_up_to()]).unwrap_or_default(),
    };
    Some(format!("\"{}\"", printable_within(valid, chars_max).replace('"', "\\\"")))
}

fn unknown(node: &Node, value: &Value<'_>) -> String {
    let bytes: Vec<_> = value.bytes.iter().take(UNKNOWN_BYTES_MAX).map(|byte| format!("{byte:02x}")).collect();
    let more = if value.len > bytes.len() as u64 { " ..." } else { "" };
    format!("({} bytes: {}{more})", node.size_bytes, bytes.join(" "))
}

#[cfg(test)]
mod tests;
