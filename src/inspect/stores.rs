//! A value of data formats as stores into the bytes of its type: checked against the layout first, and in an order and
//! of widths that leave a valid value wherever the writer is killed.
//!
//! ```text
//! Text    length 0, then the bytes, then the length        Optional   flag 0, then the value, then flag 1
//! List    length 0, then the elements, then the length     others     one aligned store for each number
//! ```
//!
//! So stores whoever changes them in a program (`value/write.rs`).

use super::layout::{Layout, guarded};
use super::typed::Typed;
use super::{alike, printable};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::Kind;
use crate::schema::decode::Node;

/// One store: aligned, and of one of the machine's widths. Of 16 bytes it is two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Store {
    /// Where, from the beginning of the value.
    pub(super) at: u64,
    bytes: [u8; 16],
    len: u8,
    /// The place is one that programs access atomically.
    pub(super) is_atomic: bool,
}

impl Store {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Layout {
    /// Puts `typed` into the bytes of a value, which is one of this type already: fields of a struct that `typed` does
    /// not name stay as they are. Nothing is changed if it does not fit.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`]: a number is out of range, a text too long, a field or variant unknown, or the type
    /// is one whose value cannot be given; the message says where.
    pub fn put(&self, typed: &Typed, bytes: &mut [u8]) -> Result<()> {
        let stores = self.stores(typed)?;
        if bytes.len() as u64 != self.node.size_bytes {
            let what = format!("{} has {} bytes, not {}", self.type_text(), self.node.size_bytes, bytes.len());
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        for store in stores {
            let at = store.at as usize;
            let Some(to) = bytes.get_mut(at..at.saturating_add(store.bytes().len())) else {
                // The layout was checked when it was read: its parts lie within it.
                return Err(Error::new(ErrorKind::Corrupt, format!("{} has parts outside of it", self.type_text())));
            };
            to.copy_from_slice(store.bytes());
        }
        Ok(())
    }

    /// The stores that put `typed` into a value of this type.
    pub(super) fn stores(&self, typed: &Typed) -> Result<Vec<Store>> {
        let mut writer = Writer { stores: Vec::new(), path: String::new() };
        writer.value(&self.node, typed, 0)?;
        Ok(writer.stores)
    }
}

struct Writer {
    stores: Vec<Store>,
    /// Where we are, for errors.
    path: String,
}

impl Writer {
    fn value(&mut self, node: &Node, typed: &Typed, at: u64) -> Result<()> {
        match (node.kind(), typed) {
            (Some(Kind::Unsigned), _) => self.unsigned(node, typed, at),
            (Some(Kind::Signed), _) => self.signed(node, typed, at),
            (Some(Kind::Float), _) => self.float(node, typed, at),
            (Some(Kind::Bool), Typed::Bool(value)) => self.store(node, at, u128::from(*value), 1),
            (Some(Kind::Char), Typed::Text(text)) => self.char(node, text, at),
            (Some(Kind::Enum), _) => self.variant(node, typed, at),
            (Some(Kind::Struct), Typed::Fields(fields)) => self.fields(node, fields, at),
            (Some(Kind::Array), Typed::List(items)) if items.len() as u64 == u64::from(node.count) => {
                self.elements(node, items, at)
            }
            (Some(Kind::Array), Typed::List(items)) => {
                Err(self.refused(node, &format!("it has {} elements, and {} were given", node.count, items.len())))
            }
            (Some(Kind::List), Typed::List(items)) => self.list(node, items, at),
            (Some(Kind::Text), Typed::Text(text)) => self.text(node, text, at),
            (Some(Kind::Optional), _) => self.optional(node, typed, at),
            (Some(Kind::OnceCell), _) => Err(self.refused(node, "it is set once, by its own programs")),
            (Some(Kind::Published | Kind::PublishedBytes), _) => Err(self
                .refused(node, "it is published as a whole")
                .hint("`cotenant published SEGMENT --object NAME set VALUE`")),
            (Some(Kind::Mutex | Kind::RwLock), _) if guarded(node).is_some() => Err(self
                .refused(node, "it has a lock of its own, and is not changed along with what lies around it")
                .hint("set it by its own path")),
            (Some(Kind::Bool | Kind::Char | Kind::Struct | Kind::Array | Kind::List | Kind::Text), _) => {
                Err(self.mismatch(node, typed))
            }
            _ => Err(self.refused(node, "what it says is its processes' business, and cannot be set")),
        }
    }

