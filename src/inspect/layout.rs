//! A type's layout as tools use it: what `limits.per_second` or `table[3].name` leads to, and under which locks.
//!
//! ```text
//! OBJECT[.field][index]...     Mutex, RwLock, OnceCell and Optional are passed through: `limits.burst` is the field of
//!                              the value that the Mutex `limits` guards; `limits.value.burst` says the same
//! ```
//!
//! Where a list is shorter than the index, or an Optional is none, only the bytes tell: [`Part`] names those bytes.

use std::fmt::Write;

use super::alike;
use crate::error::{Error, ErrorKind, Result};
use crate::process_sync::ProcessSync;
use crate::schema::decode::{self, Node};
use crate::schema::difference::{self, printable};
use crate::schema::{self, Kind};

/// The layout of a variable, object, field or element: its type, and where its parts lie.
#[derive(Debug, Clone)]
pub struct Layout {
    pub(super) node: Node,
}

/// A part of a value, found by its path.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Part {
    /// What it is.
    pub layout: Layout,
    /// Its offset in the value.
    pub at: u64,
    /// The locks on the way to it, the outermost first.
    pub(super) guards: Vec<Guard>,
    /// What must be so for the part to be there.
    pub(super) conditions: Vec<Condition>,
}

/// A lock that guards a part.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// The lock.
    pub(super) node: Node,
    /// Its offset in the value.
    pub(super) at: u64,
}

/// What the bytes must say for a part to be there, offsets in the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// The list whose length lies there has more elements than this.
    Longer { len_at: u64, than: u32 },
    /// The Optional whose flag lies there is some.
    Some { flag_at: u64 },
    /// The OnceCell whose word lies there is completed.
    Completed { word_at: u64 },
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(u32),
}

impl Layout {
    /// The layout of a Rust type.
    ///
    /// ```
    /// use cotenant::inspect::{Layout, Typed};
    ///
    /// let layout = Layout::of::<[u16; 2]>();
    /// let mut bytes = [0; 4];
    /// layout.put(&Typed::List(vec![Typed::Unsigned(1), Typed::Unsigned(513)]), &mut bytes)?;
    /// assert_eq!(bytes, [1, 0, 1, 2]);
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    pub fn of<T: ProcessSync>() -> Layout {
        let part = schema::Part { name: "", at: 0, doc: "", schema: Some(T::SCHEMA) };
        let mut bytes = vec![0; schema::encoded_bytes(&part)];
        schema::encode(&mut bytes, 0, &part);
        // What this crate writes it reads; a type nested too deep for that has no parts that could be shown.
        let node = decode::decode(&bytes).map(|(node, _)| node);
        Layout { node: node.unwrap_or_else(|_| unknown(T::SCHEMA.size_bytes as u64)) }
    }

    /// Reads an encoded schema, as a segment or a binary has it (docs/format.md, "Schema node"). Anybody may have
    /// written it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`], with what is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Layout> {
        let (node, _) = decode::decode(bytes).map_err(|error| Error::new(ErrorKind::Corrupt, error.to_string()))?;
        Ok(Layout { node })
    }

    /// The name of the object, variable or field; empty for an element.
    pub fn name(&self) -> &str {
        &self.node.name
    }

    /// The type as a Rust programmer would write it.
    pub fn type_text(&self) -> String {
        difference::type_text(&self.node)
    }

    /// The first line of its documentation.
    pub fn doc(&self) -> &str {
        &self.node.doc
    }

    /// What sort of value it is; `None` for a kind that this version does not know.
    pub fn kind(&self) -> Option<Kind> {
        self.node.kind()
    }

    /// Size in bytes, padding included.
    pub fn size_bytes(&self) -> u64 {
        self.node.size_bytes
    }

    /// Its parts, as the schema has them: fields of a struct, the element of an array, variants of an enum.
    pub fn parts(&self) -> impl Iterator<Item = Layout> + '_ {
        self.node.children.iter().map(|node| Layout { node: node.clone() })
    }

    /// The part that a path such as `.name`, `[3]` or `.queue[3].id` leads to; the empty one leads to the whole.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`]: it is no path, or leads to nothing; the message says what there is.
    pub fn part(&self, path: &str) -> Result<Part> {
        let whole = Part { layout: self.clone(), at: 0, guards: Vec::new(), conditions: Vec::new() };
        let found = parse(path)?.iter().try_fold(whole, |part, step| part.step(step))?;
        Ok(found.inside(|kind| matches!(kind, Kind::Mutex | Kind::RwLock)))
    }
}

impl Part {
    /// Steps into what a Mutex or RwLock guards, or a OnceCell holds, if `is_passed` says so of it.
    fn inside(mut self, is_passed: impl Fn(Kind) -> bool) -> Part {
        while self.layout.kind().is_some_and(&is_passed) {
            let Some(value) = guarded(&self.layout.node).cloned() else { break };
            self = self.into_value(value);
        }
        self
    }

