//! `cotenant published`: what one publishes and all see, as the tool sees it; and publishes it.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand};
use cotenant::inspect::live::{Life, LiveObject, LiveSegment, LiveSnapshot, ObjectState};
use cotenant::inspect::printable;
use serde_json::{Value, json};

use crate::happenings::time;
use crate::look::{From, Row, View, find, find_exactly, object};
use crate::output::{complain, finish};
use crate::{human, input, typed};

const EXAMPLES: &str = "\
Examples:
  cotenant published acme.limits get
  cotenant published acme.limits set '{\"burst\": 30}'    the fields named; the others stay
  cotenant published acme.config set - < config.json    published bytes: what stands on standard input
  cotenant published acme.web --object LIMITS history   where several are published in one segment
  cotenant published acme.limits watch --json | jq .value

`set` checks the value against the type, publishes it as the programs do, whole, and wakes those who wait for it;
nothing is published if it does not suit. The others lock and change nothing.

Exit status: 0 done, 1 failed, 2 wrong usage.";

/// The version of the documents.
const SCHEMA: u32 = 1;
/// Looks at a value that is published all the time.
const LOOKS_MAX: u32 = 200;

/// Arguments of `cotenant published`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Published {
    /// Name, name@scope, file name or path
    #[arg(value_name = "NAME")]
    segment: String,
    /// Which of several published values in the segment
    #[arg(long, value_name = "OBJECT")]
    object: Option<String>,
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    from: From,
}

#[derive(Subcommand)]
enum Action {
    /// Prints the newest snapshot
    Get {
        /// Writes one JSON document (docs/tool.md)
        #[arg(long)]
        json: bool,
    },
    /// Publishes a value, after checking it against the type
    Set {
        /// JSON, or a bare text; - reads it from standard input
        #[arg(value_name = "VALUE", allow_hyphen_values = true)]
        value: String,
        /// How long to wait for others who publish
        #[arg(long, value_name = "DUR", default_value = "1s", value_parser = human::duration)]
        timeout: Duration,
        /// Writes one JSON document (docs/tool.md)
        #[arg(long)]
        json: bool,
    },
    /// Prints each snapshot as it is published
    Watch {
        /// From one look to the next
        #[arg(long, value_name = "DUR", default_value = "20ms", value_parser = human::duration)]
        interval: Duration,
        /// Ends after this time
        #[arg(long = "for", value_name = "DUR", value_parser = human::duration)]
        duration: Option<Duration>,
        /// Ends after so many publishes
        #[arg(long, value_name = "N")]
        changes: Option<u64>,
        /// Writes one JSON document in each line (docs/tool.md)
        #[arg(long)]
        json: bool,
    },
    /// Prints the last snapshots: who published them, and when
    History {
        /// Writes one JSON document in each line (docs/tool.md)
        #[arg(long)]
        json: bool,
    },
}

impl Published {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let view = View::new(&self.from)?;
        let is_change = matches!(self.action, Action::Set { .. });
        let row = if is_change { find_exactly(&view, &self.segment)? } else { find(&view, &self.segment)? };
        let Some(segment) = &row.segment else {
            bail!("{}", row.complaint());
        };
        let object = self.choose(segment, &row)?;
        let shown = Shown { segment, object: &object, path: row.path() };
        finish(match &self.action {
            Action::Get { json } => shown.write(&shown.snapshots()?[..1], *json, true),
            Action::History { json } => shown.write(&shown.snapshots()?, *json, false),
            Action::Set { value, timeout, json } => return set(&row, segment, &object, value, *timeout, *json),
            Action::Watch { interval, duration, changes, json } => {
                let end = duration.map(|duration| Instant::now() + duration);
                return shown.watch(*interval, end, *changes, *json);
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// The object that is named, or the only one that is published.
    fn choose(&self, segment: &LiveSegment, row: &Row) -> Result<LiveObject> {
        if let Some(name) = &self.object {
            let object = object(segment, row, name)?;
            if !object.is_published() {
                bail!("{} is not published but {}: `cotenant get`", printable(name), printable(&object.type_text()));
            }
            return Ok(object);
        }
        let objects = segment.objects().map_err(|error| anyhow!("{error}"))?;
        let is_it = |object: &LiveObject| object.is_published() && object.state == ObjectState::Ready;
        let mut published: Vec<_> = objects.into_iter().flatten().filter(is_it).collect();
        match published.len() {
            0 => bail!("nothing is published in {}; `cotenant show` lists what is in it", row.path()),
            1 => Ok(published.remove(0)),
            _ => {
                let names: Vec<_> = published.iter().map(|object| printable(object.name())).collect();
                bail!("several values are published in {}: --object {}", row.path(), names.join(", --object "))
            }
        }
    }
}

/// The newest value of a published object, as JSON.
pub(crate) fn newest(segment: &LiveSegment, object: &LiveObject) -> Result<Value> {
    let shown = Shown { segment, object, path: String::new() };
    Ok(shown.snapshots()?.first().map_or(Value::Null, value_of))
}

/// A published value, as it is looked at.
struct Shown<'a> {
    segment: &'a LiveSegment,
    object: &'a LiveObject,
    path: String,
}

impl Shown<'_> {
    fn snapshots(&self) -> Result<Vec<LiveSnapshot>> {
        let mut looks = 0;
        loop {
            match self.segment.snapshots(self.object) {
                Ok(found) => return Ok(found),
                // Who publishes without a rest replaces all of them within a look.
                Err(_) if looks < LOOKS_MAX => looks += 1,
                Err(error) => return Err(anyhow!("{error}")),
            }
        }
    }

    fn write(&self, snapshots: &[LiveSnapshot], json: bool, value_alone: bool) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        for snapshot in snapshots {
            let value = value_of(snapshot);
            let is_initial = snapshot.unix_ns == 0;
            if json {
                let who = json!({ "pid": snapshot.pid, "program": snapshot.program });
                let document = json!({
                    "schema": SCHEMA,
                    "segment": self.path,
                    "object": self.object.name(),
                    "sequence": snapshot.sequence,
                    "unix_ns": if is_initial { Value::Null } else { snapshot.unix_ns.into() },
                    "publisher": if is_initial { Value::Null } else { who },
                    "value": value,
                });
                writeln!(out, "{document}")?;
            } else if value_alone {
                writeln!(out, "{}", as_line(&value))?;
            } else if is_initial {
                writeln!(out, "{}  the initial value  {}", snapshot.sequence, as_line(&value))?;
            } else {
                let (when, program) = (time(snapshot.unix_ns), printable(&snapshot.program));
                writeln!(out, "{}  {when}  {} {program}  {}", snapshot.sequence, snapshot.pid, as_line(&value))?;
            }
        }
        out.flush()
    }

