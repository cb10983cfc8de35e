//! `cotenant watch`: values as they change.
//!
//! A segment tells nobody that a value has changed, so this looks again and again; what changes twice between two looks
//! is seen once.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use clap::Args;
use cotenant::inspect::live::{Life, LiveSegment, ObjectState};
use cotenant::inspect::printable;
use serde_json::{Value, json};

use crate::current;
use crate::difference::differences;
use crate::happenings::time;
use crate::human;
use crate::look::{Addressed, From, Row, View, addressed, find};
use crate::output::{complain, finish};

const EXAMPLES: &str = "\
Examples:
  cotenant watch acme.jobs                     every value, then each change
  cotenant watch acme.jobs limits hosts[0]     these alone
  cotenant watch acme.jobs done --interval 10ms
  cotenant watch acme.jobs done --changes 1    until it changes
  cotenant watch acme.jobs --json | jq -c '[.object, .path, .value]'

It looks ten times a second unless told otherwise, and takes no lock: what changes twice between two looks is seen once.
Ends when nobody is attached any more.

Exit status: 0 done, 1 failed, 2 wrong usage.";

/// The version of the documents.
const SCHEMA: u32 = 1;

/// Arguments of `cotenant watch`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Watch {
    /// Name, name@scope, file name or path; or the beginning of one
    #[arg(value_name = "SEGMENT")]
    segment: String,
    /// Objects' names, and the way to parts of them; without any, every object
    #[arg(value_name = "OBJECT[.field][index]")]
    objects: Vec<String>,
    /// From one look to the next
    #[arg(long, value_name = "DUR", default_value = "100ms", value_parser = human::duration)]
    interval: Duration,
    /// Ends after this time
    #[arg(long = "for", value_name = "DUR", value_parser = human::duration)]
    duration: Option<Duration>,
    /// Ends after so many changes
    #[arg(long, value_name = "N")]
    changes: Option<u64>,
    /// Writes one JSON document in each line (docs/tool.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: From,
}

impl Watch {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let view = View::new(&self.from)?;
        let row = find(&view, &self.segment)?;
        let Some(segment) = &row.segment else {
            bail!("{}", row.complaint());
        };
        let parts: Vec<_> =
            self.objects.iter().map(|address| addressed(segment, &row, address)).collect::<Result<_>>()?;
        // A value that cannot be read is worth an error once, at the start.
        for part in &parts {
            current::value(&row, segment, part)?;
        }
        finish(self.go_on(&row, segment, &parts))?;
        Ok(ExitCode::SUCCESS)
    }

    fn go_on(&self, row: &Row, segment: &LiveSegment, parts: &[Addressed]) -> std::io::Result<()> {
        let end = self.duration.map(|duration| Instant::now() + duration);
        let mut values = read(row, segment, parts);
        let mut changes = 0;
        for ((object, path), value) in &values {
            self.write(object, path, None, value)?;
        }
        while self.changes.is_none_or(|wanted| changes < wanted) {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break;
            }
            std::thread::sleep(self.interval.min(left.unwrap_or(self.interval)));
            let is_dead = segment.life() == Life::Nobody;
            let now = read(row, segment, parts);
            changes += self.write_changes(&values, &now)?;
            values = now;
            if is_dead {
                complain(&format!("nobody is attached to {} any more", row.path()));
                break;
            }
        }
        Ok(())
    }

    fn write_changes(&self, before: &Values, after: &Values) -> std::io::Result<u64> {
        let mut changes = 0;
        for ((object, path), now) in after {
            let Some(was) = before.get(&(object.clone(), path.clone())) else {
                changes += 1;
                self.write(object, path, None, now)?;
                continue;
            };
            for (below, was, now) in differences(was, now) {
                changes += 1;
                self.write(object, &format!("{path}{below}"), Some(was), now)?;
            }
        }
        for ((object, path), was) in before.iter().filter(|(part, _)| !after.contains_key(part)) {
            changes += 1;
            self.write(object, path, Some(was), &Value::Null)?;
        }
        Ok(changes)
    }

    fn write(&self, object: &str, path: &str, before: Option<&Value>, value: &Value) -> std::io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let name = printable(&format!("{object}{path}"));
        let mut out = std::io::stdout().lock();
        if self.json {
            let mut line = json!({ "schema": SCHEMA, "unix_ns": now, "object": object, "path": path, "value": value });
            if let Some(before) = before {
                line["before"] = before.clone();
            }
            writeln!(out, "{line}")?;
        } else {
            match before {
                Some(before) => writeln!(out, "{}  {name}: {before} -> {value}", time(now))?,
                None => writeln!(out, "{}  {name}: {value}", time(now))?,
            }
        }
        out.flush()
    }
}

/// Values by object and path.
type Values = BTreeMap<(String, String), Value>;

/// Every value that is asked for and there.
fn read(row: &Row, segment: &LiveSegment, parts: &[Addressed]) -> Values {
    let mut values = Values::new();
    if parts.is_empty() {
        for object in segment.objects().unwrap_or_default().into_iter().flatten() {
            if object.state == ObjectState::Ready {
                if let Ok(value) = current::whole(row, segment, &object) {
                    values.insert((object.name().to_owned(), String::new()), value);
                }
            }
        }
    }
    for part in parts {
        // Not there at the moment: an element behind the end of its list, an Optional that is none.
        let value = current::value(row, segment, part).unwrap_or(Value::Null);
        values.insert((part.object.name().to_owned(), part.path.clone()), value);
    }
    values
}
