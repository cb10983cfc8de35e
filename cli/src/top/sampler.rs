//! Looks at what a page needs, and no more: once in an interval, reading only.
//!
//! Who maps what is asked of `/proc` every ten seconds: it costs most. In between, who comes and goes is seen by the
//! slots' locks.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use cotenant::cache::CacheStats;
use cotenant::inspect::live::{EventKind, EventSubject, LiveObject, ObjectState, Thing};
use cotenant::inspect::printable;
use cotenant::metrics::Value as Held;

use super::objects::{numbers, objects, things, told_locks};
use super::page::{Cell, Line, Mood, Page, Tab, column, number};
use super::state::State;
use super::tables::{events, locks, participants, segments};
use super::words::{name_of, owner_name, per_second, per_second_bytes, spark, word};
use crate::happenings::{self, Places};
use crate::look::{Census, FRESH, Row, State as Life, Survey, View, Wanted};
use crate::look::{age, bytes, counted, since_unix};
use crate::{cache, series};

/// From one census of processes to the next.
const CENSUS_EVERY: Duration = Duration::from_secs(10);
/// Rates that are remembered of each thing that is counted.
const HISTORY: usize = 20;
/// Who went without saying so: as many are remembered.
const GONE_MAX: usize = 50;
/// Of them, as many as are drawn beside a value.
const TREND_INSIDE: usize = 8;
/// Rows of a segment's objects.
const OBJECTS_MAX: usize = 1000;
/// Numbers in a value that have rows of their own beside it.
const PARTS_MAX: usize = 6;
/// For as long as that who went is told among those who are there.
const GONE_IS_NEWS: Duration = Duration::from_secs(60);
/// Characters of a value.
const VALUE_CHARS: usize = 120;

pub(super) struct Sampler {
    view: View,
    all: bool,
    census: Rc<Census>,
    /// Segments of which it cannot be told who is in them.
    odd: HashSet<String>,
    series: HashMap<String, Series>,
    /// Who was in which segment at the last look: by its path, the slot and the how-manieth tenant.
    seen: HashMap<(String, u32, u32), String>,
    /// Who went without saying so, the latest first.
    gone: VecDeque<Gone>,
}

/// A participant whose slot was found free: a death that perhaps nobody has told yet.
pub(super) struct Gone {
    pub(super) at: Instant,
    pub(super) unix_ns: u64,
    pub(super) label: String,
    pub(super) path: String,
    pub(super) who: String,
}

impl Gone {
    pub(super) fn is_news(&self) -> bool {
        self.at.elapsed() < GONE_IS_NEWS
    }
}

/// A number that was looked at again and again.
struct Series {
    at: Instant,
    value: f64,
    /// Changes by the second, the latest last.
    rates: VecDeque<f64>,
}

impl Sampler {
    pub(super) fn new(view: View, all: bool) -> Sampler {
        Sampler {
            view,
            all,
            census: Rc::new(Census::default()),
            odd: HashSet::new(),
            series: HashMap::new(),
            seen: HashMap::new(),
            gone: VecDeque::new(),
        }
    }

    pub(super) fn look(&mut self, state: &State) -> Result<Page> {
        if self.census.age() >= CENSUS_EVERY {
            self.census = Rc::new(Census::take());
        }
        let wanted = Wanted { all: self.all, elsewhere: true };
        let mut survey = Survey::by(&self.view, wanted, Rc::clone(&self.census))?;
        // Its processes have ended since the census, or came after it.
        let is_new = survey.rows.iter().any(|row| is_odd(row) && !self.odd.contains(&row.path()));
        if is_new && self.census.age() > FRESH {
            self.census = Rc::new(Census::take());
            survey = Survey::by(&self.view, wanted, Rc::clone(&self.census))?;
        }
        // What is as odd by a new census needs no other.
        self.odd = survey.rows.iter().filter(|row| is_odd(row)).map(Row::path).collect();
        self.note_gone(&survey);
        // What has not been looked at for long is forgotten.
        self.series.retain(|_, series| series.at.elapsed() < Duration::from_secs(300));
        let mut page = match &state.inside {
            Some(path) => match survey.rows.iter().find(|row| row.path() == *path) {
                Some(row) => self.inside(row),
                None => Page { empty: "this segment is gone; Esc leads back", ..Page::default() },
            },
            None => match state.tab {
                Tab::Segments => segments(&survey, &self.gone),
                Tab::Participants => participants(&survey),
                Tab::Locks => locks(&survey),
                Tab::Queues => self.queues(&survey),
                Tab::Caches => self.caches(&survey),
                Tab::Counters => self.counters(&survey),
                Tab::Published => self.published(&survey),
                Tab::Events => events(&survey, &self.gone),
            },
        };
        let people: usize = survey.rows.iter().map(|row| row.members.len()).sum();
        let waits = survey.rows.iter().flat_map(|row| &row.members).filter(|it| it.said.waits_for_at != 0).count();
        let waits = if waits == 0 { String::new() } else { format!(", {} waiting", waits) };
        page.summary = format!("{}, {}{waits}", counted(survey.rows.len(), "segment"), counted(people, "participant"));
        Ok(page)
    }

