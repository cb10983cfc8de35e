//! Metrics that are variables: found by their types, named by their variables, described by their doc lines.
//!
//! ```text
//! static HTTP_REQUESTS: Counter        http_requests_total
//! static JOBS: Jobs { done: Counter }  jobs_done_total
//! static QUEUES: [Gauge; 4]            queues{index="0"} ...
//! ```
//!
//! Metrics whose names come out the same have the label `module`, all of them; if those of one module do, `variable`.
//!
//! The same way for this process's own variables and for those of a segment that a tool reads: by schema, from words.

#![allow(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::buckets::Buckets;
use super::gauge::{Across, GaugeWords};
use super::histogram::HistogramSnapshot;
use super::living::Living;
use super::snapshot::{FamilyKind, Snapshot, Value};
use super::text;
use crate::image::attach::{attaching, blocks};
use crate::image::block::{Descriptor, Outcome};
use crate::schema::decode::{self, Node};
use crate::schema::{Kind, MAX_DEPTH};

/// Elements of arrays of metrics that are told: a bound against damage.
const ELEMENTS_MAX: u32 = 1 << 16;

/// All metrics that are variables of this program or library, and what is known of the segments that they lie in.
///
/// A variable's name is the metric's, in small letters; a field's is added with `_`, an element's place is the label
/// `index`. The first line of its documentation describes it. Metrics whose names come out the same are told apart by
/// the label `module`, or, if they are of one module (`JOBS_DONE`, and `done` of `JOBS`), by the label `variable`.
///
/// Asks the system who lives, for gauges. Waits while another thread attaches blocks.
/// Of an array the first 65,536 are told.
pub fn statics() -> Snapshot {
    let _unchanged = attaching();
    let (mut all, mut facts) = (Vec::new(), Snapshot::new());
    let mut told: Vec<*const crate::sys::Attached> = Vec::new();
    for block in blocks() {
        tell_block(block, &decode::decode_all(&block.schemas).unwrap_or_default(), &mut all);
        if let Some(Outcome::Attached(attached)) = block.status.outcome.get() {
            if !told.contains(&std::ptr::from_ref(*attached)) {
                told.push(*attached);
                facts.add(super::segment::facts(attached));
            }
        }
    }
    let mut snapshot = together(all);
    snapshot.add(facts);
    snapshot
}

/// A metric that is a variable or a part of one, or all named metrics of an object.
pub(crate) struct Told {
    /// The variable with its module, and the fields that lead to the metric.
    variable: String,
    /// How many bytes of that are the module.
    module_bytes: usize,
    /// What the metric is called and is; of an object of named metrics that is in the snapshot.
    is: Option<(String, FamilyKind)>,
    /// Nothing, if it has no value.
    snapshot: Snapshot,
}

impl Told {
    /// All named metrics of an object.
    #[cfg(feature = "inspect")]
    pub(crate) fn named(object: &str, snapshot: Snapshot) -> Told {
        Told { variable: object.to_owned(), module_bytes: 0, is: None, snapshot }
    }

    fn module(&self) -> &str {
        &self.variable[..self.module_bytes]
    }

    fn names(&self) -> impl Iterator<Item = (&str, FamilyKind)> {
        let inside = self.snapshot.families().iter().filter(|_| self.is.is_none());
        let inside = inside.map(|family| (family.name.as_str(), family.kind));
        self.is.iter().map(|(name, kind)| (name.as_str(), *kind)).chain(inside)
    }
}

/// Metrics of several variables and objects as one snapshot. Those of one name are told apart by a label: added up they
/// would be what nobody has counted.
pub(crate) fn together(all: Vec<Told>) -> Snapshot {
    let mut of_name: HashMap<(&str, FamilyKind), Vec<usize>> = HashMap::new();
    for (number, told) in all.iter().enumerate() {
        told.names().for_each(|name| of_name.entry(name).or_default().push(number));
    }
    let mut labels = vec![None; all.len()];
    for alike in of_name.values().filter(|alike| alike.len() > 1) {
        let modules: HashSet<&str> = alike.iter().map(|number| all[*number].module()).collect();
        let label = if modules.len() == alike.len() { "module" } else { "variable" };
        // One object may have names in common with several others.
        alike.iter().for_each(|number| labels[*number] = labels[*number].max(Some(label)));
    }
    let mut snapshot = Snapshot::new();
    for (told, label) in all.into_iter().zip(labels) {
        snapshot.add(match label {
            Some("module") => told.snapshot.with_label("module", &told.variable[..told.module_bytes]),
            Some(label) => told.snapshot.with_label(label, &told.variable),
            None => told.snapshot,
        });
    }
    snapshot
}

