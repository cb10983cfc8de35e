//! `cotenant snapshot`: what is in segments at a moment, in a file. `cotenant diff` compares two of them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use cotenant::inspect::live::{LiveObject, LiveSegment, ObjectState};
use serde_json::{Value, json};

use crate::happenings::{self, Places};
use crate::look::{From, Row, Survey, View, Wanted, counted, find};
use crate::output::{complain, finish};
use crate::{current, documents, show};

const EXAMPLES: &str = "\
Examples:
  cotenant snapshot before.json                 every segment of this user
  cotenant snapshot after.json acme.jobs        one
  cotenant diff before.json after.json          what has changed
  cotenant diff before.json                     what has changed since, up to now
  cotenant snapshot - acme.jobs | gzip > report.json.gz

In it: who is attached, values, locks with their owners, and the events of each segment. Nothing is locked, so values
may be of different moments. Values may be secrets: the file is readable by its owner alone.

Exit status: 0 done, 1 failed, 2 wrong usage.";

/// The version of the document.
pub(crate) const SCHEMA: u32 = 1;

/// Arguments of `cotenant snapshot`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Snapshot {
    /// Where to; - is standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Names, or their beginnings; without any, every segment of this user
    #[arg(value_name = "SEGMENT")]
    segments: Vec<String>,
    #[command(flatten)]
    from: From,
}

impl Snapshot {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let view = View::new(&self.from)?;
        let document = take(&view, &self.segments)?;
        if self.file.as_os_str() == "-" {
            finish(writeln!(std::io::stdout().lock(), "{document}"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let failed = || format!("cannot write {}", self.file.display());
        let mut out = BufWriter::new(private_file(&self.file).with_context(failed)?);
        writeln!(out, "{document}").and_then(|()| out.flush()).with_context(failed)?;
        let count = document["segments"].as_array().map_or(0, Vec::len);
        complain(&format!("{} in {}", counted(count, "segment"), self.file.display()));
        Ok(ExitCode::SUCCESS)
    }
}

/// Values may be secrets, and the folder anybody's.
fn private_file(path: &std::path::Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// All that can be seen, or those that are named.
pub(crate) fn take(view: &View, names: &[String]) -> Result<Value> {
    let (rows, not_seen) = if names.is_empty() {
        let survey = Survey::take(view, Wanted { all: false, elsewhere: true })?;
        (survey.rows, survey.unseen)
    } else {
        (names.iter().map(|name| find(view, name)).collect::<Result<_>>()?, Vec::new())
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    Ok(json!({
        "schema": SCHEMA,
        "cotenant": env!("CARGO_PKG_VERSION"),
        "taken_unix_ns": now,
        "segments": rows.iter().map(of_row).collect::<Vec<_>>(),
        "not_seen": not_seen,
    }))
}

fn of_row(row: &Row) -> Value {
    let mut document = documents::row(row);
    let Some(segment) = &row.segment else { return document };
    let objects = match segment.objects() {
        Ok(objects) => objects.into_iter().map(|object| of_object(row, segment, object)).collect(),
        Err(error) => vec![json!({ "error": error.to_string() })],
    };
    document["objects"] = Value::Array(objects);
    let places = Places::of(segment);
    let events = segment.events().ok().flatten().map(|events| events.list).unwrap_or_default();
    let events = events.iter().map(|event| happenings::document(row, segment, &places, event));
    document["events"] = events.collect();
    document
}

fn of_object(row: &Row, segment: &LiveSegment, object: cotenant::Result<LiveObject>) -> Value {
    let object = match object {
        Ok(object) => object,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let value = current::whole(row, segment, &object);
    let locks = match object.state {
        ObjectState::Ready => segment.locks(&object, &row.participants).map_err(|error| anyhow!("{error}")),
        _ => Ok(Vec::new()),
    };
    json!({
        "name": object.name(),
        "type": object.type_text(),
        "state": show::state_name(object.state),
        "bytes": object.size_bytes,
        "fingerprint": format!("{:016x}", object.fingerprint),
        "value": value.as_ref().unwrap_or(&Value::Null),
        "error": value.err().filter(|_| object.state == ObjectState::Ready).map(|error| error.to_string()),
        "locks": locks.unwrap_or_default().iter().map(|it| show::lock_document(row, it)).collect::<Vec<_>>(),
    })
}
