//! Pages of what is as it is: segments, who is in them, their locks, and what happened. No rates, so nothing is
//! remembered from one look to the next.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use cotenant::inspect::live::{EventKind, LockState};
use cotenant::inspect::printable;

use super::objects::{all_locks, is_told};
use super::page::{Cell, Line, Mood, Page, column, number};
use super::sampler::Gone;
use super::words::{count, name_of, owner_name, word};
use crate::happenings::{self, Places};
use crate::look::{Member, State as Life, Survey};
use crate::look::{age, bytes, duration, since_unix, user_name};

/// Events on their page.
const EVENTS_MAX: usize = 200;

pub(super) fn segments(survey: &Survey, gone: &VecDeque<Gone>) -> Page {
    let columns = vec![
        column("SEGMENT", 26),
        column("STATE", 13),
        number("PEOPLE", 6),
        number("WAIT", 5),
        number("DEATHS", 6),
        number("USED", 9),
        number("AGE", 7),
        column("WHO", 40),
    ];
    let lines = survey.rows.iter().map(|row| {
        let it = row.description();
        let waits = row.members.iter().filter(|member| member.said.waits_for_at != 0).count();
        let used = row.facts.map_or(0, |facts| facts.allocated_bytes);
        let since = it.and_then(|it| since_unix(it.created_unix_ns));
        let names = row.members.iter().map(|member| format!("{} {}", member.id(), printable(&member.said.program)));
        let went: Vec<_> = gone.iter().filter(|it| it.path == row.path() && it.is_news()).collect();
        let who = went.iter().take(3).map(|it| format!("gone: {}", it.who)).chain(names.take(20));
        let people = row.members.len() + row.readers.len() + row.children.len();
        Line {
            cells: vec![
                row.label_with_scope().into(),
                row.state.word().into(),
                Cell::number(people.to_string(), people as f64),
                count(waits as u64),
                count(it.map_or(0, |it| it.deaths)),
                Cell::number(bytes(used), used as f64),
                since.map(|since| Cell::number(age(since), since.as_secs_f64())).unwrap_or_default(),
                who.collect::<Vec<_>>().join(", ").into(),
            ],
            mood: match row.state {
                Life::Damaged => Mood::Problem,
                Life::Unlinked | Life::BeingRemoved => Mood::Warning,
                Life::Alive | Life::Kept if !went.is_empty() => Mood::Warning,
                Life::Dead => Mood::Faint,
                _ => Mood::Plain,
            },
            segment: row.path(),
        }
    });
    let lines = lines.collect();
    Page { columns, lines, empty: "no segments; in another terminal: cotenant demo counter", ..Page::default() }
}

pub(super) fn participants(survey: &Survey) -> Page {
    let columns = vec![
        number("PID", 8),
        column("PROGRAM", 16),
        column("USER", 9),
        number("SLOT", 4),
        number("FOR", 7),
        column("SEGMENT", 22),
        column("WAITS FOR", 40),
    ];
    let now_ns = boottime_ns();
    let mut lines = Vec::new();
    for row in &survey.rows {
        let waits_for = |member: &Member| {
            let segment = row.segment.as_ref().filter(|_| member.said.waits_for_at != 0)?;
            let name = Places::of(segment).name(segment, member.said.waits_for_at);
            let name = name.map_or_else(|| "a lock".to_owned(), |name| printable(&name));
            Some(format!("{name}, {}", duration(member.said.waits_ms.into())))
        };
        for member in &row.members {
            let attached = now_ns.saturating_sub(member.said.attached_boottime_ns);
            let waits = waits_for(member);
            let condition = member.condition();
            let says: Vec<_> = condition.map(|it| format!("({it})")).into_iter().chain(waits).collect();
            lines.push(Line {
                cells: vec![
                    Cell::number(member.id(), member.said.pid.into()),
                    printable(&member.said.program).into(),
                    user_name(member.said.uid).unwrap_or_else(|| member.said.uid.to_string()).into(),
                    Cell::number(member.said.slot.to_string(), member.said.slot.into()),
                    Cell::number(age(Duration::from_nanos(attached)), attached as f64),
                    row.label_with_scope().into(),
                    says.join(" ").into(),
                ],
                mood: if condition.is_some() { Mood::Warning } else { Mood::Plain },
                segment: row.path(),
            });
        }
        let others = row.readers.iter().map(|it| (it, "only reads"));
        for (process, what) in others.chain(row.children.iter().map(|it| (it, "a child without a slot"))) {
            let cells = vec![
                Cell::number(process.pid.to_string(), process.pid.into()),
                printable(&process.program).into(),
                user_name(process.uid).unwrap_or_else(|| process.uid.to_string()).into(),
                Cell::default(),
                Cell::default(),
                row.label_with_scope().into(),
                what.into(),
            ];
            lines.push(Line { cells, segment: row.path(), ..Line::default() });
        }
    }
    Page { columns, lines, empty: "nobody is attached to anything", ..Page::default() }
}