    fn unsigned(&mut self, node: &Node, typed: &Typed, at: u64) -> Result<()> {
        let number = match typed {
            Typed::Unsigned(number) => Some(*number),
            Typed::Signed(number) => u128::try_from(*number).ok(),
            Typed::Text(text) => text.parse().ok(),
            _ => return Err(self.mismatch(node, typed)),
        };
        let max = u128::MAX >> (128 - 8 * node.size_bytes.clamp(1, 16));
        match number.filter(|number| *number <= max) {
            Some(number) => self.store(node, at, number, node.size_bytes),
            None => Err(self.refused(node, &format!("it is a whole number from 0 to {max}"))),
        }
    }

    fn signed(&mut self, node: &Node, typed: &Typed, at: u64) -> Result<()> {
        let number = match typed {
            Typed::Unsigned(number) => i128::try_from(*number).ok(),
            Typed::Signed(number) => Some(*number),
            Typed::Text(text) => text.parse().ok(),
            _ => return Err(self.mismatch(node, typed)),
        };
        let max = i128::MAX >> (128 - 8 * node.size_bytes.clamp(1, 16));
        match number.filter(|number| (-max - 1..=max).contains(number)) {
            Some(number) => self.store(node, at, number as u128, node.size_bytes),
            None => Err(self.refused(node, &format!("it is a whole number from {} to {max}", -max - 1))),
        }
    }

    fn float(&mut self, node: &Node, typed: &Typed, at: u64) -> Result<()> {
        let number = match typed {
            Typed::Float(number) => Some(*number),
            Typed::Unsigned(number) => Some(*number as f64),
            Typed::Signed(number) => Some(*number as f64),
            // NaN and the infinities are no numbers in JSON.
            Typed::Text(text) => text.parse().ok(),
            _ => return Err(self.mismatch(node, typed)),
        };
        match (number, node.size_bytes) {
            (Some(number), 4) if number.is_infinite() || (number as f32).is_finite() || number.is_nan() => {
                self.store(node, at, (number as f32).to_bits().into(), 4)
            }
            (Some(number), 8) => self.store(node, at, number.to_bits().into(), 8),
            (Some(_), 4) => Err(self.refused(node, "it is a number of 32 bits, up to 3.4e38")),
            (Some(_), _) => Err(self.refused(node, "floating-point numbers of this size cannot be set")),
            (None, _) => Err(self.mismatch(node, typed)),
        }
    }

    fn char(&mut self, node: &Node, text: &str, at: u64) -> Result<()> {
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(character), None) => self.store(node, at, u32::from(character).into(), 4),
            _ => Err(self.refused(node, "it is one character")),
        }
    }

    /// A variant, by its name or by its number.
    fn variant(&mut self, node: &Node, typed: &Typed, at: u64) -> Result<()> {
        let found = match typed {
            Typed::Text(name) => node.children.iter().find(|variant| variant.name == *name),
            Typed::Unsigned(number) => node.children.iter().find(|variant| u128::from(variant.at) == *number),
            Typed::Signed(number) => node.children.iter().find(|variant| i128::from(variant.at as i64) == *number),
            _ => return Err(self.mismatch(node, typed)),
        };
        let Some(variant) = found else {
            let names: Vec<_> = node.children.iter().map(|variant| variant.name.as_str()).collect();
            let wanted = if let Typed::Text(name) = typed { name } else { "" };
            return Err(self.refused(node, &format!("it has no such variant: {}", alike::offered(wanted, &names))));
        };
        self.store(node, at, variant.at as i64 as i128 as u128, node.size_bytes)
    }

    fn fields(&mut self, node: &Node, fields: &[(String, Typed)], at: u64) -> Result<()> {
        for (name, typed) in fields {
            let Some(part) = node.children.iter().find(|part| part.name == *name) else {
                let names: Vec<_> = node.children.iter().map(|part| part.name.as_str()).collect();
                let what = format!("it has no field `{}`: {}", printable(name), alike::offered(name, &names));
                return Err(self.refused(node, &what));
            };
            self.below(&format!(".{name}"), |writer| writer.value(part, typed, at.saturating_add(part.at)))?;
        }
        Ok(())
    }

