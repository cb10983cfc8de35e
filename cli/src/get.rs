//! `cotenant get`: values of a segment by their names, for people and for scripts.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use cotenant::inspect::live::{LiveSegment, ObjectState};
use cotenant::inspect::printable;
use serde_json::{Map, Value, json};

use crate::look::{Addressed, From, Row, View, addressed, find};
use crate::output::{complain, finish};
use crate::{current, typed};

const EXAMPLES: &str = "\
Examples:
  cotenant get acme.jobs                       every value: a name and a value in each line
  cotenant get acme.jobs limits                one object; what a lock guards stands for the lock
  cotenant get acme.jobs limits.burst          a field of it
  cotenant get acme.jobs 'table[3].name'       an element's field (quoted: [ means something to shells)
  cotenant get acme.flags FLAGS                what is published: the newest
  cotenant get acme.web REQUESTS               the end of a variable's path will do
  total=$(cotenant get acme.jobs done)         for scripts: the bare value, a text without quotation marks
  cotenant get acme.jobs --json | jq .values.limits

Nothing is locked: fields of one value may be of different moments. `cotenant show` tells who is in the segment.

Exit status: 0 done, 1 failed, or one of the values cannot be read; 2 wrong usage.";

/// The version of the document.
const SCHEMA: u32 = 1;

/// Arguments of `cotenant get`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Get {
    /// Name, name@scope, file name or path; or the beginning of one
    #[arg(value_name = "SEGMENT")]
    segment: String,
    /// The object's name, and the way to a part of it; without it, every object
    #[arg(value_name = "OBJECT[.field][index]")]
    object: Option<String>,
    /// Writes one JSON document (docs/tool.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: From,
}

impl Get {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let view = View::new(&self.from)?;
        let row = find(&view, &self.segment)?;
        let Some(segment) = &row.segment else {
            bail!("{}", row.complaint());
        };
        match &self.object {
            Some(address) => self.one(&row, segment, address),
            None => self.all(&row, segment),
        }
    }

    fn one(&self, row: &Row, segment: &LiveSegment, address: &str) -> Result<ExitCode> {
        let found = addressed(segment, row, address)?;
        let value = current::value(segment, &found)?;
        let mut out = std::io::stdout().lock();
        finish(if self.json {
            writeln!(out, "{}", document(row, &found, &value))
        } else {
            writeln!(out, "{}", typed::to_line(&value))
        })?;
        Ok(ExitCode::SUCCESS)
    }

    fn all(&self, row: &Row, segment: &LiveSegment) -> Result<ExitCode> {
        let mut values = Map::new();
        let mut is_whole = true;
        for object in segment.objects().map_err(|error| anyhow!("{error}"))? {
            let read = object.map_err(|error| anyhow!("{error}")).and_then(|object| {
                if object.state != ObjectState::Ready {
                    return Ok(None);
                }
                Ok(Some((object.name().to_owned(), current::whole(segment, &object)?)))
            });
            match read {
                Ok(Some((name, value))) => drop(values.insert(name, value)),
                Ok(None) => {}
                Err(error) => {
                    is_whole = false;
                    complain(&printable(&error.to_string()));
                }
            }
        }
        let mut out = std::io::stdout().lock();
        finish(if self.json {
            writeln!(out, "{}", json!({ "schema": SCHEMA, "segment": row.path(), "values": values }))
        } else {
            values.iter().try_for_each(|(name, value)| writeln!(out, "{} {}", printable(name), line(value)))
        })?;
        Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// One line, whatever is in it.
fn line(value: &Value) -> String {
    value.to_string()
}

/// A part of an object, as `get`, `set` and `watch` tell it.
pub(crate) fn document(row: &Row, found: &Addressed, value: &Value) -> Value {
    json!({
        "schema": SCHEMA,
        "segment": row.path(),
        "object": found.object.name(),
        "path": found.path,
        "type": found.part.layout.type_text(),
        "value": value,
    })
}
