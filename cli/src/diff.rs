//! `cotenant diff`: what has changed from one snapshot to another, or to now.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use cotenant::inspect::printable;
use serde_json::{Value, json};

use crate::difference::differences;
use crate::look::{From, View};
use crate::output::{complain, finish};
use crate::snapshot::{self, take};

const EXAMPLES: &str = "\
Examples:
  cotenant snapshot before.json; ...; cotenant snapshot after.json
  cotenant diff before.json after.json
  cotenant diff before.json                    up to now: of the segments that it has
  cotenant diff before.json after.json --json | jq '.segments[].values'

  + came   - went   ~ is another one by that name

Exit status, as diff's: 0 nothing differs, 1 something does, 2 failed or wrong usage.";

/// The version of the document.
const SCHEMA: u32 = 1;
/// Facts about a segment that are worth telling when they change.
const FACTS: [&str; 7] = ["state", "deaths", "data_bytes", "max_bytes", "mode", "is_linked", "error"];

/// Arguments of `cotenant diff`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Diff {
    /// A file of `cotenant snapshot`
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// Another one; without it, now
    #[arg(value_name = "AFTER")]
    after: Option<PathBuf>,
    /// Writes one JSON document (docs/tool.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: From,
}

impl Diff {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        Ok(match self.compare() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(error) => {
                complain(&format!("{error:#}"));
                ExitCode::from(2)
            }
        })
    }

    /// Whether nothing differs.
    fn compare(&self) -> Result<bool> {
        let before = read(&self.before)?;
        let after = match &self.after {
            Some(path) => read(path)?,
            None => now(&before, &self.from)?,
        };
        let (before, after) = (by_path(&before), by_path(&after));
        let mut found = Vec::new();
        for (path, was) in &before {
            match after.get(path) {
                None => found.push(json!({ "path": path, "label": was["label"], "change": "went" })),
                Some(is) => found.extend(segment(path, was, is)),
            }
        }
        for (path, is) in after.iter().filter(|(path, _)| !before.contains_key(*path)) {
            found.push(json!({ "path": path, "label": is["label"], "change": "came" }));
        }
        let is_same = found.is_empty();
        let mut out = BufWriter::new(std::io::stdout().lock());
        let written = if self.json {
            writeln!(out, "{}", json!({ "schema": SCHEMA, "segments": found }))
        } else {
            found.iter().try_for_each(|found| words(&mut out, found))
        };
        finish(written.and_then(|()| out.flush()))?;
        Ok(is_same)
    }
}

fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let document: Value = serde_json::from_str(&text).with_context(|| format!("{} is no snapshot", path.display()))?;
    match document["schema"].as_u64() {
        Some(version) if version == u64::from(snapshot::SCHEMA) && document["segments"].is_array() => Ok(document),
        Some(version) if document["segments"].is_array() => {
            bail!("{} is a snapshot of version {version}; this program reads {}", path.display(), snapshot::SCHEMA)
        }
        _ => bail!("{} is no snapshot: `cotenant snapshot FILE` makes one", path.display()),
    }
}

/// Now, the segments that the snapshot has.
fn now(before: &Value, from: &From) -> Result<Value> {
    let mut after = take(&View::new(from)?, &[])?;
    let known = by_path(before);
    if let Some(segments) = after["segments"].as_array_mut() {
        segments.retain(|it| known.contains_key(it["path"].as_str().unwrap_or_default()));
    }
    Ok(after)
}