    fn elements(&mut self, node: &Node, items: &[Typed], at: u64) -> Result<()> {
        let Some(element) = node.children.first() else { return Ok(()) };
        for (index, typed) in items.iter().enumerate() {
            let inside = (index as u64).saturating_mul(element.size_bytes).saturating_add(element.at);
            self.below(&format!("[{index}]"), |writer| writer.value(element, typed, at.saturating_add(inside)))?;
        }
        Ok(())
    }

    fn list(&mut self, node: &Node, items: &[Typed], at: u64) -> Result<()> {
        if items.len() as u64 > u64::from(node.count) {
            let what = format!("it has room for {} elements, and {} were given", node.count, items.len());
            return Err(self.refused(node, &what));
        }
        self.number(at, 0, 4, false);
        self.elements(node, items, at)?;
        self.number(at, items.len() as u128, 4, false);
        Ok(())
    }

    fn text(&mut self, node: &Node, text: &str, at: u64) -> Result<()> {
        if text.len() as u64 > u64::from(node.count) {
            let what = format!("it has room for {} bytes, and the text has {}", node.count, text.len());
            return Err(self.refused(node, &what));
        }
        self.number(at, 0, 4, false);
        for (byte, at) in text.bytes().zip(at.saturating_add(4)..) {
            self.number(at, byte.into(), 1, false);
        }
        self.number(at, text.len() as u128, 4, false);
        Ok(())
    }

    fn optional(&mut self, node: &Node, typed: &Typed, at: u64) -> Result<()> {
        self.number(at, 0, 1, false);
        let (Some(part), false) = (node.children.first(), *typed == Typed::None) else { return Ok(()) };
        self.value(part, typed, at.saturating_add(part.at))?;
        self.number(at, 1, 1, false);
        Ok(())
    }

    fn store(&mut self, node: &Node, at: u64, number: u128, len: u64) -> Result<()> {
        self.number(at, number, len, node.is_atomic);
        Ok(())
    }

    fn number(&mut self, at: u64, number: u128, len: u64, is_atomic: bool) {
        let len = len.min(16) as usize;
        let mut bytes = [0; 16];
        if cfg!(target_endian = "little") {
            bytes = number.to_le_bytes();
        } else {
            bytes[..len].copy_from_slice(&number.to_be_bytes()[16 - len..]);
        }
        if len > 0 {
            self.stores.push(Store { at, bytes, len: len as u8, is_atomic });
        }
    }

    fn below(&mut self, step: &str, call: impl FnOnce(&mut Writer) -> Result<()>) -> Result<()> {
        let len = self.path.len();
        self.path.push_str(step);
        let done = call(self);
        self.path.truncate(len);
        done
    }

    fn refused(&self, node: &Node, why: &str) -> Error {
        let type_text = printable(&crate::schema::difference::type_text(node));
        let place = if self.path.is_empty() { String::new() } else { format!("{}: ", printable(&self.path)) };
        Error::new(ErrorKind::InvalidInput, format!("{place}{type_text} was not set: {why}"))
    }

    fn mismatch(&self, node: &Node, typed: &Typed) -> Error {
        let wants = match node.kind() {
            Some(Kind::Unsigned | Kind::Signed) => "a whole number",
            Some(Kind::Float) => "a number",
            Some(Kind::Bool) => "true or false",
            Some(Kind::Char) => "a text of one character",
            Some(Kind::Enum) => "the name of a variant",
            Some(Kind::Struct) => "fields with their names",
            Some(Kind::Array | Kind::List) => "a list",
            _ => "a text",
        };
        let given = match typed {
            Typed::None => "none",
            Typed::Bool(_) => "true or false",
            Typed::Unsigned(_) | Typed::Signed(_) => "a whole number",
            Typed::Float(_) => "a number with a fraction",
            Typed::Text(_) => "a text",
            Typed::List(_) => "a list",
            Typed::Fields(_) => "fields",
            Typed::Bytes(_) => "bytes",
        };
        self.refused(node, &format!("it takes {wants}, and {given} was given"))
    }
}

#[cfg(test)]
mod tests;
