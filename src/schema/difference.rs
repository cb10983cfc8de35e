//! How two blocks of variables differ, in words: for the message of a segment that another build laid out.
//!
//! Differences that explain others come first: a field that grew, then the fields that it pushed on.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use super::Kind;
use super::decode::{Node, layout_eq, layout_eq_elsewhere};

/// Lines of a description; what is over is counted.
pub(crate) const LINES_MAX: usize = 12;
/// Characters that are shown of a name from a segment.
const NAME_CHARS_MAX: usize = 60;

/// One line for each variable or field that differs, with its path and both sides; none for equal layouts.
///
/// At most [`LINES_MAX`] lines and one that counts the rest. Names that come from a segment are made [`printable`].
pub(crate) fn describe(ours: &[Node], theirs: &[Node]) -> Vec<String> {
    describe_sides(ours, theirs, Sides { ours: "this program", theirs: "the segment" })
}

/// What the two sides are called in the lines.
#[derive(Clone, Copy)]
pub(crate) struct Sides {
    pub(crate) ours: &'static str,
    pub(crate) theirs: &'static str,
}

/// [`describe`], with other words for the two sides.
pub(crate) fn describe_sides(ours: &[Node], theirs: &[Node], sides: Sides) -> Vec<String> {
    let mut lines = Lines { causes: Vec::new(), moves: Vec::new(), total: 0, sides };
    if !list_eq(ours, theirs) {
        compare_parts(&Path::Block, None, ours, theirs, &mut lines);
        if lines.total == 0 {
            lines.cause(&Path::Block, || "the variables are declared in another order".to_owned());
        }
    }
    lines.into_shown()
}

/// A name for people to read, whoever wrote it: no control characters, nothing that turns the line around, not long.
pub(crate) fn printable(name: &str) -> String {
    printable_within(name, NAME_CHARS_MAX)
}