pub(super) fn locks(survey: &Survey) -> Page {
    let columns = vec![
        column("LOCK", 24),
        column("TYPE", 9),
        column("STATE", 15),
        column("HOLDER", 18),
        number("WAIT", 5),
        number("LONGEST", 8),
        number("RECOV", 6),
        column("SEGMENT", 24),
    ];
    let mut lines = Vec::new();
    for row in &survey.rows {
        let Some(segment) = &row.segment else { continue };
        let events = segment.events().ok().flatten().map(|events| events.list).unwrap_or_default();
        for (object, lock) in all_locks(row, segment) {
            let is_told = is_told(&lock);
            let is_recovery = |kind: EventKind| matches!(kind, EventKind::OwnerDied | EventKind::GivenBack);
            let recoveries = events.iter().filter(|event| event.place == lock.at && is_recovery(event.kind)).count();
            let longest = lock.waiters.iter().map(|waiter| waiter.waits_ms).max();
            let part = if matches!(lock.part.as_str(), "lock" | "writer" | "word") {
                String::new()
            } else {
                format!(" {}", lock.part)
            };
            lines.push(Line {
                cells: vec![
                    name_of(&format!("{}{}{part}", object.name(), lock.path)).into(),
                    printable(&lock.type_name).into(),
                    word(&lock).into(),
                    lock.owner.as_ref().map(|owner| owner_name(row, owner)).unwrap_or_default().into(),
                    count(lock.waiters.len() as u64),
                    longest.map(|ms| Cell::number(duration(ms.into()), ms.into())).unwrap_or_default(),
                    count(recoveries as u64),
                    row.label_with_scope().into(),
                ],
                mood: match lock.state {
                    LockState::NotRecoverable => Mood::Problem,
                    LockState::OwnerDied => Mood::Warning,
                    _ if lock.is_inconsistent => Mood::Warning,
                    _ if !is_told => Mood::Faint,
                    _ => Mood::Plain,
                },
                segment: row.path(),
            });
        }
    }
    // What somebody holds or waits for comes first.
    lines.sort_by_key(|line| line.mood == Mood::Faint);
    Page { columns, lines, empty: "no locks", ..Page::default() }
}

/// What participants wrote down, and who was seen to go.
pub(super) fn events(survey: &Survey, gone: &VecDeque<Gone>) -> Page {
    let columns = vec![column("TIME (UTC)", 13), column("SEGMENT", 22), column("WHAT HAPPENED", 200)];
    let mut found = Vec::new();
    for row in &survey.rows {
        let Some(segment) = &row.segment else { continue };
        let list = segment.events().ok().flatten().map(|events| events.list).unwrap_or_default();
        let first = list.len().saturating_sub(EVENTS_MAX);
        found.extend(list.into_iter().skip(first).map(|event| (event.unix_ns, row, event)));
    }
    found.sort_by_key(|(unix_ns, ..)| std::cmp::Reverse(*unix_ns));
    let mut places: HashMap<String, Places> = HashMap::new();
    let lines = found.into_iter().take(EVENTS_MAX).filter_map(|(unix_ns, row, event)| {
        let segment = row.segment.as_ref()?;
        let places = places.entry(row.path()).or_insert_with(|| Places::of(segment));
        let words = happenings::words(row, segment, places, &event);
        let time = happenings::time(unix_ns);
        let mood = match event.kind {
            EventKind::Died | EventKind::OwnerDied | EventKind::LeftHalfChanged | EventKind::Refused => Mood::Warning,
            EventKind::GivenUp => Mood::Problem,
            EventKind::Attached | EventKind::Detached | EventKind::Grown => Mood::Faint,
            _ => Mood::Plain,
        };
        let clock = time.get(11..23).unwrap_or_default().to_owned();
        let cells = vec![Cell::number(clock, unix_ns as f64), row.label_with_scope().into(), words.into()];
        Some(Line { cells, mood, segment: row.path() })
    });
    let went = gone.iter().map(|it| {
        let clock = happenings::time(it.unix_ns).get(11..23).unwrap_or_default().to_owned();
        let words = format!("{} is gone, and did not say so", it.who);
        let cells = vec![Cell::number(clock, it.unix_ns as f64), it.label.clone().into(), words.into()];
        Line { cells, mood: Mood::Warning, segment: it.path.clone() }
    });
    let mut lines: Vec<_> = went.chain(lines).collect();
    let when = |line: &Line| line.cells.first().and_then(|cell| cell.rank).unwrap_or(0.0);
    lines.sort_by(|a, b| when(b).total_cmp(&when(a)));
    Page { columns, lines, empty: "nothing has happened", ..Page::default() }
}
/// CLOCK_BOOTTIME, by which participants say when they attached; 0 where it cannot be told.
fn boottime_ns() -> u64 {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds: f64 = uptime.split_whitespace().next().and_then(|it| it.parse().ok()).unwrap_or(0.0);
    (seconds * 1e9) as u64
}