fn tell_block(block: &'static Descriptor, nodes: &[Node], all: &mut Vec<Told>) {
    // Acquire pairs with the Release of whoever attached it.
    let moved = block.target.map_or(std::ptr::null(), |target| target.load(Acquire).cast_const());
    let base = if moved.is_null() { block.block } else { moved };
    // SAFETY: as long as the image, a byte is mapped there.
    let place = unsafe { &*base };
    let mut living = Living::here(place);
    for node in nodes.iter().filter(|node| holds_metric(node)) {
        // SAFETY: the variable lies in its block, by its own schema.
        let first = unsafe { base.add(node.at as usize) }.cast::<AtomicU64>();
        // SAFETY: so many of its words are there as long as the image, and are only ever used as atomics.
        let words = unsafe { std::slice::from_raw_parts(first, node.size_bytes as usize / 8) };
        tell_variable(node, words, &mut living, all);
    }
}

/// The words of a value from the byte `at` on.
fn from(words: &[AtomicU64], at: u64) -> Option<&[AtomicU64]> {
    let skipped = usize::try_from(at / 8).ok().filter(|_| at % 8 == 0)?;
    words.get(skipped..)
}

/// Tells what a variable holds.
pub(crate) fn tell_variable(node: &Node, words: &[AtomicU64], living: &mut Living<'_>, all: &mut Vec<Told>) {
    let module_bytes = node.name.rfind("::").unwrap_or(0);
    let name = node.name.get(module_bytes..).unwrap_or_default().trim_start_matches(':');
    let mut name = text::name_of(&name.to_lowercase());
    if text::is_kept(&name) {
        name.insert_str(0, "exported_");
    }
    let variable = unlike_others(&node.name, all);
    let path = Path { variable, module_bytes, name, at: 0, labels: Vec::new(), depth: 0 };
    tell(node, &path, &node.doc, words, living, all);
}