    /// Compares who is there with who was: whoever went and did not write it down was killed, most likely.
    fn note_gone(&mut self, survey: &Survey) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let mut seen = HashMap::new();
        for row in &survey.rows {
            for it in &row.members {
                let who = format!("{} {}", it.id(), printable(&it.said.program));
                seen.insert((row.path(), it.said.slot, it.said.generation), who);
            }
        }
        for ((path, slot, generation), who) in &self.seen {
            let row = survey.rows.iter().find(|row| row.path() == *path);
            let Some(row) = row.filter(|_| !seen.contains_key(&(path.clone(), *slot, *generation))) else { continue };
            let events = row.segment.as_ref().and_then(|segment| segment.events().ok().flatten());
            let has_told = events.is_some_and(|events| {
                let is_it = |about: &EventSubject| (about.slot, about.generation) == (*slot, *generation);
                events.list.iter().any(|event| event.kind == EventKind::Detached && is_it(&event.about))
            });
            if !has_told {
                let (label, path) = (row.label_with_scope(), path.clone());
                self.gone.push_front(Gone { at: Instant::now(), unix_ns: now, label, path, who: who.clone() });
                self.gone.truncate(GONE_MAX);
            }
        }
        self.seen = seen;
    }

    /// How fast a number grows; None at the first look.
    fn rate(&mut self, key: String, value: f64) -> Option<f64> {
        let now = Instant::now();
        let series = self.series.entry(key).or_insert(Series { at: now, value, rates: VecDeque::new() });
        let passed = now.duration_since(series.at).as_secs_f64();
        if passed > 0.05 {
            series.rates.push_back((value - series.value) / passed);
            while series.rates.len() > HISTORY {
                series.rates.pop_front();
            }
            (series.at, series.value) = (now, value);
        }
        series.rates.back().copied()
    }

    fn trend(&self, key: &str) -> String {
        self.series.get(key).map(|series| spark(&series.rates)).unwrap_or_default()
    }

    fn queues(&mut self, survey: &Survey) -> Page {
        let columns = vec![
            column("QUEUE", 24),
            number("IN IT", 9),
            number("OF", 8),
            number("IN/s", 10),
            number("OUT/s", 10),
            column("TREND", HISTORY),
            column("SEGMENT", 24),
        ];
        let mut lines = Vec::new();
        for (row, object, thing) in things(survey) {
            let Thing::Queue { sent_bytes, taken_bytes, used_bytes, capacity_bytes } = thing else { continue };
            let key = format!("{}:{}", row.path(), object.name());
            let sent = self.rate(format!("{key} in"), sent_bytes as f64);
            let taken = self.rate(format!("{key} out"), taken_bytes as f64);
            let is_full = used_bytes.saturating_mul(10) >= capacity_bytes.saturating_mul(9);
            lines.push(Line {
                cells: vec![
                    name_of(object.name()).into(),
                    Cell::number(bytes(used_bytes), used_bytes as f64),
                    Cell::number(bytes(capacity_bytes), capacity_bytes as f64),
                    per_second_bytes(sent),
                    per_second_bytes(taken),
                    self.trend(&format!("{key} in")).into(),
                    row.label_with_scope().into(),
                ],
                mood: if is_full { Mood::Warning } else { Mood::Plain },
                segment: row.path(),
            });
        }
        Page { columns, lines, empty: "no queues (cotenant::channel)", ..Page::default() }
    }

    fn caches(&mut self, survey: &Survey) -> Page {
        let columns = vec![
            column("CACHE", 24),
            number("ENTRIES", 9),
            number("BYTES", 9),
            number("OF", 9),
            number("HITS", 6),
            number("GETS/s", 9),
            number("EVICT/s", 9),
            column("SEGMENT", 24),
        ];
        let mut lines = Vec::new();
        for (row, object, thing) in things(survey) {
            let Thing::Cache { bytes: memory } = thing else { continue };
            if cache::is_extent(&object) {
                continue;
            }
            let key = format!("{}:{}", row.path(), object.name());
            let mut cells: Vec<Cell> = vec![name_of(object.name()).into()];
            match stats(row, &object) {
                Some(stats) => {
                    let activity = stats.activity;
                    let gets = activity.hits + activity.misses;
                    let ratio = activity.hits as f64 / gets.max(1) as f64;
                    let ratio_text = if gets == 0 { String::new() } else { format!("{:.1}%", ratio * 100.0) };
                    let evicted = stats.evicted_for_space + stats.evicted_expired + stats.evicted_by_index;
                    cells.push(Cell::number(stats.entries.to_string(), stats.entries as f64));
                    cells.push(Cell::number(bytes(stats.bytes), stats.bytes as f64));
                    cells.push(Cell::number(bytes(stats.capacity_bytes), stats.capacity_bytes as f64));
                    cells.push(Cell::number(ratio_text, ratio));
                    cells.push(per_second(self.rate(format!("{key} gets"), gets as f64)));
                    cells.push(per_second(self.rate(format!("{key} evicted"), evicted as f64)));
                }
                None => {
                    cells.extend([Cell::default(), Cell::default()]);
                    cells.push(Cell::number(bytes(memory), memory as f64));
                    cells.extend([Cell::default(), Cell::default(), Cell::default()]);
                }
            }
            cells.push(row.label_with_scope().into());
            lines.push(Line { cells, segment: row.path(), ..Line::default() });
        }
        Page { columns, lines, empty: "no caches (cotenant::cache)", ..Page::default() }
    }

    fn counters(&mut self, survey: &Survey) -> Page {
        let columns = vec![
            column("COUNTER", 28),
            number("VALUE", 14),
            number("RATE/s", 10),
            column("TREND", HISTORY),
            column("SEGMENT", 24),
        ];
        let mut lines = Vec::new();
        for (row, object) in objects(survey) {
            for (path, value, text) in numbers(row, &object) {
                let key = format!("{}:{}{path}", row.path(), object.name());
                let rate = self.rate(key.clone(), value);
                let cells = vec![
                    // What has a name of its own stands for itself.
                    match path.strip_prefix(' ') {
                        Some(series) => printable(series).into(),
                        None => name_of(&format!("{}{path}", object.name())).into(),
                    },
                    Cell::number(text, value),
                    per_second(rate),
                    self.trend(&key).into(),
                    row.label_with_scope().into(),
                ];
                lines.push(Line { cells, segment: row.path(), ..Line::default() });
            }
        }
        Page { columns, lines, empty: "no numbers and no counters", ..Page::default() }
    }

    fn published(&mut self, survey: &Survey) -> Page {
        let columns = vec![
            column("PUBLISHED", 26),
            number("SEQUENCE", 10),
            number("RATE/s", 9),
            number("AGE", 7),
            column("BY", 22),
            column("SEGMENT", 24),
        ];
        let mut lines = Vec::new();
        for (row, object, thing) in things(survey) {
            let Thing::Published { sequence, publisher, unix_ns } = thing else { continue };
            let rate = self.rate(format!("{}:{}", row.path(), object.name()), sequence as f64);
            let since = since_unix(unix_ns).filter(|_| unix_ns != 0);
            let cells = vec![
                name_of(object.name()).into(),
                Cell::number(sequence.to_string(), sequence as f64),
                per_second(rate),
                since.map(|it| Cell::number(age(it), it.as_secs_f64())).unwrap_or_default(),
                publisher.map(|(pid, program)| format!("{pid} {}", printable(&program))).unwrap_or_default().into(),
                row.label_with_scope().into(),
            ];
            lines.push(Line { cells, segment: row.path(), ..Line::default() });
        }
        Page { columns, lines, empty: "nothing published (cotenant::published)", ..Page::default() }
    }

    /// A segment, down to its live values, and each of its named metrics.
    fn inside(&mut self, row: &Row) -> Page {
        let columns = vec![
            column("OBJECT", 26),
            column("TYPE", 20),
            number("RATE/s", 9),
            column("TREND", TREND_INSIDE),
            column("VALUE", VALUE_CHARS),
        ];
        let mut page = Page { columns, empty: "no objects", title: title(row), ..Page::default() };
        let Some(segment) = &row.segment else { return page };
        let objects = segment.objects().unwrap_or_default();
        for object in objects.into_iter().take(OBJECTS_MAX) {
            let Ok(object) = object else {
                let cells = vec!["?".into(), Cell::default(), Cell::default(), Cell::default(), "damaged".into()];
                page.lines.push(Line { cells, mood: Mood::Problem, ..Line::default() });
                continue;
            };
            if object.state == ObjectState::Removed {
                continue;
            }
            let series =
                if series::is_metric(&object) { series::of(segment, &object, &row.participants) } else { vec![] };
            let value = match (object.state, series.as_slice()) {
                (ObjectState::Ready, [one]) => series::words(&one.held),
                (ObjectState::Ready, [_, _, ..]) => format!("{} metrics:", series.len()),
                (ObjectState::Ready, []) => {
                    segment.value(&object, VALUE_CHARS).unwrap_or_else(|error| error.to_string())
                }
                (ObjectState::BeingMade, _) => "being made".to_owned(),
                _ => "?".to_owned(),
            };
            let number = match (segment.thing(&object), series.as_slice()) {
                (_, [one]) => Some(series::rank(&one.held)),
                (Ok(Some(Thing::Counter(total))), _) => Some(total as f64),
                (Ok(Some(Thing::Number(value))), _) => Some(value),
                (Ok(Some(Thing::Published { sequence, .. })), _) => Some(sequence as f64),
                (Ok(Some(Thing::Queue { sent_bytes, .. })), _) => Some(sent_bytes as f64),
                _ => None,
            };
            let key = format!("{}:{}", row.path(), object.name());
            let line = self.line_inside(&key, name_of(object.name()), object.type_text(), number, value);
            page.lines.push(line);
            if series.len() > 1 {
                for one in &series {
                    let (name, key) = (format!("  {}", printable(&one.name)), format!("{key} {}", one.name));
                    let (rank, words) = (series::rank(&one.held), series::words(&one.held));
                    page.lines.push(self.line_inside(&key, name, kind_name(&one.held).to_owned(), Some(rank), words));
                }
            } else if number.is_none() && object.is_plain() && object.state == ObjectState::Ready {
                // A value with few numbers in it: how fast each of them changes is told, too.
                let parts = numbers(row, &object);
                for (path, value, words) in parts.iter().filter(|_| parts.len() <= PARTS_MAX) {
                    let (name, key) = (format!("  {}", printable(path)), format!("{key}{path}"));
                    page.lines.push(self.line_inside(&key, name, String::new(), Some(*value), words.clone()));
                }
            }
        }
        page
    }

    fn line_inside(&mut self, key: &str, name: String, kind: String, number: Option<f64>, value: String) -> Line {
        let rate = number.and_then(|it| self.rate(key.to_owned(), it));
        let trend: String = self.trend(key);
        let skipped = trend.chars().count().saturating_sub(TREND_INSIDE);
        let cells = vec![
            name.into(),
            kind.into(),
            number.map(|_| per_second(rate)).unwrap_or_default(),
            trend.chars().skip(skipped).collect::<String>().into(),
            value.into(),
        ];
        Line { cells, ..Line::default() }
    }
}

