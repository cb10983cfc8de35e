//! What an object is at this moment, whatever kind it is of: a value, the newest one that was published, what a counter
//! counts, how full a queue is, how a cache does.

use anyhow::{Result, anyhow, bail};
use cotenant::inspect::live::{LiveObject, LiveSegment, Thing};
use cotenant::inspect::printable;
use cotenant::schema::Kind;
use serde_json::{Value, json};

use crate::look::{Addressed, Row};
use crate::{cache, published, series, typed};

/// The value of a part as JSON.
pub(crate) fn value(row: &Row, segment: &LiveSegment, found: &Addressed) -> Result<Value> {
    if found.object.is_plain() {
        let value = segment.typed(&found.object, &found.part).map_err(|error| anyhow!("{error}"))?;
        return Ok(typed::to_json(&value));
    }
    let whole = whole(row, segment, &found.object)?;
    match whole.pointer(&pointer(&found.path)) {
        Some(part) => Ok(part.clone()),
        None => {
            let names = whole.as_object().map(|fields| fields.keys().take(20).cloned().collect::<Vec<_>>().join(", "));
            let names = names.map(|names| format!("; there are {}", printable(&names))).unwrap_or_default();
            bail!("{} has no {}{names}", printable(found.object.name()), printable(&found.path))
        }
    }
}

/// The whole of an object.
pub(crate) fn whole(row: &Row, segment: &LiveSegment, object: &LiveObject) -> Result<Value> {
    if object.is_published() {
        return published::newest(segment, object);
    }
    if series::is_metric(object) {
        let participants = segment.participants().map_err(|error| anyhow!("{error}"))?;
        return Ok(series::whole(segment, object, &participants));
    }
    match object.kind() {
        Some(Kind::Queue | Kind::Cache) => match segment.thing(object).map_err(|error| anyhow!("{error}"))? {
            Some(Thing::Queue { sent_bytes, taken_bytes, used_bytes, capacity_bytes }) => Ok(json!({
                "used_bytes": used_bytes, "capacity_bytes": capacity_bytes, "sent_bytes": sent_bytes,
                "taken_bytes": taken_bytes,
            })),
            Some(Thing::Cache { bytes }) => match cache::reader_of(row, object) {
                Ok(reader) => Ok(cache::document(&reader.stats())),
                // Nobody is attached, or it is another user's: what is known without being its reader.
                Err(_) => Ok(json!({ "memory_bytes": bytes })),
            },
            _ => Ok(Value::Null),
        },
        _ => {
            let value = object.layout().part("").and_then(|part| segment.typed(object, &part));
            value.map(|value| typed::to_json(&value)).map_err(|error| anyhow!("{error}"))
        }
    }
}

/// `.table[3].name` as a JSON pointer (RFC 6901): `/table/3/name`.
fn pointer(path: &str) -> String {
    let steps = path.split(['.', '[', ']']).filter(|step| !step.is_empty());
    steps.map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn path_is_a_pointer() {
        assert_eq!(super::pointer(""), "");
        assert_eq!(super::pointer(".table[3].name"), "/table/3/name");
    }
}
