//! Events of segments, in words and as JSON; and which lock a place in a segment is.

use std::time::{Duration, UNIX_EPOCH};

use cotenant::inspect::live::{EventKind, LiveEvent, LiveObject, LiveSegment};
use cotenant::inspect::printable;
use serde_json::{Value, json};

use crate::look::{Member, Row, bytes, duration};

/// Where the lock of the directory lies (docs/format.md, "Header").
const DIRECTORY_LOCK_AT: u64 = 448;

/// The objects of a segment, to say where something happened.
pub(crate) struct Places {
    objects: Vec<LiveObject>,
}

impl Places {
    pub(crate) fn of(segment: &LiveSegment) -> Places {
        Places { objects: segment.objects().unwrap_or_default().into_iter().flatten().collect() }
    }

    /// The object, and what of it, that lies at a place in the segment.
    pub(crate) fn name(&self, segment: &LiveSegment, place: u64) -> Option<String> {
        if place == DIRECTORY_LOCK_AT {
            return Some("the directory of objects".to_owned());
        }
        let object = self.objects.iter().find(|object| object.holds(place))?;
        let locks = segment.locks(object, &[]).unwrap_or_default();
        let path = locks.into_iter().find(|lock| lock.at == place).map(|lock| lock.path).unwrap_or_default();
        Some(format!("{}{path}", object.name()))
    }

    /// What an event's place stands for.
    pub(crate) fn of_event(&self, segment: &LiveSegment, event: &LiveEvent) -> Option<String> {
        match event.kind {
            EventKind::Removed => {
                self.objects.iter().find(|it| u64::from(it.index) == event.place).map(|it| it.name().to_owned())
            }
            EventKind::Grown => Some(bytes(event.place)),
            _ if event.place == 0 => None,
            _ => self.name(segment, event.place),
        }
    }
}

/// `2026-11-27T02:03:58.123Z`.
pub(crate) fn time(unix_ns: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_nanos(unix_ns)).to_string()
}

/// `4711 web`, or `slot 3` of one whose process is not known any more.
pub(crate) fn subject(row: &Row, event: &LiveEvent) -> String {
    let about = &event.about;
    match (member(row, event), about.pid) {
        (Some(member), _) => format!("{} {}", member.id(), printable(&member.said.program)),
        (None, 0) if about.slot == 0 => "somebody".to_owned(),
        (None, 0) => format!("the tenant of slot {}", about.slot),
        (None, pid) => format!("{pid} {}", printable(&about.program)).trim_end().to_owned(),
    }
}

/// The living process that an event is about.
fn member<'a>(row: &'a Row, event: &LiveEvent) -> Option<&'a Member> {
    let about = &event.about;
    row.members.iter().find(|it| it.said.slot == about.slot && it.said.generation == about.generation)
}

/// Whoever told it, where that is not whom it is about: with its program's name while it lives.
fn teller(row: &Row, event: &LiveEvent) -> String {
    let is_it = |it: &&Member| (it.said.slot, it.said.pid) == (event.writer_slot, event.writer_pid);
    match row.members.iter().find(is_it) {
        Some(member) => format!("{} {}", member.id(), printable(&member.said.program)),
        None => event.writer_pid.to_string(),
    }
}

/// What happened, without when.
pub(crate) fn words(row: &Row, segment: &LiveSegment, places: &Places, event: &LiveEvent) -> String {
    let who = subject(row, event);
    let place = places.of_event(segment, event).map(|place| printable(&place));
    let lock = place.clone().unwrap_or_else(|| format!("a lock at {}", event.place));
    let by = teller(row, event);
    match event.kind {
        EventKind::Attached => format!("{who} attached (slot {})", event.about.slot),
        EventKind::Detached => format!("{who} left"),
        EventKind::Died => format!("{who} was found dead (by {by})"),
        EventKind::OwnerDied => format!("{lock}: its owner {who} was found dead; {by} took the lock over"),
        EventKind::Repaired => format!("{lock}: whole again, by {who}"),
        EventKind::LeftHalfChanged => format!("{lock}: left half changed by a panic of {who}"),
        EventKind::GivenUp => format!("{lock}: given up as not recoverable by {who}"),
        EventKind::GivenBack => format!("{lock}: {by} gave back what {who} had, who is dead"),
        EventKind::Grown => format!("{who} reserved memory up to {}", place.unwrap_or_default()),
        EventKind::Refused => match place {
            Some(object) => format!("{who} was refused: it knows {object} as another type"),
            None => format!("{who} was refused: its variables differ"),
        },
        EventKind::Leads => format!("{lock}: {who} leads"),
        EventKind::HandedOver => {
            let waited = event.waited.unwrap_or_default().as_millis();
            let waited = duration(waited.try_into().unwrap_or(u64::MAX));
            format!("{lock}: {by} got it from {who} after waiting for {waited}")
        }
        EventKind::Removed => format!("{} was removed by {who}", place.unwrap_or_else(|| "an object".to_owned())),
        _ => format!("something that this version does not know, by {by}"),
    }
}

/// An event, as documents have it.
pub(crate) fn document(row: &Row, segment: &LiveSegment, places: &Places, event: &LiveEvent) -> Value {
    json!({
        "number": event.number,
        "unix_ns": event.unix_ns,
        "event": event.kind.name(),
        "where": places.of_event(segment, event),
        "place": event.place,
        "waited_ms": event.waited.map(|waited| waited.as_millis() as u64),
        "pid": member(row, event).and_then(|it| it.pid),
        "pid_there": event.about.pid,
        "program": event.about.program,
        "slot": event.about.slot,
        "generation": event.about.generation,
        "told_by": { "pid_there": event.writer_pid, "slot": event.writer_slot },
    })
}
