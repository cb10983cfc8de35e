//! What an object is at this moment, whatever kind it is of: a value, or the newest one that was published.

use anyhow::{Result, anyhow, bail};
use cotenant::inspect::live::{LiveObject, LiveSegment};
use cotenant::inspect::printable;
use serde_json::Value;

use crate::look::Addressed;
use crate::{published, typed};

/// The value of a part as JSON.
pub(crate) fn value(segment: &LiveSegment, found: &Addressed) -> Result<Value> {
    if !found.object.is_published() {
        let value = segment.typed(&found.object, &found.part).map_err(|error| anyhow!("{error}"))?;
        return Ok(typed::to_json(&value));
    }
    let whole = published::newest(segment, &found.object)?;
    match whole.pointer(&pointer(&found.path)) {
        Some(part) => Ok(part.clone()),
        None => bail!("what is published as {} has no {}", printable(found.object.name()), printable(&found.path)),
    }
}

/// The whole of an object.
pub(crate) fn whole(segment: &LiveSegment, object: &LiveObject) -> Result<Value> {
    if object.is_published() {
        return published::newest(segment, object);
    }
    let value = object.layout().part("").and_then(|part| segment.typed(object, &part));
    value.map(|value| typed::to_json(&value)).map_err(|error| anyhow!("{error}"))
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