    fn into_value(mut self, value: Node) -> Part {
        let node = self.layout.node;
        let word = node.children.iter().find(|part| part.name == "completed");
        match (node.kind(), word) {
            (Some(Kind::OnceCell), Some(word)) => {
                self.conditions.push(Condition::Completed { word_at: self.at.saturating_add(word.at) });
            }
            (Some(Kind::Optional), _) => self.conditions.push(Condition::Some { flag_at: self.at }),
            _ => {}
        }
        let at = self.at.saturating_add(value.at);
        if !matches!(node.kind(), Some(Kind::Optional)) {
            self.guards.push(Guard { node, at: self.at });
        }
        Part { layout: Layout { node: value }, at, ..self }
    }

    fn step(self, step: &Step) -> Result<Part> {
        let part = self.inside(|_| true);
        let node = &part.layout.node;
        if node.kind() == Some(Kind::Optional) {
            if let Some(value) = node.children.first().cloned() {
                let is_its_name = *step == Step::Field("value".to_owned());
                let inner = part.into_value(value);
                return if is_its_name { Ok(inner) } else { inner.step(step) };
            }
            return Err(no_such(node, step));
        }
        match step {
            Step::Field(name) => {
                // Whoever knows how the lock is built may name its value.
                let is_guarded = part.guards.last().is_some_and(|guard| part.at == at_of_value(guard));
                let Some(field) = field(node, name) else {
                    return if name == "value" && is_guarded { Ok(part) } else { Err(no_such(node, step)) };
                };
                let at = part.at.saturating_add(field.at);
                Ok(Part { layout: Layout { node: field.clone() }, at, ..part })
            }
            Step::Index(index) => {
                let is_row = matches!(node.kind(), Some(Kind::Array | Kind::List));
                let Some(element) = node.children.first().filter(|_| is_row && *index < node.count).cloned() else {
                    return Err(no_such(node, step));
                };
                let mut conditions = part.conditions;
                if node.kind() == Some(Kind::List) {
                    conditions.push(Condition::Longer { len_at: part.at, than: *index });
                }
                let inside = u64::from(*index).saturating_mul(element.size_bytes).saturating_add(element.at);
                let at = part.at.saturating_add(inside);
                Ok(Part { layout: Layout { node: element }, at, guards: part.guards, conditions })
            }
        }
    }
}

/// The value inside of a lock that is passed through.
pub(super) fn guarded(node: &Node) -> Option<&Node> {
    let is_passed = matches!(node.kind(), Some(Kind::Mutex | Kind::RwLock | Kind::OnceCell));
    node.children.iter().find(|part| is_passed && part.name == "value")
}

fn at_of_value(guard: &Guard) -> u64 {
    guarded(&guard.node).map_or(u64::MAX, |value| guard.at.saturating_add(value.at))
}

/// A field; of a lock that has a page of its own only what `get` shows.
fn field<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let has_fields = node.kind() == Some(Kind::Struct);
    node.children.iter().find(|part| has_fields && part.name == name)
}

/// `.a[3].b`: each step, or what is wrong with the text.
fn parse(path: &str) -> Result<Vec<Step>> {
    let wrong = |why: &str| {
        let what = format!("`{}` is no path: {why}", printable(path));
        Err(Error::new(ErrorKind::InvalidInput, what).hint("write it as `.field`, `[3]` or `.field[3].part`"))
    };
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let Some((index, after)) = inside.split_once(']') else { return wrong("a `[` has no `]`") };
            let Ok(index) = index.trim().parse() else {
                return wrong(&format!("`{}` is no index", printable(index)));
            };
            steps.push(Step::Index(index));
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('.') {
            let end = inside.find(['.', '[']).unwrap_or(inside.len());
            if end == 0 {
                return wrong("a `.` has no name behind it");
            }
            steps.push(Step::Field(inside[..end].to_owned()));
            rest = &inside[end..];
        } else {
            return wrong("a step begins with `.` or `[`");
        }
    }
    Ok(steps)
}

fn no_such(node: &Node, step: &Step) -> Error {
    let type_text = printable(&difference::type_text(node));
    let is_row = matches!(node.kind(), Some(Kind::Array | Kind::List));
    let what = match step {
        Step::Field(name) if node.kind() == Some(Kind::Struct) => {
            let names: Vec<_> = node.children.iter().map(|part| part.name.as_str()).collect();
            let what = format!("{type_text} has no field `{}`: {}", printable(name), alike::offered(name, &names));
            return Error::new(ErrorKind::InvalidInput, what);
        }
        Step::Field(name) if is_row => format!("{type_text} has elements, no field `{}`", printable(name)),
        Step::Field(name) => format!("{type_text} has no parts, so no field `{}`", printable(name)),
        Step::Index(index) if is_row => format!("{type_text} has {} places, so no [{index}]", node.count),
        Step::Index(index) => format!("{type_text} has no elements, so no [{index}]"),
    };
    let mut hint = String::new();
    if is_row && node.count > 0 {
        let _ = write!(hint, "they are [0] to [{}]", node.count - 1);
    }
    let error = Error::new(ErrorKind::InvalidInput, what);
    if hint.is_empty() { error } else { error.hint(hint) }
}

/// A value of which nothing is known but its size.
fn unknown(size_bytes: u64) -> Node {
    Node {
        kind_byte: 0,
        is_atomic: false,
        name: String::new(),
        type_name: String::new(),
        doc: String::new(),
        size_bytes,
        at: 0,
        count: 0,
        align_bytes: 1,
        children: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
