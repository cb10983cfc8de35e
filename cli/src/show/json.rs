//! A segment as one JSON document (docs/tool.md).

use std::io::{self, Write};

use cotenant::inspect::live::{Lock, LockOwner, LockState, ObjectState};
use serde_json::{Value, json};

use super::{Contents, Shown, not_seen, pid_of};
use crate::documents;
use crate::look::Row;

/// The version of the document.
const SCHEMA: u32 = 1;

pub(super) fn write(mut out: impl Write, row: &Row, contents: &Contents) -> io::Result<()> {
    write!(out, "{{\"schema\":{SCHEMA},\"segment\":")?;
    serde_json::to_writer(&mut out, &documents::row(row))?;
    write!(out, ",\"objects\":[")?;
    for (index, shown) in contents.objects.iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        let document = match shown {
            Ok(shown) => object(row, shown),
            Err(why) => json!({ "error": why }),
        };
        serde_json::to_writer(&mut out, &document)?;
    }
    let not_seen: Vec<_> = not_seen(row).into_iter().collect();
    writeln!(out, "\n],\"error\":{},\"not_seen\":{}}}", json!(contents.error), json!(not_seen))?;
    out.flush()
}

fn object(row: &Row, shown: &Shown) -> Value {
    let it = &shown.object;
    json!({
        "name": it.name(),
        "type": it.type_text(),
        "doc": it.doc(),
        "state": match it.state {
            ObjectState::Ready => "ready",
            ObjectState::BeingMade => "being-made",
            ObjectState::Removed => "removed",
            _ => "unknown",
        },
        "at": it.at,
        "bytes": it.size_bytes,
        "fingerprint": format!("{:016x}", it.fingerprint),
        "value": shown.value.as_ref().ok(),
        "error": shown.value.as_ref().err().filter(|_| it.state == ObjectState::Ready),
        "maker": shown.maker.as_ref().map(|maker| owner(row, maker)),
        "locks": shown.locks.iter().flatten().map(|it| lock(row, it)).collect::<Vec<_>>(),
    })
}

fn lock(row: &Row, it: &Lock) -> Value {
    let waiters = it.waiters.iter().map(|waiter| {
        json!({
            "pid": pid_of(row, waiter.participant.slot),
            "pid_there": waiter.participant.pid,
            "program": waiter.participant.program,
            "waits_ms": waiter.waits_ms,
        })
    });
    json!({
        "path": it.path,
        "type": it.type_name,
        "part": it.part,
        "at": it.at,
        "state": match it.state {
            LockState::Free => "free",
            LockState::Held => "held",
            LockState::OwnerDied => "owner-died",
            LockState::NotRecoverable => "not-recoverable",
            _ => "unknown",
        },
        "is_inconsistent": it.is_inconsistent,
        "owner": it.owner.as_ref().map(|it| owner(row, it)),
        "waiters": waiters.collect::<Vec<_>>(),
    })
}

fn owner(row: &Row, it: &LockOwner) -> Value {
    json!({
        "pid": pid_of(row, it.slot),
        "pid_there": it.participant.as_ref().map(|it| it.pid),
        "program": it.participant.as_ref().map(|it| it.program.as_str()),
        "slot": it.slot,
        "generation": it.generation,
        "thread_id": it.thread_id,
        "lives": it.lives,
    })
}