/// Of a cache of this user, by its own reader, which is let go of at once: a reader counts as somebody who is attached.
fn stats(row: &Row, object: &LiveObject) -> Option<CacheStats> {
    let is_ours = row.facts.is_some_and(|facts| facts.uid == rustix::process::geteuid().as_raw());
    let is_asked = is_ours && row.state == Life::Alive;
    is_asked.then(|| cache::reader_of(row, object).ok()).flatten().map(|reader| reader.stats())
}

fn kind_name(held: &Held) -> &'static str {
    match held {
        Held::Counter(_) => "counter",
        Held::Gauge(_) => "gauge",
        Held::Histogram(_) => "histogram",
        _ => "?",
    }
}

/// In use by nobody that is known, or by somebody whom no lock tells of.
fn is_odd(row: &Row) -> bool {
    row.state == Life::Alive && row.has_nobody_known() || row.is_told_by_maps
}

/// What a segment is, who is in it, who waits, and what happened last.
fn title(row: &Row) -> Vec<String> {
    let mut title = vec![format!("{}: {}, {}", row.label_with_scope(), row.state.word(), row.path())];
    let people: Vec<_> = row.members.iter().map(|it| format!("{} {}", it.id(), printable(&it.said.program))).collect();
    let readers = row.readers.iter().map(|it| format!("{} {} (reads)", it.pid, printable(&it.program)));
    let people: Vec<_> = people.into_iter().chain(readers).collect();
    title.push(if people.is_empty() { "nobody is attached".to_owned() } else { people.join(", ") });
    let Some(segment) = &row.segment else { return title };
    for (object, lock) in told_locks(row, segment).into_iter().take(2) {
        let holder = lock.owner.as_ref().map(|owner| owner_name(row, owner)).unwrap_or_default();
        let waits = if lock.waiters.is_empty() { String::new() } else { format!(", {} wait", lock.waiters.len()) };
        title.push(format!("{}{}: {} {holder}{waits}", name_of(object.name()), printable(&lock.path), word(&lock)));
    }
    let last = segment.events().ok().flatten().and_then(|events| events.list.last().cloned());
    if let Some(event) = last {
        let when = since_unix(event.unix_ns).map(age).unwrap_or_default();
        title.push(format!("{when} ago: {}", happenings::words(row, segment, &Places::of(segment), &event)));
    }
    title
}
