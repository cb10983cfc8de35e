//! Metrics that are variables: found by their types, named by their variables, described by their doc lines.
//!
//! ```text
//! static HTTP_REQUESTS: Counter        http_requests_total
//! static JOBS: Jobs { done: Counter }  jobs_done_total
//! static QUEUES: [Gauge; 4]            queues{index="0"} ...
//! ```
//!
//! Two variables of one name in two modules have the label `module`, both.
//!
//! The same way for this process's own variables and for those of a segment that a tool reads: by schema, from words.

#![allow(unsafe_code)]

use std::collections::HashSet;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::buckets::Buckets;
use super::gauge::{Across, GaugeWords};
use super::histogram::HistogramSnapshot;
use super::living::Living;
use super::snapshot::{Snapshot, Value};
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
/// `index`. The first line of its documentation describes it.
///
/// Asks the system who lives, for gauges. Waits while another thread attaches blocks.
/// Of an array the first 65,536 are told.
pub fn statics() -> Snapshot {
    let mut snapshot = Snapshot::new();
    let _unchanged = attaching();
    let blocks: Vec<_> =
        blocks().map(|block| (block, decode::decode_all(&block.schemas).unwrap_or_default())).collect();
    let ambiguous = ambiguous(blocks.iter().flat_map(|(_, nodes)| nodes));
    let mut told: Vec<*const crate::sys::Attached> = Vec::new();
    for (block, nodes) in &blocks {
        add_block(block, nodes, &ambiguous, &mut snapshot);
        if let Some(Outcome::Attached(attached)) = block.status.outcome.get() {
            if !told.contains(&std::ptr::from_ref(*attached)) {
                told.push(*attached);
                snapshot.add(super::segment::facts(attached));
            }
        }
    }
    snapshot
}

/// Names that more than one variable has, each without its module.
pub(crate) fn ambiguous<'n>(nodes: impl Iterator<Item = &'n Node>) -> HashSet<String> {
    let mut names = HashSet::new();
    let metrics = nodes.filter(|node| holds_metric(node)).map(|node| split(&node.name).1.to_owned());
    metrics.filter(|name| !names.insert(name.clone())).collect()
}

/// The module of a variable, and its own name.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once("::").unwrap_or(("", name))
}

fn add_block(block: &'static Descriptor, nodes: &[Node], ambiguous: &HashSet<String>, snapshot: &mut Snapshot) {
    // Acquire pairs with the Release of whoever attached it.
    let moved = block.target.map_or(std::ptr::null(), |target| target.load(Acquire).cast_const());
    let base = if moved.is_null() { block.block } else { moved };
    for node in nodes {
        if !holds_metric(node) {
            continue;
        }
        // SAFETY: the variable lies in its block, by its own schema.
        let first = unsafe { base.add(node.at as usize) }.cast::<AtomicU64>();
        // SAFETY: so many of its words are there as long as the image, and are only ever used as atomics.
        let words = unsafe { std::slice::from_raw_parts(first, node.size_bytes as usize / 8) };
        let mut told = Snapshot::new();
        // SAFETY: as above; mapped as long as the image.
        let place = unsafe { &*base };
        add_variable(node, ambiguous, words, &mut Living::here(place), &mut told);
        snapshot.add(told);
    }
}

/// The words of a value from the byte `at` on.
fn from(words: &[AtomicU64], at: u64) -> Option<&[AtomicU64]> {
    let skipped = usize::try_from(at / 8).ok().filter(|_| at % 8 == 0)?;
    words.get(skipped..)
}

/// Adds what a variable holds.
pub(crate) fn add_variable(
    node: &Node,
    ambiguous: &HashSet<String>,
    words: &[AtomicU64],
    living: &mut Living<'_>,
    snapshot: &mut Snapshot,
) {
    let (module, name) = split(&node.name);
    let labels = if ambiguous.contains(name) { vec![("module".to_owned(), module.to_owned())] } else { Vec::new() };
    let name = text::name_of(&name.to_lowercase());
    let place = Place { name: &name, at: 0, labels, help: &node.doc, depth: 0 };
    add(node, place, words, living, snapshot);
}

struct Place<'a> {
    name: &'a str,
    /// Where in the variable.
    at: u64,
    labels: Vec<(String, String)>,
    help: &'a str,
    depth: usize,
}

