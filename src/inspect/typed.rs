//! Values as data formats know them: numbers, texts, lists and fields, read from bytes by their layout.
//!
//! Nothing is believed: whatever the layout claims, no more is made of a value than [`VALUES_MAX`] parts with names of
//! [`NAMES_BYTES_MAX`] bytes.

use super::layout::{Layout, guarded};
use super::memory::Value;
use super::report::ByteOrder;
use super::value::{held, newest};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::Kind;
use crate::schema::decode::Node;

/// Parts of one value: numbers, texts, fields, elements.
const VALUES_MAX: usize = 1 << 20;
/// Bytes of names of fields and variants in one value: each element of a list may have the same long ones.
const NAMES_BYTES_MAX: usize = 64 << 20;

/// A value, in the words of data formats.
///
/// ```
/// use cotenant::inspect::{Layout, Typed};
/// use cotenant::value::Text;
///
/// let layout = Layout::of::<Text<8>>();
/// let bytes = [2, 0, 0, 0, b'h', b'i', 0, 0, 0, 0, 0, 0];
/// assert_eq!(layout.typed(&bytes)?, Typed::Text("hi".to_owned()));
/// # Ok::<(), cotenant::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Typed {
    /// An `Optional` that is none, a `OnceCell` that is not set, and what has no value of its own.
    None,
    /// A `bool`; of `Once` whether it is completed, of `Event` whether it is set.
    Bool(bool),
    /// An unsigned integer.
    Unsigned(u128),
    /// A signed integer.
    Signed(i128),
    /// A number of IEEE 754; of 32 bits the one with the shortest decimal form.
    Float(f64),
    /// A text, a `char`, or the name of an enum's variant.
    Text(String),
    /// The elements of an array or list.
    List(Vec<Typed>),
    /// The fields of a struct, in their order.
    Fields(Vec<(String, Typed)>),
    /// Bytes that are no value of their type, or of a kind that this version does not know.
    Bytes(Vec<u8>),
}

impl Layout {
    /// Reads a value from its bytes, which are of this machine's byte order. What a Mutex, RwLock or OnceCell guards
    /// stands for it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the bytes are not as many as the type has, or if it has over a million parts.
    pub fn typed(&self, bytes: &[u8]) -> Result<Typed> {
        if bytes.len() as u64 != self.node.size_bytes {
            let what = format!("{} has {} bytes, not {}", self.type_text(), self.node.size_bytes, bytes.len());
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        let order = if cfg!(target_endian = "little") { ByteOrder::Little } else { ByteOrder::Big };
        let mut reader = Reader { values: 0, names_bytes: 0 };
        reader.value(&self.node, Value::new(bytes, order)).ok_or_else(|| {
            let what = format!("{} has over {VALUES_MAX} parts", self.type_text());
            Error::new(ErrorKind::InvalidInput, what).hint("name one of them")
        })
    }
}

struct Reader {
    values: usize,
    names_bytes: usize,
}

impl Reader {
    /// `None`: it is too much.
    fn value(&mut self, node: &Node, value: Value<'_>) -> Option<Typed> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return None;
        }
        Some(match node.kind() {
            Some(Kind::Struct) => self.fields(node, value)?,
            Some(Kind::Array) => self.elements(node, value, node.count)?,
            Some(Kind::List) => {
                let len = value.unsigned(0, 4).unwrap_or_default() as u32;
                self.elements(node, value, len.min(node.count))?
            }
            Some(Kind::Enum) => {
                let name = variant(node, &value);
                self.names_bytes += name.map_or(0, str::len);
                name.map_or_else(|| bytes_of(&value), |name| Typed::Text(name.to_owned()))
            }
            Some(Kind::Optional) => match (value.unsigned(0, 1), node.children.first()) {
                (Some(0), _) => Typed::None,
                (Some(_), Some(part)) => self.part(part, value)?,
                _ => bytes_of(&value),
            },
            Some(Kind::Published) => match newest(node, value) {
                Some((part, value)) => self.value(part, value)?,
                None => bytes_of(&value),
            },
            Some(Kind::OnceCell) if !is_set(node, value, "completed") => Typed::None,
            _ => match guarded(node) {
                Some(part) => self.part(part, value)?,
                None => match scalar(node, value).or_else(|| lock(node, value)) {
                    Some(typed) => typed,
                    // Of what has no words of its own, or is of a later version, the parts say enough.
                    None if !node.children.is_empty() => self.fields(node, value)?,
                    None => bytes_of(&value),
                },
            },
        })
    }

    fn part(&mut self, part: &Node, whole: Value<'_>) -> Option<Typed> {
        match whole.part(part.at, part.size_bytes) {
            Some(value) => self.value(part, value),
            None => Some(Typed::Bytes(Vec::new())),
        }
    }

    fn fields(&mut self, node: &Node, value: Value<'_>) -> Option<Typed> {
        let mut fields = Vec::with_capacity(node.children.len());
        for part in &node.children {
            self.names_bytes += part.name.len();
            if self.names_bytes > NAMES_BYTES_MAX {
                return None;
            }
            fields.push((part.name.clone(), self.part(part, value)?));
        }
        Some(Typed::Fields(fields))
    }

