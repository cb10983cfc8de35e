//! Segments as one JSON document (docs/tool.md): exact numbers, and everybody.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::foreign::Foreign;
use crate::documents::{process, row};
use crate::look::Survey;

/// The version of the document.
const SCHEMA: u32 = 1;

pub(super) fn write(mut out: impl Write, survey: &Survey, foreign: &[Foreign]) -> io::Result<()> {
    let folders: Vec<_> = survey.folders.iter().map(|it| folder(it)).collect();
    write!(out, "{{\"schema\":{SCHEMA},\"folders\":")?;
    serde_json::to_writer(&mut out, &folders)?;
    write!(out, ",\"segments\":[")?;
    for (index, it) in survey.rows.iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut out, &row(it))?;
    }
    let foreign: Vec<_> = foreign.iter().map(other).collect();
    let rest = json!({ "foreign": foreign, "not_seen": survey.unseen });
    // The rest of the object: what is behind its brace.
    write!(out, "\n],{}\n", &rest.to_string()[1..])?;
    out.flush()
}

fn folder(folder: &crate::look::Folder) -> Value {
    json!({
        "path": folder.shown.to_string_lossy(),
        "for": folder.audience.word(),
        "uid": folder.uid,
        "mode": format!("{:04o}", folder.mode),
    })
}

fn other(it: &Foreign) -> Value {
    json!({
        "kind": it.kind,
        "name": it.name,
        "id": it.id,
        "bytes": it.bytes,
        "uid": it.uid,
        "mode": format!("{:04o}", it.mode),
        "attached": it.attached,
        "users": it.users.iter().map(|it| process(it)).collect::<Vec<_>>(),
    })
}