    fn watch(&self, interval: Duration, end: Option<Instant>, changes: Option<u64>, json: bool) -> Result<ExitCode> {
        let mut seen = self.snapshots()?[0].sequence;
        let mut left = changes.unwrap_or(u64::MAX);
        while left > 0 && end.is_none_or(|end| Instant::now() < end) {
            std::thread::sleep(interval);
            let is_over = self.segment.life() == Life::Nobody;
            let newest = self.segment.newest_sequence(self.object).map_err(|error| anyhow!("{error}"))?;
            if newest > seen {
                let mut newer = self.snapshots()?;
                newer.retain(|snapshot| snapshot.sequence > seen);
                newer.reverse();
                let first = newer.first().map_or(newest, |snapshot| snapshot.sequence);
                if first > seen + 1 {
                    complain(&format!("{} publishes were not seen: --interval", first - seen - 1));
                }
                newer.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                finish(self.write(&newer, json, false))?;
                left -= newer.len() as u64;
                seen = newer.last().map_or(newest, |snapshot| snapshot.sequence);
            }
            if is_over {
                complain(&format!("nobody is attached to {} any more", self.path));
                break;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A value as JSON. Bytes are often JSON themselves.
fn value_of(snapshot: &LiveSnapshot) -> Value {
    let is_bytes = snapshot.layout().is_none();
    match serde_json::from_slice(&snapshot.bytes) {
        Ok(value) if is_bytes => value,
        _ => snapshot.typed().map_or(Value::Null, |value| typed::to_json(&value)),
    }
}

fn as_line(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), printable)
}

/// Publishes a value.
pub(crate) fn set(
    row: &Row,
    segment: &LiveSegment,
    object: &LiveObject,
    value: &str,
    timeout: Duration,
    json: bool,
) -> Result<ExitCode> {
    let Some(path) = row.access() else {
        bail!("{} has no name by which it could be joined: its own programs must publish", row.path());
    };
    let words = words(value)?;
    let value = object.published_layout().map(|layout| typed::from_words(&words, &layout)).transpose()?;
    let published = segment.publish(&path, object, timeout, |mut bytes, layout| {
        let (Some(value), Some(layout)) = (&value, layout) else { return Ok(words.into_bytes()) };
        layout.put(value, &mut bytes)?;
        Ok(bytes)
    });
    let sequence = published.map_err(|error| anyhow!("{}", row.by_its_name(&error.to_string())))?;
    let (name, mut out) = (object.name(), std::io::stdout().lock());
    finish(if json {
        let document = json!({ "schema": SCHEMA, "segment": row.path(), "object": name, "sequence": sequence });
        writeln!(out, "{document}")
    } else {
        writeln!(out, "{}: published as number {sequence}", printable(name))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn words(value: &str) -> Result<String> {
    if value == "-" { input::text() } else { Ok(value.to_owned()) }
}
