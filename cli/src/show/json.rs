//! A segment as one JSON document (docs/tool.md).

use std::io::{self, Write};

use cotenant::inspect::live::{Lock, LockOwner, LockState, ObjectState, Waiter};
use serde_json::{Value, json};

use super::{Contents, Shown, member_of, not_seen};
use crate::documents;
use crate::look::{Member, Row};

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
        "state": super::state_name(it.state),
        "at": it.at,
        "bytes": it.size_bytes,
        "fingerprint": format!("{:016x}", it.fingerprint),
        "value": shown.value.as_ref().ok(),
        "error": shown.value.as_ref().err().filter(|_| it.state == ObjectState::Ready),
        "maker": shown.maker.as_ref().map(|maker| owner(row, maker)),
        "awaiting": shown.awaiting.iter().map(|it| waiter(row, it)).collect::<Vec<_>>(),
        "locks": shown.locks.iter().flatten().map(|it| lock(row, it)).collect::<Vec<_>>(),
    })
}

/// A lock.
pub(crate) fn lock(row: &Row, it: &Lock) -> Value {
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
        "waiters": it.waiters.iter().map(|it| waiter(row, it)).collect::<Vec<_>>(),
    })
}

fn waiter(row: &Row, it: &Waiter) -> Value {
    let member = member_of(row, it.participant.slot);
    json!({
        "pid": member.and_then(|it| it.pid),
        "pid_there": it.participant.pid,
        "program": it.participant.program,
        "condition": member.and_then(Member::condition),
        "waits_ms": it.waits_ms,
    })
}

fn owner(row: &Row, it: &LockOwner) -> Value {
    let member = if it.lives == Some(false) { None } else { member_of(row, it.slot) };
    json!({
        "pid": member.and_then(|it| it.pid),
        "pid_there": it.participant.as_ref().map(|it| it.pid),
        "program": it.participant.as_ref().map(|it| it.program.as_str()),
        "slot": it.slot,
        "generation": it.generation,
        "thread_id": it.thread_id,
        "lives": it.lives,
        "condition": member.and_then(Member::condition),
    })
}
