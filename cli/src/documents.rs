//! Parts of JSON documents that several commands write: a segment, a participant, a process.

use cotenant::inspect::live::{Description, SegmentUse};
use serde_json::{Value, json};

use crate::look::{Member, Process, Row, hex};

/// A segment, without its objects.
pub(crate) fn row(row: &Row) -> Value {
    let mut document = json!({
        "name": row.description().map(|it| it.name.as_str()),
        "label": row.label(),
        "state": row.state.word(),
        "file": row.file_name,
        "folder": row.folder.to_string_lossy(),
        "path": row.path(),
        "error": row.error,
        "participants": row.members.iter().map(member).collect::<Vec<_>>(),
        "readers": row.readers.iter().map(|it| process(it)).collect::<Vec<_>>(),
        "without_slot": row.children.iter().map(|it| process(it)).collect::<Vec<_>>(),
    });
    if let (Some(facts), Some(map)) = (row.facts, document.as_object_mut()) {
        map.insert("bytes".into(), facts.bytes.into());
        map.insert("allocated_bytes".into(), facts.allocated_bytes.into());
        map.insert("uid".into(), facts.uid.into());
        map.insert("gid".into(), facts.gid.into());
        map.insert("mode".into(), format!("{:04o}", facts.mode).into());
        map.insert("device".into(), facts.device.into());
        map.insert("inode".into(), facts.inode.into());
        map.insert("is_linked".into(), facts.is_linked.into());
    }
    if let (Some(description), Some(map)) = (row.description(), document.as_object_mut()) {
        if let Value::Object(more) = described(description) {
            map.extend(more);
        }
    }
    document
}

fn described(it: &Description) -> Value {
    json!({
        "scope": it.scope,
        "used_for": match it.used_for {
            SegmentUse::Image => "image",
            SegmentUse::Block => "block",
            SegmentUse::Objects => "objects",
            _ => "unknown",
        },
        "backing": it.backing,
        "is_kept": it.is_kept,
        "build_id": if it.build_id.is_empty() { None } else { Some(hex(&it.build_id)) },
        "instance": hex(&it.instance),
        "fingerprint": format!("{:016x}", it.fingerprint),
        "created_unix_ns": it.created_unix_ns,
        "creator_pid": it.creator_pid,
        "max_bytes": it.max_bytes,
        "data_max_bytes": it.data_max_bytes,
        "data_bytes": it.data_bytes,
        "objects_made": it.object_count,
        "objects_max": it.objects_max,
        "participants_max": it.participants_max,
        "deaths": it.deaths,
        "removals": it.removals,
        "companion": it.companion,
        "sysv_id": it.sysv_id,
    })
}

/// A participant.
pub(crate) fn member(it: &Member) -> Value {
    let waits = (it.said.waits_for_at != 0).then(|| json!({ "for_at": it.said.waits_for_at, "ms": it.said.waits_ms }));
    json!({
        "pid": it.pid,
        "pid_there": it.said.pid,
        "pid_namespace": if it.said.pid_namespace == 0 { None } else { Some(it.said.pid_namespace) },
        "program": it.said.program,
        "uid": it.said.uid,
        "slot": it.said.slot,
        "generation": it.said.generation,
        "lives": it.said.lives,
        "condition": it.condition(),
        "attached_boottime_ns": it.said.attached_boottime_ns,
        "waits": waits,
    })
}

/// A process that the system knows.
pub(crate) fn process(it: &Process) -> Value {
    json!({ "pid": it.pid, "pid_there": it.pid_there, "program": it.program, "uid": it.uid })
}
