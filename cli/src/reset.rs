//! `cotenant reset`: frees a lock that nobody would ever get again, without ending its processes.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use cotenant::inspect::live::{LiveObject, LiveSegment, LockOwner, Reset as Done, ResetOutcome};
use cotenant::inspect::printable;
use serde_json::json;

use crate::look::{From, Row, View, find_exactly, object};
use crate::output::{complain, finish};

const EXAMPLES: &str = "\
Examples:
  cotenant show acme.jobs               shows which lock is NotRecoverable, or whose owner died
  cotenant reset acme.jobs table        frees it; the value stays as it is, and counts as whole
  cotenant reset acme.web LIMITS        the end of a variable's path will do, if no other ends so

A lock is NotRecoverable when somebody was to repair the value under it and gave up. A lock whose owner died needs no
reset: the next one who locks it is told, and repairs the value. A lock whose owner lives is left alone.

Look at the value first (cotenant show): whoever locks it next will believe it.

Exit status: 0 done, or there was nothing to do; 1 failed, or an owner lives; 2 wrong usage.";

/// The version of the document.
const SCHEMA: u32 = 1;
/// Characters of the value that is shown.
const VALUE_CHARS: usize = 200;

/// Arguments of `cotenant reset`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Reset {
    /// Name, name@scope, file name or path, in full
    #[arg(value_name = "SEGMENT")]
    segment: String,
    /// The object's name, or its end
    #[arg(value_name = "OBJECT")]
    object: String,
    /// Writes one JSON document (docs/tool.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: From,
}

impl Reset {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let view = View::new(&self.from)?;
        let row = find_exactly(&view, &self.segment)?;
        let Some(segment) = &row.segment else {
            bail!("{}", row.complaint());
        };
        let object = object(segment, &row, &self.object)?;
        let Some(path) = row.access() else {
            bail!("{} has no name by which it could be joined: its own programs must reset the lock", row.path());
        };
        let done = segment.reset(&path, &object).map_err(|error| anyhow!("{}", row.by_its_name(&error.to_string())));
        let done = done.with_context(|| format!("cannot reset {}", printable(object.name())))?;
        if done.is_empty() {
            bail!(
                "{} of {} is {}: it has no lock",
                printable(object.name()),
                row.path(),
                with_article(&object.type_text())
            );
        }
        let is_held = done.iter().any(|it| it.outcome == ResetOutcome::Held);
        if self.json {
            let document = json!({
                "schema": SCHEMA,
                "segment": row.path(),
                "object": object.name(),
                "locks": done.iter().map(|it| document(&row, it)).collect::<Vec<_>>(),
            });
            finish(writeln!(std::io::stdout().lock(), "{document}"))?;
        } else {
            finish(self.words(&row, segment, &object, &done))?;
        }
        Ok(if is_held { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn words(&self, row: &Row, segment: &LiveSegment, object: &LiveObject, done: &[Done]) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        let mut has_freed = false;
        for it in done {
            let part = if it.part == "lock" { String::new() } else { format!(" ({})", printable(&it.part)) };
            let what = format!("{}{}{part}", printable(object.name()), printable(&it.path));
            let owner = it.owner.as_ref().map_or_else(|| "its owner".to_owned(), |owner| who(row, owner));
            match it.outcome {
                ResetOutcome::WasFine => writeln!(out, "{what}: free and whole; nothing was done")?,
                ResetOutcome::OwnerDied => writeln!(out, "{what}: freed; {owner} died, or panicked, under it")?,
                ResetOutcome::NotRecoverable => writeln!(out, "{what}: freed; a repairer had given it up")?,
                ResetOutcome::Held => complain(&format!(
                    "{what} is held by {owner}, who lives, and is left alone: end that process if it does not go on"
                )),
                _ => writeln!(out, "{what}: ?")?,
            }
            has_freed |= matches!(it.outcome, ResetOutcome::OwnerDied | ResetOutcome::NotRecoverable);
        }
        if has_freed {
            let value = segment.value(object, VALUE_CHARS).unwrap_or_else(|error| format!("({error})"));
            writeln!(out, "its value stays and counts as whole: {value}")?;
        }
        out.flush()
    }
}

/// `an AtomicU64`, `a Ring<u8, 4>`.
fn with_article(type_text: &str) -> String {
    let is_vowel = type_text.starts_with(|c: char| "AEIOaeio".contains(c));
    format!("{} {type_text}", if is_vowel { "an" } else { "a" })
}

fn who(row: &Row, owner: &LockOwner) -> String {
    let Some(participant) = &owner.participant else { return format!("slot {} (its process is gone)", owner.slot) };
    let program = printable(&participant.program);
    let member = row.members.iter().find(|member| member.said.slot == owner.slot);
    let condition = member.and_then(|it| it.condition()).map(|it| format!(", {it}")).unwrap_or_default();
    let id = member.map_or_else(|| format!("?{}", participant.pid), |member| member.id());
    format!("{id} ({program}{condition})")
}

fn document(row: &Row, it: &Done) -> serde_json::Value {
    json!({
        "path": it.path,
        "type": it.type_name,
        "part": it.part,
        "outcome": match it.outcome {
            ResetOutcome::WasFine => "was-fine",
            ResetOutcome::OwnerDied => "owner-died",
            ResetOutcome::NotRecoverable => "not-recoverable",
            ResetOutcome::Held => "held",
            _ => "unknown",
        },
        "owner": it.owner.as_ref().map(|owner| who(row, owner)),
    })
}