    fn elements(&mut self, node: &Node, value: Value<'_>, len: u32) -> Option<Typed> {
        let Some(element) = node.children.first() else { return Some(Typed::List(Vec::new())) };
        let mut elements = Vec::new();
        for index in 0..u64::from(len) {
            let at = index.saturating_mul(element.size_bytes).saturating_add(element.at);
            match value.part(at, element.size_bytes) {
                Some(value) => elements.push(self.value(element, value)?),
                None => break,
            }
        }
        Some(Typed::List(elements))
    }
}

/// Of numbers, texts and the like; `None` for all else, and for bytes that are no value.
fn scalar(node: &Node, value: Value<'_>) -> Option<Typed> {
    let unsigned = || value.unsigned(0, value.len);
    Some(match node.kind()? {
        Kind::Unsigned => Typed::Unsigned(unsigned()?),
        Kind::Signed => Typed::Signed(signed(&value)?),
        Kind::Float => match value.len {
            // By way of its decimal form: 0.1 of 32 bits is to read 0.1.
            4 => Typed::Float(f32::from_bits(unsigned()? as u32).to_string().parse().ok()?),
            8 => Typed::Float(f64::from_bits(unsigned()? as u64)),
            _ => return None,
        },
        Kind::Bool => match unsigned()? {
            0 => Typed::Bool(false),
            1 => Typed::Bool(true),
            _ => return None,
        },
        Kind::Char => Typed::Text(char::from_u32(u32::try_from(unsigned()?).ok()?)?.to_string()),
        Kind::Text => {
            let len = (value.unsigned(0, 4)? as u64).min(node.count.into());
            let bytes = value.part(4, len)?.bytes;
            let valid = match std::str::from_utf8(bytes) {
                Ok(text) => text,
                Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
            };
            Typed::Text(valid.to_owned())
        }
        _ => return None,
    })
}

/// Of locks that guard no value, what they say.
fn lock(node: &Node, value: Value<'_>) -> Option<Typed> {
    let count = |name: &str| node.children.iter().find(|part| part.name == name).map_or(0, |part| part.count);
    let number = |name: &str| Some(Typed::Unsigned(word(node, value, name)?));
    let cells = || node.children.iter().find(|part| part.name == "cells");
    let fields = |pairs: [(&str, Typed); 2]| Typed::Fields(pairs.map(|(name, it)| (name.to_owned(), it)).to_vec());
    Some(match node.kind()? {
        Kind::Condvar => Typed::None,
        Kind::Once => Typed::Bool(is_set(node, value, "completed")),
        Kind::Event => Typed::Bool(is_set(node, value, "word")),
        Kind::Leader => Typed::Fields(vec![("term".to_owned(), number("term")?)]),
        Kind::PublishedBytes => Typed::Fields(vec![("sequence".to_owned(), number("head")?)]),
        Kind::Semaphore => {
            let permits = word(node, value, "permits")?.min(count("cells").into()) as u64;
            let taken = held(cells()?, value, permits);
            fields([("permits", Typed::Unsigned(permits.into())), ("taken", Typed::Unsigned(taken.into()))])
        }
        Kind::Barrier => {
            // Cells of an older generation have not been cleared yet: who came then has gone.
            let is_of_now = word(node, value, "cleared_generation")? == word(node, value, "generation")?;
            let arrived = if is_of_now { held(cells()?, value, count("cells").into()) } else { 0 };
            fields([("needed", Typed::Unsigned(count("cells").into())), ("arrived", Typed::Unsigned(arrived.into()))])
        }
        _ => return None,
    })
}

/// A number among the parts of a lock.
fn word(node: &Node, value: Value<'_>, name: &str) -> Option<u128> {
    let is_it = |part: &&Node| part.name == name && part.children.is_empty() && matches!(part.size_bytes, 4 | 8);
    let part = node.children.iter().find(is_it)?;
    value.unsigned(part.at, part.size_bytes)
}

fn is_set(node: &Node, value: Value<'_>, name: &str) -> bool {
    // `completed` is an Event's word, perhaps inside of a struct: its lowest bit.
    let part = node.children.iter().find(|part| part.name == name);
    part.and_then(|part| value.unsigned(part.at, 4)).is_some_and(|word| word & 1 != 0)
}

/// The variant that an enum's bytes stand for.
fn variant<'a>(node: &'a Node, value: &Value<'_>) -> Option<&'a str> {
    // A discriminant is 64-bit two's complement; the value may be shorter, and is negative if it says so.
    let (unsigned, signed) = (value.unsigned(0, value.len)?, signed(value)?);
    let is_it = |variant: &&Node| i128::from(variant.at as i64) == signed || u128::from(variant.at) == unsigned;
    node.children.iter().find(is_it).map(|variant| variant.name.as_str())
}

fn signed(value: &Value<'_>) -> Option<i128> {
    let number = value.unsigned(0, value.len)?;
    if value.len == 0 {
        return Some(0);
    }
    let unused = 128 - 8 * value.len as u32;
    Some((number << unused) as i128 >> unused)
}

fn bytes_of(value: &Value<'_>) -> Typed {
    /// Of a value of an unknown kind that are kept.
    const BYTES_MAX: usize = 4096;
    Typed::Bytes(value.bytes.iter().take(BYTES_MAX).copied().collect())
}

#[cfg(test)]
mod tests;
