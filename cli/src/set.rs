//! `cotenant set`: changes a value of a segment in use, as its programs would.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use cotenant::inspect::live::{LiveObject, LiveSegment};
use cotenant::inspect::printable;
use cotenant::schema::Kind;
use serde_json::Value;

use crate::get::{document, document_of_key, holder};
use crate::look::{From, Row, View, addressed, bytes, find_exactly, is_a_slip, object};
use crate::output::finish;
use crate::{cache, human, input, published, typed};

const EXAMPLES: &str = "\
Examples:
  cotenant set acme.jobs done 0                            an atomic: one atomic store
  cotenant set acme.jobs limits.burst 30                   a field under a lock: takes the lock for it
  cotenant set acme.jobs limits '{\"burst\": 30}'            the fields named; the others stay
  cotenant set acme.jobs motd hello                        a text needs no quotation marks
  cotenant set acme.jobs timeout 1.5s                      a Duration
  cotenant set acme.jobs buffer_bytes 64MiB                a number, as a size
  cotenant set acme.jobs 'hosts[2]' - < host.json          from standard input
  cotenant set acme.flags FLAGS '{\"dark\": true}'           what is published: publishes it, and wakes who waits
  cotenant set acme.web MAINTENANCE true --timeout 5s
  cotenant set acme.pages cache motd 'back at ten' --ttl 2h    an entry of a cache
  cotenant set acme.pages motd - < motd.txt                the same, where the segment has one cache

The value is checked against the object's type first, and nothing is changed if it does not suit. What no lock guards
and is no atomic is refused: its programs believe that it never changes. A lock whose owner lives is waited for; a
value whose owner died is left alone (look at it, then `cotenant reset`).

Prints the value before and the one after.

Exit status: 0 done, 1 failed and nothing is changed, 2 wrong usage.";

/// Arguments of `cotenant set`.
#[derive(Args)]
#[command(
    after_help = EXAMPLES,
    override_usage = "cotenant set [OPTIONS] <SEGMENT> <OBJECT[.field][index]> [KEY] <VALUE>"
)]
pub(crate) struct Set {
    /// Name, name@scope, file name or path, in full
    #[arg(value_name = "SEGMENT")]
    segment: String,
    /// The object's name, and the way to a part of it
    #[arg(value_name = "OBJECT[.field][index]")]
    object: String,
    /// JSON, or a bare text; - reads it from standard input. Of a cache the key first, then the bytes
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: String,
    // An option that follows a value is no value: hyphens begin only numbers here.
    #[arg(value_name = "VALUE OF KEY", allow_negative_numbers = true, hide = true)]
    value_of_key: Option<String>,
    /// How long an entry of a cache is to live; for ever without this
    #[arg(long, value_name = "DUR", value_parser = human::duration)]
    ttl: Option<Duration>,
    /// How long to wait for each lock on the way
    #[arg(long, value_name = "DUR", default_value = "1s", value_parser = human::duration)]
    timeout: Duration,
    /// Writes one JSON document (docs/tool.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: From,
}

impl Set {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let view = View::new(&self.from)?;
        let row = find_exactly(&view, &self.segment)?;
        let Some(segment) = &row.segment else {
            bail!("{}", row.complaint());
        };
        if let Some((object, key, value)) = self.entry(segment, &row)? {
            return self.put(&row, &object, &key, value);
        }
        let found = addressed(segment, &row, &self.object)?;
        let Some(path) = row.access() else {
            bail!("{} has no name by which it could be joined: its own programs must set it", row.path());
        };
        if found.object.is_published() {
            if !found.path.is_empty() {
                bail!(
                    "what is published is published whole: set {} '{{...}}', with the fields that are to change",
                    printable(found.object.name())
                );
            }
            return published::set(&row, segment, &found.object, &self.words()?, self.timeout, self.json);
        }
        let value = typed::from_words(&self.words()?, &found.part.layout)?;
        let before = segment
            .set(&path, &found.object, &found.part, &value, self.timeout)
            .map_err(|error| anyhow!("{}", row.by_its_name(&error.to_string())))?;
        // What was stored, even if a program has changed it since.
        let after = segment.typed(&found.object, &found.part).map_err(|error| anyhow!("{error}"))?;
        let mut out = std::io::stdout().lock();
        finish(if self.json {
            let mut document = document(&row, &found, &typed::to_json(&after));
            document["before"] = typed::to_json(&before);
            writeln!(out, "{document}")
        } else {
            let (name, before) = (printable(&found.name()), typed::to_json(&before));
            writeln!(out, "{name}: {before} -> {}", typed::to_json(&after))
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// If an entry of a cache is meant: the cache, the key, and the value.
    fn entry(&self, segment: &LiveSegment, row: &Row) -> Result<Option<(LiveObject, String, &str)>> {
        match (&self.value_of_key, addressed(segment, row, &self.object).ok()) {
            (Some(value), _) => {
                let (object, key) = (object(segment, row, &self.object)?, &self.value);
                if object.kind() != Some(Kind::Cache) {
                    let (name, type_text) = (printable(object.name()), printable(&object.type_text()));
                    bail!("{name} is a {type_text}, which has no keys: set SEGMENT OBJECT VALUE");
                }
                Ok(Some((object, key.clone(), value)))
            }
            // A slip in an object's name makes no entry.
            (None, None) if is_a_slip(segment, &self.object) => Ok(None),
            (None, None) => {
                let holder = holder(segment, &self.object)?.filter(|object| object.kind() == Some(Kind::Cache));
                Ok(holder.map(|cache| (cache, self.object.clone(), self.value.as_str())))
            }
            (_, Some(found)) if found.object.kind() == Some(Kind::Cache) => {
                bail!("{} is a cache: set SEGMENT OBJECT KEY VALUE", printable(found.object.name()))
            }
            _ if self.ttl.is_some() => bail!("--ttl is for entries of caches"),
            _ => Ok(None),
        }
    }

    fn put(&self, row: &Row, object: &LiveObject, key: &str, value: &str) -> Result<ExitCode> {
        let (before, after) = cache::put(row, object, key, value, self.ttl)?;
        let mut out = std::io::stdout().lock();
        finish(if self.json {
            let text = |bytes: &Vec<u8>| Value::from(cache::shown(bytes));
            let mut document = document_of_key(row, object, key, &text(&after));
            document["before"] = before.as_ref().map_or(Value::Null, text);
            writeln!(out, "{document}")
        } else {
            let before = before.map_or_else(|| "nothing".to_owned(), |value| bytes(value.len() as u64));
            writeln!(out, "{}: {before} -> {}", printable(key), bytes(after.len() as u64))
        })?;
        Ok(ExitCode::SUCCESS)
    }

    fn words(&self) -> Result<String> {
        if self.value != "-" {
            return Ok(self.value.clone());
        }
        let words = input::text()?;
        // A shell's echo ends it with a line break.
        Ok(words.strip_suffix('\n').map(str::to_owned).unwrap_or(words))
    }
}