fn add(
    node: &Node,
    place: Place<'_>,
    words: &[AtomicU64],
    living: &mut Living<'_>,
    snapshot: &mut Snapshot,
) -> Option<()> {
    if place.depth > MAX_DEPTH {
        return None;
    }
    let name = place.name.strip_suffix("_total").filter(|_| node.kind() == Some(Kind::Counter)).unwrap_or(place.name);
    match node.kind()? {
        Kind::Counter => {
            let cells = cells(node.children.first()?, place.at, words)?;
            let total =
                cells.filter_map(|cell| cell.first()).fold(0_u64, |sum, word| sum.wrapping_add(word.load(Relaxed)));
            snapshot.push(name, place.labels, Value::Counter(total));
        }
        Kind::Histogram => {
            let per_process = node.children.iter().find(|part| part.name == "cells")?;
            let buckets = Buckets::from_word(from(words, place.at)?.first()?.load(Relaxed))?;
            let mut cells = cells(per_process, place.at.checked_add(per_process.at)?, words)?.peekable();
            // The sizes must go together before so much is reserved for it.
            if cells.peek()?.len() < buckets.words() {
                return None;
            }
            let mut all = HistogramSnapshot::empty(buckets);
            cells.for_each(|cell| all.add(cell));
            snapshot.push(name, place.labels, Value::Histogram(all));
        }
        Kind::Gauge => add_gauge(node, name, &place, words, living, snapshot)?,
        Kind::Struct => {
            for part in &node.children {
                let name = format!("{}_{}", place.name, text::name_of(&part.name.to_lowercase()));
                let at = place.at.checked_add(part.at)?;
                let (labels, depth) = (place.labels.clone(), place.depth + 1);
                add(part, Place { name: &name, at, labels, help: &part.doc, depth }, words, living, snapshot);
            }
            return Some(());
        }
        Kind::Array => {
            let element = node.children.first().filter(|element| holds_metric(element))?;
            for index in 0..node.count.min(ELEMENTS_MAX) {
                let at = u64::from(index).checked_mul(element.size_bytes)?.checked_add(place.at)?;
                let mut labels = place.labels.clone();
                let outer = labels.iter().filter(|(label, _)| label.starts_with("index")).count();
                let label = if outer == 0 { "index".to_owned() } else { format!("index_{outer}") };
                labels.push((label, index.to_string()));
                labels.sort_unstable();
                let place = Place { name: place.name, at, labels, help: place.help, depth: place.depth + 1 };
                add(element, place, words, living, snapshot);
            }
            return Some(());
        }
        _ => return None,
    }
    snapshot.add_help(name, place.help);
    Some(())
}

fn add_gauge(
    node: &Node,
    name: &str,
    place: &Place<'_>,
    words: &[AtomicU64],
    living: &mut Living<'_>,
    snapshot: &mut Snapshot,
) -> Option<()> {
    let head = from(words, place.at)?.get(..3)?;
    // As `Gauge::across` has it: of zero, and so of a gauge of C where nothing is said, there is one value for all.
    let across = match u8::try_from(head[0].load(Relaxed) as u32).ok()? {
        0 => Across::Last,
        byte => Across::from_byte(byte)?,
    };
    if across == Across::Last {
        let last = NonNull::from(&head[2]);
        // SAFETY: the word is there.
        let gauge = unsafe { GaugeWords::new(across, last, (0, 0), &head[1]) };
        snapshot.push(name, place.labels.clone(), Value::Gauge(gauge.last()?));
        return Some(());
    }
    let processes = node.children.iter().find(|part| part.name == "processes")?;
    let cells = from(words, place.at.checked_add(processes.at)?).filter(|cells| !cells.is_empty())?;
    let stride = usize::try_from(processes.children.first()?.size_bytes / 8).ok().filter(|words| *words >= 2)?;
    let slots = (processes.count as usize).min(cells.len() / stride);
    // SAFETY: so many cells lie in the words.
    let gauge = unsafe { GaugeWords::new(across, NonNull::from(cells).cast(), (stride, slots as u32), &head[1]) };
    snapshot.push_gauge(name, place.labels.clone(), across, gauge.held(), living);
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
