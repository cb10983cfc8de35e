//! What is in the segments of a survey: objects that are there, what they are doing, their numbers and locks.

use std::rc::Rc;

use cotenant::inspect::Typed;
use cotenant::inspect::live::{LiveObject, LiveSegment, Lock, LockState, ObjectState, Thing};
use cotenant::schema::Kind;

use crate::look::{Row, Survey};
use crate::series::{self, Series};

/// Of an object that is no counter itself: how large it may be for its numbers to be shown, and how many are.
const NUMBERS_BYTES_MAX: u64 = 16 << 10;
const NUMBERS_MAX: usize = 16;

/// Every object that is there.
pub(super) fn objects(survey: &Survey) -> impl Iterator<Item = (&Row, LiveObject)> {
    survey.rows.iter().filter_map(|row| Some((row, row.segment.as_ref()?))).flat_map(|(row, segment)| {
        let objects = segment.objects().unwrap_or_default().into_iter().flatten();
        objects.filter(|object| object.state == ObjectState::Ready).map(move |object| (row, object))
    })
}

/// Every object that does something, with what it is doing.
pub(super) fn things(survey: &Survey) -> impl Iterator<Item = (&Row, LiveObject, Thing)> {
    objects(survey).filter_map(|(row, object)| {
        let thing = row.segment.as_ref()?.thing(&object).ok().flatten()?;
        Some((row, object, thing))
    })
}

/// The numbers in an object: the path to each, what it is, and in words.
pub(super) fn numbers(row: &Row, object: &LiveObject) -> Vec<(String, f64, String)> {
    let Some(segment) = &row.segment else { return Vec::new() };
    let mut found = Vec::new();
    if series::is_metric(object) {
        let series = series::of(segment, object, &row.participants);
        let is_one = object.kind() != Some(Kind::Metrics) && series.len() < 2;
        // Of several each has a name of its own; the object's says where.
        let name = |one: &Series| if !is_one { format!(" {}", one.name) } else { String::new() };
        return series.iter().map(|one| (name(one), series::rank(&one.held), series::words(&one.held))).collect();
    }
    match segment.thing(object) {
        Ok(Some(Thing::Counter(total))) => found.push((String::new(), total as f64, total.to_string())),
        Ok(Some(Thing::Number(value))) => found.push((String::new(), value, value.to_string())),
        // Of queues and the like the numbers are their own business, and on their own page.
        Ok(Some(_)) | Err(_) => {}
        Ok(None) if object.size_bytes <= NUMBERS_BYTES_MAX => {
            let value = object.layout().part("").and_then(|part| segment.typed(object, &part));
            if let Ok(value) = value {
                leaves(&value, &mut String::new(), &mut found);
            }
        }
        Ok(None) => {}
    }
    found
}

pub(super) fn leaves(value: &Typed, path: &mut String, found: &mut Vec<(String, f64, String)>) {
    if found.len() >= NUMBERS_MAX {
        return;
    }
    let len = path.len();
    match value {
        Typed::Unsigned(number) => found.push((path.clone(), *number as f64, number.to_string())),
        Typed::Signed(number) => found.push((path.clone(), *number as f64, number.to_string())),
        Typed::Float(number) => found.push((path.clone(), *number, number.to_string())),
        Typed::Fields(fields) => {
            for (name, field) in fields {
                path.push_str(&format!(".{name}"));
                leaves(field, path, found);
                path.truncate(len);
            }
        }
        Typed::List(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                leaves(item, path, found);
                path.truncate(len);
            }
        }
        _ => {}
    }
}

pub(super) fn all_locks<'a>(
    row: &'a Row,
    segment: &'a LiveSegment,
) -> impl Iterator<Item = (Rc<LiveObject>, Lock)> + 'a {
    let objects = segment.objects().unwrap_or_default().into_iter().flatten();
    let ready = objects.filter(|object| object.state == ObjectState::Ready);
    ready.flat_map(|object| {
        let object = Rc::new(object);
        let locks = segment.locks(&object, &row.participants).unwrap_or_default();
        locks.into_iter().map(move |lock| (Rc::clone(&object), lock))
    })
}

/// Those that somebody holds or waits for, or that are not whole.
pub(super) fn told_locks(row: &Row, segment: &LiveSegment) -> Vec<(Rc<LiveObject>, Lock)> {
    all_locks(row, segment).filter(|(_, lock)| is_told(lock)).collect()
}

pub(super) fn is_told(lock: &Lock) -> bool {
    lock.state != LockState::Free || lock.is_inconsistent || !lock.waiters.is_empty()
}
