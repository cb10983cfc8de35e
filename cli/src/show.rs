//! `cotenant show`: one segment, who is in it, its objects, their values, and who holds and awaits its locks.

mod human;
mod json;

pub(crate) use json::lock as lock_document;

use std::io::BufWriter;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use cotenant::inspect::live::{LiveObject, LiveSegment, Lock, LockOwner, ObjectState, Thing, Waiter};
use cotenant::schema::Kind;

use crate::look::{From, Member, Row, View, bytes, find};
use crate::output::finish;

const EXAMPLES: &str = "\
Examples:
  cotenant show acme.jobs               the segment or block of that name
  cotenant show acme.jobs@staging       of a scope
  cotenant show /dev/shm/cotenant-0/acme.jobs
  cotenant show acme                    the beginning will do, if no other name begins so
  cotenant show acme.jobs --values      values in full
  sudo cotenant show --pid 4711 acme.jobs

A value is read while others change it: its fields may be of different moments.

Exit status: 0 done, 1 failed or damaged, 2 wrong usage.";

/// Characters of a value, without and with `--values`, and in JSON.
const CHARS: usize = 60;
const CHARS_IN_FULL: usize = 4000;
/// Bytes of values that are read in all. A segment's own maximum may be anything.
const BUDGET_BYTES: u64 = 256 << 20;

/// Arguments of `cotenant show`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Show {
    /// Name, name@scope, file name or path; or the beginning of one
    #[arg(value_name = "SEGMENT")]
    segment: String,
    /// Shows values in full, not only their beginning
    #[arg(long)]
    values: bool,
    /// Writes one JSON document (docs/tool.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: From,
}

/// An object and what was found out about it.
pub(super) struct Shown {
    object: LiveObject,
    value: Result<String, String>,
    locks: Result<Vec<Lock>, String>,
    maker: Option<LockOwner>,
    /// Who sleeps until it is made.
    awaiting: Vec<Waiter>,
}

/// A segment's objects, or why one cannot be shown.
pub(super) struct Contents {
    objects: Vec<Result<Shown, String>>,
    error: Option<String>,
}

impl Show {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let view = View::new(&self.from)?;
        let row = &find(&view, &self.segment)?;
        let Some(segment) = &row.segment else {
            bail!("{}", row.complaint());
        };
        let contents = read(segment, row, if self.values || self.json { CHARS_IN_FULL } else { CHARS });
        let written = if self.json {
            json::write(BufWriter::new(std::io::stdout().lock()), row, &contents)
        } else {
            human::write(BufWriter::new(anstream::stdout().lock()), row, &contents, self.values)
        };
        finish(written)?;
        let is_whole = contents.error.is_none() && contents.objects.iter().all(Result::is_ok) && row.error.is_none();
        Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn read(segment: &LiveSegment, row: &Row, chars_max: usize) -> Contents {
    let objects = match segment.objects() {
        Ok(objects) => objects,
        Err(error) => return Contents { objects: Vec::new(), error: Some(error.to_string()) },
    };
    let mut budget = BUDGET_BYTES;
    // Of a thousand participants few wait.
    let waiting: Vec<_> = row.participants.iter().filter(|it| it.waits_for_at != 0).cloned().collect();
    let shown = objects.into_iter().map(|object| {
        let object = object.map_err(|error| error.to_string())?;
        let has_value = object.state == ObjectState::Ready;
        let is_affordable = budget >= object.size_bytes.min(1 << 20);
        budget = budget.saturating_sub(object.size_bytes.min(1 << 20));
        let (value, locks) = match (has_value, is_affordable) {
            (false, _) => (Err("no value".to_owned()), Ok(Vec::new())),
            (true, false) => (Err("not read: too many values".to_owned()), Ok(Vec::new())),
            (true, true) => (
                value(segment, &object, chars_max),
                segment.locks(&object, &row.participants).map_err(|error| error.to_string()),
            ),
        };
        let maker = segment.maker(&object, &row.participants);
        let awaiting = segment.awaiting(&object, &waiting);
        Ok(Shown { object, value, locks, maker, awaiting })
    });
    Contents { objects: shown.collect(), error: None }
}

/// A value in words; of a queue, whose bytes say nothing to people, how full it is.
fn value(segment: &LiveSegment, object: &LiveObject, chars_max: usize) -> Result<String, String> {
    if object.kind() == Some(Kind::Queue)
        && let Ok(Some(Thing::Queue { sent_bytes, taken_bytes, used_bytes, capacity_bytes })) = segment.thing(object)
    {
        let full = format!("{} of {} used", bytes(used_bytes), bytes(capacity_bytes));
        return Ok(format!("{full}; {} sent, {} received since it was made", bytes(sent_bytes), bytes(taken_bytes)));
    }
    segment.value(object, chars_max).map_err(|error| error.to_string())
}

/// What this user may not see of it: a line each.
pub(super) fn not_seen(row: &Row) -> Option<String> {
    row.has_unseen.then(|| format!("who else is in {} (root sees it)", row.label()))
}

/// An object's state in one word.
pub(crate) fn state_name(state: ObjectState) -> &'static str {
    match state {
        ObjectState::Ready => "ready",
        ObjectState::BeingMade => "being-made",
        ObjectState::Removed => "removed",
        _ => "unknown",
    }
}

/// The living process of a slot.
pub(super) fn member_of(row: &Row, slot: u32) -> Option<&Member> {
    row.members.iter().find(|member| member.said.slot == slot)
}
