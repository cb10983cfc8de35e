//! `cotenant get`: values of a segment by their names, for people and for scripts.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use cotenant::inspect::live::{LiveObject, LiveSegment, ObjectState};
use cotenant::inspect::printable;
use cotenant::schema::Kind;
use serde_json::{Map, Value, json};

use crate::look::{Addressed, From, Row, View, addressed, find, is_a_slip, object};
use crate::output::{complain, finish};
use crate::{cache, current, series, typed};

const EXAMPLES: &str = "\
Examples:
  cotenant get acme.jobs                       every value: a name and a value in each line
  cotenant get acme.jobs limits                one object; what a lock guards stands for the lock
  cotenant get acme.jobs limits.burst          a field of it
  cotenant get acme.jobs 'table[3].name'       an element's field (quoted: [ means something to shells)
  cotenant get acme.web REQUESTS               the end of a variable's path will do
  total=$(cotenant get acme.jobs done)         for scripts: the bare value, a text without quotation marks
  cotenant get acme.jobs --json | jq .values.limits

What is more than a value:
  cotenant get acme.flags FLAGS                what is published: the newest
  cotenant get acme.jobs todo.used_bytes       how full a queue is
  cotenant get acme.pages cache                how a cache does: entries, hit ratio, evictions
  cotenant get acme.pages cache /index.html    an entry of it, as it is
  cotenant get acme.pages /index.html          the same, where the segment has one cache
  cotenant get acme.web metrics                every named metric
  cotenant get acme.web 'jobs_total{queue=\"fast\"}'    one, as `cotenant metrics` names it; or all of a name

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
    /// An entry of a cache, or a metric of a table of metrics
    #[arg(value_name = "KEY")]
    key: Option<String>,
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
        match (&self.object, &self.key) {
            (None, _) => self.all(&row, segment),
            (Some(name), Some(key)) => self.within(&row, segment, &object(segment, &row, name)?, key),
            (Some(address), None) => match addressed(segment, &row, address) {
                Ok(found) => self.one(&row, segment, &found),
                Err(error) => match holder(segment, address)? {
                    // Nothing has that key, and an object's name is like it: that was meant.
                    Some(object) => self
                        .within(&row, segment, &object, address)
                        .map_err(|of_key| if is_a_slip(segment, address) { error } else { of_key }),
                    None => Err(error),
                },
            },
        }
    }

    fn one(&self, row: &Row, segment: &LiveSegment, found: &Addressed) -> Result<ExitCode> {
        let value = current::value(row, segment, found)?;
        let mut out = std::io::stdout().lock();
        finish(if self.json {
            writeln!(out, "{}", document(row, found, &value))
        } else {
            writeln!(out, "{}", typed::to_line(&value))
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// What a cache or a table of metrics has under a key.
    fn within(&self, row: &Row, segment: &LiveSegment, object: &LiveObject, key: &str) -> Result<ExitCode> {
        let name = printable(object.name());
        let mut out = std::io::stdout().lock();
        if object.kind() == Some(Kind::Cache) {
            let Some(value) = cache::entry(row, object, key)? else {
                bail!("there is no entry `{}` in {name} of {}", printable(key), row.path());
            };
            finish(if self.json {
                writeln!(out, "{}", document_of_key(row, object, key, &cache::shown(&value).into()))
            } else {
                let line_end = if out.is_terminal() && !value.ends_with(b"\n") { "\n" } else { "" };
                out.write_all(&value).and_then(|()| write!(out, "{line_end}")).and_then(|()| out.flush())
            })?;
            return Ok(ExitCode::SUCCESS);
        }
        if !series::is_metric(object) {
            let type_text = printable(&object.type_text());
            bail!("{name} is a {type_text}, which has no keys: KEY is for caches and tables of metrics");
        }
        let participants = segment.participants().map_err(|error| anyhow!("{error}"))?;
        let all = series::of(segment, object, &participants);
        let meant = series::meant(&all, key);
        let value = match meant.as_slice() {
            [] => bail!("there is no metric `{}` in {name}; `cotenant get` without it lists them", printable(key)),
            [one] => series::to_json(&one.held),
            several => series::document(several),
        };
        finish(match (self.json, meant.len()) {
            (true, _) => writeln!(out, "{}", document_of_key(row, object, key, &value)),
            (false, 1) => writeln!(out, "{}", typed::to_line(&value)),
            (false, _) => {
                let mut lines = meant.iter().map(|it| (printable(&it.name), series::to_json(&it.held)));
                lines.try_for_each(|(name, value)| writeln!(out, "{name} {value}"))
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }

    fn all(&self, row: &Row, segment: &LiveSegment) -> Result<ExitCode> {
        let mut values = Map::new();
        let mut is_whole = true;
        for object in segment.objects().map_err(|error| anyhow!("{error}"))? {
            let read = object.map_err(|error| anyhow!("{error}")).and_then(|object| {
                if object.state != ObjectState::Ready || cache::is_extent(&object) {
                    return Ok(None);
                }
                Ok(Some((object.name().to_owned(), current::whole(row, segment, &object)?)))
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

/// Where a key is likely to be meant that no object is called: the table that has a metric of that name, or else the
/// only cache.
pub(crate) fn holder(segment: &LiveSegment, key: &str) -> Result<Option<LiveObject>> {
    let objects = segment.objects().map_err(|error| anyhow!("{error}"))?;
    let objects = objects.into_iter().flatten().filter(|it| it.state == ObjectState::Ready);
    let (caches, others): (Vec<_>, Vec<_>) =
        objects.filter(|it| !cache::is_extent(it)).partition(|it| it.kind() == Some(Kind::Cache));
    let participants = segment.participants().map_err(|error| anyhow!("{error}"))?;
    let has_it = |object: &LiveObject| {
        object.kind() == Some(Kind::Metrics)
            && !series::meant(&series::of(segment, object, &participants), key).is_empty()
    };
    if let Some(table) = others.into_iter().find(has_it) {
        return Ok(Some(table));
    }
    let is_only = caches.len() == 1;
    Ok(caches.into_iter().next().filter(|_| is_only))
}

/// What an object has under a key.
pub(crate) fn document_of_key(row: &Row, object: &LiveObject, key: &str, value: &Value) -> Value {
    json!({ "schema": SCHEMA, "segment": row.path(), "object": object.name(), "key": key, "value": value })
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