/// [`printable`], of at most so many characters.
pub(crate) fn printable_within(name: &str, chars_max: usize) -> String {
    let mut shown = String::new();
    for (i, character) in name.chars().enumerate() {
        if i == chars_max {
            shown.push('…');
            break;
        }
        match character {
            '"' | '\'' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// Where a node lies, put into words only when a line needs it.
enum Path<'a> {
    Block,
    Part { whole: &'a Path<'a>, whole_kind: Option<Kind>, name: &'a str },
}

impl Path<'_> {
    fn write_to(&self, out: &mut String) {
        let Path::Part { whole, whole_kind, name } = self else {
            return;
        };
        whole.write_to(out);
        match (whole, whole_kind) {
            (Path::Block, _) => {}
            (_, Some(Kind::Array | Kind::List)) => return out.push_str("[]"),
            (_, Some(Kind::Enum)) => out.push_str("::"),
            _ => out.push('.'),
        }
        out.push_str(if name.is_empty() { "(unnamed)" } else { "" });
        out.push_str(&printable(name));
    }

    fn to_text(&self) -> String {
        let mut out = String::new();
        self.write_to(&mut out);
        out
    }
}

/// Lines found: all are counted, the first of them kept.
struct Lines {
    causes: Vec<String>,
    moves: Vec<String>,
    total: usize,
    sides: Sides,
}

impl Lines {
    fn cause(&mut self, path: &Path<'_>, what: impl FnOnce() -> String) {
        Lines::add(&mut self.causes, &mut self.total, path, what);
    }

    fn moved(&mut self, path: &Path<'_>, ours: &Node, theirs: &Node) {
        let sides = self.sides;
        Lines::add(&mut self.moves, &mut self.total, path, || {
            format!("{} has it at offset {}, {} at offset {}", sides.ours, ours.at, sides.theirs, theirs.at)
        });
    }

    fn add(lines: &mut Vec<String>, total: &mut usize, path: &Path<'_>, what: impl FnOnce() -> String) {
        *total += 1;
        if lines.len() < LINES_MAX {
            let (path, what) = (path.to_text(), what());
            lines.push(if path.is_empty() { what } else { format!("{path}: {what}") });
        }
    }

    fn into_shown(mut self) -> Vec<String> {
        self.causes.append(&mut self.moves);
        self.causes.truncate(LINES_MAX);
        let hidden = self.total - self.causes.len();
        if hidden > 0 {
            self.causes.push(format!("and {hidden} more"));
        }
        self.causes
    }
}

fn list_eq(ours: &[Node], theirs: &[Node]) -> bool {
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| layout_eq(ours, theirs))
}

/// Compares the variables of a block, or the parts of the node at `path`, by their names.
fn compare_parts(path: &Path<'_>, kind: Option<Kind>, ours: &[Node], theirs: &[Node], lines: &mut Lines) {
    let sides = lines.sides;
    let mut their_names: HashMap<&str, &Node> = HashMap::new();
    for node in theirs {
        their_names.entry(&node.name).or_insert(node);
    }
    for node in ours {
        let path = Path::Part { whole: path, whole_kind: kind, name: &node.name };
        match their_names.get(node.name.as_str()) {
            Some(their_node) => compare(&path, node, their_node, lines),
            None => lines.cause(&path, || format!("only in {} ({})", sides.ours, type_and_place(node, false))),
        }
    }
    let our_names: HashSet<&str> = ours.iter().map(|node| node.name.as_str()).collect();
    for node in theirs.iter().filter(|node| !our_names.contains(node.name.as_str())) {
        let path = Path::Part { whole: path, whole_kind: kind, name: &node.name };
        lines.cause(&path, || format!("only in {} ({})", sides.theirs, type_and_place(node, false)));
    }
}

/// Compares two nodes of one name.
fn compare(path: &Path<'_>, ours: &Node, theirs: &Node, lines: &mut Lines) {
    let sides = lines.sides;
    if layout_eq_elsewhere(ours, theirs) {
        if ours.at == theirs.at {
            return;
        }
        if ours.kind() != Some(Kind::Variant) {
            return lines.moved(path, ours, theirs);
        }
    }
    if !is_same_sort(ours, theirs) {
        let say_more = type_text(ours) == type_text(theirs);
        lines.cause(path, || {
            let (ours, theirs) = (type_and_place(ours, say_more), type_and_place(theirs, say_more));
            format!("{} has {ours}, {} has {theirs}", sides.ours, sides.theirs)
        });
        return;
    }
    let before = lines.total;
    compare_parts(path, ours.kind(), &ours.children, &theirs.children, lines);
    if lines.total == before {
        let what = |node: &Node| format!("{} bytes aligned to {}", node.size_bytes, node.align_bytes);
        lines.cause(path, || match (what(ours), what(theirs)) {
            (ours, theirs) if ours == theirs => "the parts are declared in another order".to_owned(),
            (ours, theirs) => format!("{} has {ours}, {} has {theirs}", sides.ours, sides.theirs),
        });
    }
    if ours.at != theirs.at {
        lines.moved(path, ours, theirs);
    }
}

/// Whether the parts tell the difference better than the wholes.
fn is_same_sort(ours: &Node, theirs: &Node) -> bool {
    let is_whole = !ours.children.is_empty() && !theirs.children.is_empty();
    ours.kind_byte == theirs.kind_byte
        && ours.kind() != Some(Kind::Variant)
        && ours.is_atomic == theirs.is_atomic
        && match ours.kind() {
            Some(Kind::Array | Kind::List | Kind::Text) => ours.count == theirs.count,
            _ => is_whole || ours.size_bytes == theirs.size_bytes,
        }
}

/// `u32 at offset 8`, `value 3`; with `say_more`, what tells two types of one name apart.
fn type_and_place(node: &Node, say_more: bool) -> String {
    if node.kind() == Some(Kind::Variant) {
        return format!("value {}", node.at as i64);
    }
    let mut text = type_text(node);
    if say_more {
        let sort = match node.kind() {
            Some(kind) => format!("{kind:?}").to_lowercase(),
            None => "unknown kind".to_owned(),
        };
        let atomic = if node.is_atomic { "atomic " } else { "" };
        let _ = write!(text, " ({atomic}{sort} of {} bytes aligned to {})", node.size_bytes, node.align_bytes);
    }
    let _ = write!(text, " at offset {}", node.at);
    text
}

/// The type as a Rust programmer would write it. Scalars are named by what they are, not by what the segment calls
/// them.
pub(crate) fn type_text(node: &Node) -> String {
    let bits = node.size_bytes.saturating_mul(8);
    let part = |name: &str| {
        let named = node.children.iter().find(|part| part.name == name);
        named.or(node.children.last()).map_or_else(|| "?".to_owned(), type_text)
    };
    let cells = |name: &str| node.children.iter().find(|child| child.name == name).map_or(0, |child| child.count);
    match (node.kind(), node.is_atomic) {
        (Some(Kind::Unsigned), false) => format!("u{bits}"),
        (Some(Kind::Unsigned), true) => format!("AtomicU{bits}"),
        (Some(Kind::Signed), false) => format!("i{bits}"),
        (Some(Kind::Signed), true) => format!("AtomicI{bits}"),
        (Some(Kind::Float), _) => format!("f{bits}"),
        (Some(Kind::Bool), false) => "bool".to_owned(),
        (Some(Kind::Bool), true) => "AtomicBool".to_owned(),
        (Some(Kind::Char), _) => "char".to_owned(),
        (Some(Kind::Array), _) => format!("[{}; {}]", part(""), node.count),
        (Some(Kind::List), _) => format!("Array<{}, {}>", part(""), node.count),
        (Some(Kind::Text), _) => format!("Text<{}>", node.count),
        (Some(Kind::Optional), _) => format!("Optional<{}>", part("value")),
        (Some(Kind::Mutex), _) => format!("Mutex<{}>", part("value")),
        (Some(Kind::RwLock), _) => format!("RwLock<{}, {}>", part("value"), cells("readers")),
        (Some(Kind::OnceCell), _) => format!("OnceCell<{}>", part("value")),
        (Some(Kind::Semaphore), _) => format!("Semaphore<{}>", cells("cells")),
        (Some(Kind::Barrier), _) => format!("Barrier<{}>", cells("cells")),
        (Some(Kind::Condvar), _) => "Condvar".to_owned(),
        (Some(Kind::Once), _) => "Once".to_owned(),
        (Some(Kind::Event), _) => "Event".to_owned(),
        (Some(Kind::Leader), _) => "Leader".to_owned(),
        (Some(Kind::PerProcess), _) => match node.children.iter().find(|child| child.name == "shared") {
            Some(shared) => {
                let value = shared.children.first().and_then(|cell| cell.children.first());
                format!("PerProcess<{}, {}>", value.map_or_else(|| "?".to_owned(), type_text), shared.count)
            }
            None => "PerProcess<?>".to_owned(),
        },
        (Some(Kind::Counter), _) => "Counter".to_owned(),
        (Some(Kind::Gauge), _) => format!("Gauge<{}>", cells("processes")),
        (Some(Kind::Histogram), _) => "Histogram".to_owned(),
        (Some(Kind::Metrics), _) => "Metrics".to_owned(),
        (Some(Kind::RateLimiter), _) if cells("keys") > 0 => format!("KeyedRateLimiter<{}>", cells("keys")),
        (Some(Kind::RateLimiter), _) => "RateLimiter".to_owned(),
        (Some(Kind::Cache), _) => "Cache".to_owned(),
        (Some(Kind::PublishedBytes), _) => "PublishedBytes".to_owned(),
        (Some(Kind::Published), _) => {
            let buffers = node.children.iter().find(|child| child.name == "buffers");
            let value = buffers.and_then(|it| it.children.first()?.children.iter().find(|it| it.name == "value"));
            format!("Published<{}, {}>", value.map_or("?".to_owned(), type_text), cells("buffers"))
        }
        (Some(Kind::Queue), _) => "Queue".to_owned(),
        (Some(Kind::Enum | Kind::Struct | Kind::Variant), _) if !node.type_name.is_empty() => {
            printable(&node.type_name)
        }
        (Some(Kind::Enum), _) => "an enum".to_owned(),
        (Some(Kind::Struct | Kind::Variant), _) => "a struct".to_owned(),
        (None, _) => format!("a type of the unknown kind {} ({} bytes)", node.kind_byte, node.size_bytes),
    }
}

#[cfg(test)]
mod tests;
