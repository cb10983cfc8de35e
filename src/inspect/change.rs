//! What a rolling deploy would meet: the named blocks of an old and a new build, compared as a process that joins the
//! other's segment compares them.

use super::block::Block;
use crate::schema::decode::Node;
use crate::schema::difference::{self, Sides};
use crate::segment::plan;

/// A named block in two builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockChange {
    /// The block's name.
    pub name: String,
    /// Whether old and new processes can share it.
    pub verdict: Verdict,
    /// Field by field: what differs in the layout.
    pub differences: Vec<String>,
    /// What differs beside the layout: words of the block, initial values. Compatible, but worth knowing.
    pub notes: Vec<String>,
}

/// What becomes of a block when old and new processes run at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The same variables.
    Same,
    /// The new build has more at the end: both share what the old one knows.
    Grown,
    /// The new build has fewer at the end: both share what the new one knows.
    Shortened,
    /// They cannot share: the later one fails to start while the earlier one runs.
    Incompatible,
    /// They do not meet: each shares with its own kind (`on_mismatch = separate`).
    Separate,
    /// Only the old build has it.
    OnlyOld,
    /// Only the new build has it.
    OnlyNew,
}

impl Verdict {
    /// The word for it in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Same => "same",
            Verdict::Grown => "grown",
            Verdict::Shortened => "shortened",
            Verdict::Incompatible => "incompatible",
            Verdict::Separate => "separate",
            Verdict::OnlyOld => "only-old",
            Verdict::OnlyNew => "only-new",
        }
    }

    /// What a deploy meets, to be read after the block's name.
    pub fn meaning(self) -> &'static str {
        match self {
            Verdict::Same => "compatible: the same layout",
            Verdict::Grown => "compatible: grown at its end; old and new processes share what the old ones know",
            Verdict::Shortened => "compatible: shorter at its end; old and new processes share what the new ones know",
            Verdict::Incompatible => {
                "not compatible: a new process fails to start while an old one runs, and the other way round"
            }
            Verdict::Separate => "not compatible: old and new processes share with their own kind only",
            Verdict::OnlyOld => "gone: new processes do not attach it",
            Verdict::OnlyNew => "new: old processes do not know it",
        }
    }
}

/// Compares the named blocks of two builds. The unnamed ones are never shared between builds.
pub fn changes(old: &[Block<'_>], new: &[Block<'_>]) -> Vec<BlockChange> {
    let named = |blocks: &[Block<'_>]| -> Vec<usize> {
        (0..blocks.len()).filter(|index| !blocks[*index].name.is_empty()).collect()
    };
    let (old_named, new_named) = (named(old), named(new));
    let mut changes = Vec::new();
    let find = |blocks: &[Block<'_>], among: &[usize], name: &str| {
        among.binary_search_by(|index| blocks[*index].name.cmp(name)).ok().map(|found| among[found])
    };
    for index in &old_named {
        let block = &old[*index];
        changes.push(match find(new, &new_named, block.name) {
            Some(other) => compare(block, &new[other]),
            None => only(block, Verdict::OnlyOld),
        });
    }
    let added = new_named.iter().map(|index| &new[*index]).filter(|block| find(old, &old_named, block.name).is_none());
    changes.extend(added.map(|block| only(block, Verdict::OnlyNew)));
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    changes
}

fn only(block: &Block<'_>, verdict: Verdict) -> BlockChange {
    BlockChange { name: block.name.to_owned(), verdict, differences: Vec::new(), notes: Vec::new() }
}

fn compare(old: &Block<'_>, new: &Block<'_>) -> BlockChange {
    let nodes =
        |block: &Block<'_>| -> Vec<Node> { block.variables.iter().map(|variable| variable.node.clone()).collect() };
    let sides = Sides { ours: "the old build", theirs: "the new build" };
    let mut differences = difference::describe_sides(&nodes(old), &nodes(new), sides);
    // As `segment::compare::grows` does.
    let same_as_far = old
        .variables
        .iter()
        .zip(&new.variables)
        .all(|(old, new)| (old.fingerprint, old.node.at, old.bytes) == (new.fingerprint, new.node.at, new.bytes));
    let (shorter, longer) = if old.variables.len() <= new.variables.len() { (old, new) } else { (new, old) };
    let fits = plan::growth_fits(
        (shorter.variables.len(), shorter.schemas_bytes),
        (longer.variables.len(), longer.schemas_bytes, longer.padded_bytes),
    );
    // With `separate` the fingerprint of the whole is in the segment's name: it meets neither another layout nor a
    // block without the word.
    let meets = old.separate_on_mismatch == new.separate_on_mismatch;
    let verdict = match (same_as_far, old.variables.len().cmp(&new.variables.len())) {
        _ if !meets => Verdict::Separate,
        (true, std::cmp::Ordering::Equal) => Verdict::Same,
        _ if old.separate_on_mismatch => Verdict::Separate,
        (false, _) => Verdict::Incompatible,
        (true, _) if !fits => {
            differences
                .push("the larger one does not fit into the room that the smaller one leaves for growth".to_owned());
            Verdict::Incompatible
        }
        (true, std::cmp::Ordering::Less) => Verdict::Grown,
        (true, std::cmp::Ordering::Greater) => Verdict::Shortened,
    };
    if !same_as_far && differences.is_empty() {
        differences
            .push("the fingerprints of variables differ, their schemas do not: one of the files is damaged".into());
    }
    BlockChange { name: old.name.to_owned(), verdict, differences, notes: notes(old, new) }
}

/// Characters of an initial value in a note.
const VALUE_CHARS_MAX: usize = 60;

fn notes(old: &Block<'_>, new: &Block<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if old.mode != new.mode {
        notes
            .push(format!("mode {:o} becomes {:o}; a segment keeps the one that it was made with", old.mode, new.mode));
    }
    let words = |block: &Block<'_>| {
        [
            ("keep", if block.keep_until_removed { "until_removed" } else { "while_attached" }),
            ("attach", if block.attach_by_call { "by_call" } else { "at_load" }),
            ("on_failure", if block.private_on_failure { "private" } else { "exit" }),
            ("on_mismatch", if block.separate_on_mismatch { "separate" } else { "refuse" }),
            ("when_privileged", if block.share_when_privileged { "share" } else { "private" }),
        ]
    };
    for ((word, old), (_, new)) in words(old).into_iter().zip(words(new)).filter(|(old, new)| old != new) {
        notes.push(format!("{word} = {old} becomes {word} = {new}"));
    }
    if old.group != new.group {
        notes.push(format!("group {:?} becomes {:?}", super::printable(old.group), super::printable(new.group)));
    }
    for (old, new) in old.variables.iter().zip(&new.variables).filter(|(old, new)| old.fingerprint == new.fingerprint) {
        let texts = (old.initial(VALUE_CHARS_MAX), new.initial(VALUE_CHARS_MAX));
        if old.initial_bytes() != new.initial_bytes() {
            let text = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
            let name = super::printable(old.name());
            notes.push(match texts {
                (old, new) if old == new => format!("{name}: the initial values differ"),
                (old, new) => format!("{name}: initially {} in the old build, {} in the new one", text(old), text(new)),
            });
        }
        if notes.len() == difference::LINES_MAX {
            notes.push("and perhaps more".to_owned());
            break;
        }
    }
    notes
}