/// The variable's name, and `#2` behind it if that of another one is the same: of two functions of one module.
fn unlike_others(variable: &str, all: &[Told]) -> String {
    let is_of = |told: &Told, name: &str| {
        told.variable.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let names = (2..).map(|number: u32| format!("{variable}#{number}"));
    let mut names = std::iter::once(variable.to_owned()).chain(names);
    names.find(|name| !all.iter().any(|told| is_of(told, name))).unwrap_or_default()
}

/// What has led to a part of a variable.
#[derive(Clone)]
struct Path {
    /// Module, variable, fields: for people.
    variable: String,
    module_bytes: usize,
    /// The metric's name so far.
    name: String,
    /// Where in the variable, in bytes.
    at: u64,
    labels: Vec<(String, String)>,
    depth: usize,
}

impl Path {
    fn to_field(&self, part: &Node) -> Option<Path> {
        Some(Path {
            variable: format!("{}.{}", self.variable, part.name),
            name: format!("{}_{}", self.name, text::name_of(&part.name.to_lowercase())),
            at: self.at.checked_add(part.at)?,
            depth: self.depth + 1,
            ..self.clone()
        })
    }

    fn to_element(&self, element: &Node, index: u32) -> Option<Path> {
        let at = u64::from(index).checked_mul(element.size_bytes)?.checked_add(self.at)?;
        let mut labels = self.labels.clone();
        let label = if self.labels.is_empty() { "index".to_owned() } else { format!("index_{}", self.labels.len()) };
        labels.push((label, index.to_string()));
        labels.sort_unstable();
        Some(Path { at, labels, depth: self.depth + 1, ..self.clone() })
    }
}

fn tell(
    node: &Node,
    path: &Path,
    help: &str,
    words: &[AtomicU64],
    living: &mut Living<'_>,
    all: &mut Vec<Told>,
) -> Option<()> {
    if path.depth > MAX_DEPTH {
        return None;
    }
    let kind = match node.kind()? {
        Kind::Counter => FamilyKind::Counter,
        Kind::Gauge => FamilyKind::Gauge,
        Kind::Histogram => FamilyKind::Histogram,
        Kind::Struct => {
            for part in &node.children {
                tell(part, &path.to_field(part)?, &part.doc, words, living, all);
            }
            return Some(());
        }
        Kind::Array => {
            let element = node.children.first().filter(|element| holds_metric(element))?;
            for index in 0..node.count.min(ELEMENTS_MAX) {
                tell(element, &path.to_element(element, index)?, help, words, living, all);
            }
            return Some(());
        }
        _ => return None,
    };
    let name = path.name.strip_suffix("_total").filter(|_| kind == FamilyKind::Counter).unwrap_or(&path.name);
    // Elements of an array are one metric, with labels.
    let place = all.iter().rposition(|told| told.variable == path.variable).unwrap_or_else(|| {
        let Path { variable, module_bytes, .. } = path.clone();
        let mut snapshot = Snapshot::new();
        snapshot.add_help(name, help);
        all.push(Told { variable, module_bytes, is: Some((name.to_owned(), kind)), snapshot });
        all.len() - 1
    });
    let snapshot = &mut all[place].snapshot;
    let (at, labels) = (path.at, path.labels.clone());
    match kind {
        FamilyKind::Counter => snapshot.push(name, labels, Value::Counter(counter(node, at, words)?)),
        FamilyKind::Histogram => snapshot.push(name, labels, Value::Histogram(histogram(node, at, words)?)),
        FamilyKind::Gauge => add_gauge(node, name, path, words, living, snapshot)?,
    }
    Some(())
}

fn counter(node: &Node, at: u64, words: &[AtomicU64]) -> Option<u64> {
    let cells = cells(node.children.first()?, at, words)?;
    Some(cells.filter_map(|cell| cell.first()).fold(0_u64, |sum, word| sum.wrapping_add(word.load(Relaxed))))
}

fn histogram(node: &Node, at: u64, words: &[AtomicU64]) -> Option<HistogramSnapshot> {
    let per_process = node.children.iter().find(|part| part.name == "cells")?;
    let buckets = Buckets::from_word(from(words, at)?.first()?.load(Relaxed))?;
    let mut cells = cells(per_process, at.checked_add(per_process.at)?, words)?.peekable();
    // The sizes must go together before so much is reserved for it.
    if cells.peek()?.len() < buckets.words() {
        return None;
    }
    let mut all = HistogramSnapshot::empty(buckets);
    cells.for_each(|cell| all.add(cell));
    Some(all)
}

fn add_gauge(
    node: &Node,
    name: &str,
    path: &Path,
    words: &[AtomicU64],
    living: &mut Living<'_>,
    snapshot: &mut Snapshot,
) -> Option<()> {
    let head = from(words, path.at)?.get(..3)?;
    // As `Gauge::across` has it: of zero, and so of a gauge of C where nothing is said, there is one value for all.
    let across = match u8::try_from(head[0].load(Relaxed) as u32).ok()? {
        0 => Across::Last,
        byte => Across::from_byte(byte)?,
    };
    if across == Across::Last {
        let last = NonNull::from(&head[2]);
        // SAFETY: the word is there.
        let gauge = unsafe { GaugeWords::new(across, last, (0, 0), &head[1]) };
        snapshot.push(name, path.labels.clone(), Value::Gauge(gauge.last()?));
        return Some(());
    }
    let processes = node.children.iter().find(|part| part.name == "processes")?;
    let cells = from(words, path.at.checked_add(processes.at)?).filter(|cells| !cells.is_empty())?;
    let stride = usize::try_from(processes.children.first()?.size_bytes / 8).ok().filter(|words| *words >= 2)?;
    let slots = (processes.count as usize).min(cells.len() / stride);
    // SAFETY: so many cells lie in the words.
    let gauge = unsafe { GaugeWords::new(across, NonNull::from(cells).cast(), (stride, slots as u32), &head[1]) };
    snapshot.push_gauge(name, path.labels.clone(), across, gauge.held(), living);
    let mut labels = path.labels.clone();
    labels.push(("gauge".to_owned(), name.to_owned()));
    labels.sort_unstable();
    snapshot.push_missed(labels, head[1].load(Relaxed));
    Some(())
}

/// Whether there is a metric in it: a table of a million numbers is not walked.
pub(crate) fn holds_metric(node: &Node) -> bool {
    match node.kind() {
        Some(Kind::Counter | Kind::Gauge | Kind::Histogram) => true,
        Some(Kind::Struct | Kind::Array) => node.children.iter().any(holds_metric),
        _ => false,
    }
}

/// The cells of a `PerProcess` at `at`, shared and own.
fn cells<'w>(node: &Node, at: u64, words: &'w [AtomicU64]) -> Option<impl Iterator<Item = &'w [AtomicU64]> + use<'w>> {
    let part = |name: &str| {
        let cells = node.children.iter().find(|part| part.name == name && part.kind() == Some(Kind::Array))?;
        let line = cells.children.first()?;
        let bytes = usize::try_from(line.size_bytes).ok().filter(|bytes| *bytes >= 8)?;
        let used = usize::try_from(line.children.first()?.size_bytes).ok().filter(|used| *used <= bytes)?;
        let all = from(words, at.checked_add(cells.at)?)?;
        let all = all.get(..(cells.count as usize).checked_mul(bytes / 8)?)?;
        Some(all.chunks_exact(bytes / 8).map(move |line| &line[..used / 8]))
    };
    Some(part("shared")?.chain(part("own")?))
}