fn by_path(document: &Value) -> BTreeMap<&str, &Value> {
    list(&document["segments"]).map(|it| (it["path"].as_str().unwrap_or_default(), it)).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

/// What differs in a segment that both have.
fn segment(path: &str, was: &Value, is: &Value) -> Option<Value> {
    let mut found = json!({ "path": path, "label": is["label"], "change": "changed" });
    if was["instance"] != is["instance"] {
        found["change"] = "made-anew".into();
    }
    let fact = |name: &&str| {
        let change = || json!({ "fact": name, "before": was[*name], "after": is[*name] });
        (was[*name] != is[*name]).then(change)
    };
    let facts: Vec<_> = FACTS.iter().filter_map(fact).collect();
    let people = people(was, is);
    let objects = objects(was, is);
    let is_same = found["change"] == "changed" && facts.is_empty() && people.is_empty() && objects.is_empty();
    found["facts"] = facts.into();
    found["participants"] = people.into();
    found["values"] = objects.into();
    (!is_same).then_some(found)
}

fn people(was: &Value, is: &Value) -> Vec<Value> {
    let key = |it: &Value| (it["slot"].as_u64(), it["generation"].as_u64(), it["pid_there"].as_u64());
    let all = |document: &Value| list(&document["participants"]).map(|it| (key(it), it.clone())).collect();
    let (was, is): (BTreeMap<_, Value>, BTreeMap<_, Value>) = (all(was), all(is));
    let tell = |it: &Value, change: &str| json!({ "change": change, "pid": it["pid"], "program": it["program"] });
    let went = was.iter().filter(|(key, _)| !is.contains_key(key)).map(|(_, it)| tell(it, "went"));
    let came = is.iter().filter(|(key, _)| !was.contains_key(key)).map(|(_, it)| tell(it, "came"));
    went.chain(came).collect()
}

/// Objects that came, went or have other values, and locks with other owners.
fn objects(was: &Value, is: &Value) -> Vec<Value> {
    let ready = |document: &Value| -> BTreeMap<String, Value> {
        let ready = list(&document["objects"]).filter(|it| it["state"] == "ready");
        ready.map(|it| (it["name"].as_str().unwrap_or_default().to_owned(), it.clone())).collect()
    };
    let (was, is) = (ready(was), ready(is));
    let mut found = Vec::new();
    for (name, before) in &was {
        let Some(after) = is.get(name) else {
            found.push(json!({ "object": name, "change": "went", "before": before["value"] }));
            continue;
        };
        for (path, before, after) in differences(&before["value"], &after["value"]) {
            found.push(json!({ "object": name, "path": path, "change": "value", "before": before, "after": after }));
        }
        let (held, holds) = (locks(before), locks(after));
        for (path, before) in &held {
            if let Some(after) = holds.get(path).filter(|after| *after != before) {
                found.push(json!({ "object": name, "path": path, "change": "lock", "before": before, "after": after }));
            }
        }
    }
    for (name, after) in is.iter().filter(|(name, _)| !was.contains_key(*name)) {
        found.push(json!({ "object": name, "change": "came", "after": after["value"] }));
    }
    found
}

/// What the locks of an object say, in words, by their paths.
fn locks(object: &Value) -> BTreeMap<String, String> {
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let lock = |it: &Value| {
        let part = text(&it["part"]);
        let part = if part == "lock" { String::new() } else { format!(" ({part})") };
        let owner = it["owner"]["pid_there"].as_u64().map(|pid| format!(" by {pid}")).unwrap_or_default();
        (text(&it["path"]) + &part, text(&it["state"]) + &owner)
    };
    list(&object["locks"]).map(lock).collect()
}

fn words(out: &mut impl Write, found: &Value) -> std::io::Result<()> {
    let text = |value: &Value| printable(value.as_str().unwrap_or_default());
    let path = text(&found["path"]);
    match found["change"].as_str() {
        Some("came") => return writeln!(out, "+ {path}"),
        Some("went") => return writeln!(out, "- {path}"),
        Some("made-anew") => writeln!(out, "~ {path} was made anew")?,
        _ => writeln!(out, "{path}")?,
    }
    for it in list(&found["facts"]) {
        writeln!(out, "  {}: {} -> {}", text(&it["fact"]), it["before"], it["after"])?;
    }
    for it in list(&found["participants"]) {
        let sign = if it["change"] == "came" { '+' } else { '-' };
        let pid = it["pid"].as_u64().map_or_else(|| "?".to_owned(), |pid| pid.to_string());
        writeln!(out, "  {sign} {pid} {}", text(&it["program"]))?;
    }
    for it in list(&found["values"]) {
        let name = format!("{}{}", text(&it["object"]), text(&it["path"]));
        match it["change"].as_str() {
            Some("came") => writeln!(out, "  + {name}: {}", it["after"])?,
            Some("went") => writeln!(out, "  - {name}: {}", it["before"])?,
            Some("lock") => writeln!(out, "  {name}: lock {} -> {}", text(&it["before"]), text(&it["after"]))?,
            _ => writeln!(out, "  {name}: {} -> {}", it["before"], it["after"])?,
        }
    }
    Ok(())
}
