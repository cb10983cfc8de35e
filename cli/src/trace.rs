//! `cotenant trace`: what happened in a segment, and what happens in it.
//!
//! ```text
//! ring of events    what participants wrote down: who came, died, took over, repaired
//! looks             what is seen while one follows: deaths that nobody has noticed yet, owners of locks
//! ```

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use cotenant::inspect::live::{EventKind, LiveEvent, LiveParticipant, LiveSegment, ObjectState};
use cotenant::inspect::printable;
use serde_json::{Value, json};

use crate::happenings::{self, Places};
use crate::human;
use crate::look::{From, Row, View, find};
use crate::output::{complain, finish};

const EXAMPLES: &str = "\
Examples:
  cotenant trace acme.jobs                    what happened, the latest last
  cotenant trace acme.jobs --last 20
  cotenant trace acme.jobs --follow           and what happens, until nobody is attached any more
  cotenant trace acme.jobs -f --only died,owner-died,repaired,refused
  cotenant trace acme.jobs --json | jq -r 'select(.event == \"died\") | .program'

A segment remembers its last 256 events, as its participants wrote them down: attached, detached, died (found dead),
owner-died (a lock was taken over), repaired, left-half-changed (a panic), given-up, given-back, grown, refused (other
types), leads, removed, handed-over (a lock that was waited for for 0.1 s or more). They are there until the segment is
removed, also when everybody is dead. That a lock was taken without such a wait is written down nowhere.

With --follow it looks, too, ten times a second: gone (a participant's slot is free, whoever noticed), owner (a lock has
another owner than at the look before; what happens between two looks is not seen).

Exit status: 0 done, 1 failed, 2 wrong usage.";

/// The version of the documents.
const SCHEMA: u32 = 1;

/// Arguments of `cotenant trace`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Trace {
    /// Name, name@scope, file name or path; or the beginning of one
    #[arg(value_name = "SEGMENT")]
    segment: String,
    /// Goes on with what happens
    #[arg(long, short)]
    follow: bool,
    /// Only the last events of what happened, of those that --only picks
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// Only these; several with commas
    #[arg(long, value_name = "KIND", value_parser = kinds(), value_delimiter = ',')]
    only: Vec<String>,
    /// With --follow: from one look to the next
    #[arg(long, value_name = "DUR", default_value = "100ms", value_parser = human::duration)]
    interval: Duration,
    /// With --follow: ends after this time
    #[arg(long = "for", value_name = "DUR", value_parser = human::duration, requires = "follow")]
    duration: Option<Duration>,
    /// Writes one JSON document in each line (docs/tool.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: From,
}

/// A participant's slot is free, and nobody has said so.
const GONE: &str = "gone";
/// A lock has another owner than at the look before.
const OWNER: &str = "owner";

/// What may be asked for: what is written down, and what is seen by looking.
fn kinds() -> PossibleValuesParser {
    let written = EventKind::ALL.iter().map(|kind| kind.name());
    PossibleValuesParser::new(written.chain([GONE, OWNER]))
}

impl Trace {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let view = View::new(&self.from)?;
        let row = find(&view, &self.segment)?;
        let Some(segment) = &row.segment else {
            bail!("{}", row.complaint());
        };
        // Before the events are read: what changes meanwhile is told twice rather than never.
        let first = self.follow.then(|| Look::take(segment, self.wants(OWNER)));
        let Some(events) = segment.events().map_err(|error| anyhow!("{error}"))? else {
            bail!("{} has no events: an older version made it", row.path());
        };
        let places = Places::of(segment);
        let wanted: Vec<_> = events.list.iter().filter(|event| self.wants(event.kind.name())).collect();
        let skipped = wanted.len().saturating_sub(self.last.unwrap_or(usize::MAX));
        let lost = events.count.saturating_sub(events.list.len() as u64);
        if lost > 0 && !self.json && self.last.is_none() {
            complain(&format!("{lost} earlier events are forgotten"));
        }
        let written = wanted.into_iter().skip(skipped).try_for_each(|event| {
            self.write(event.unix_ns, &happenings::words(&row, segment, &places, event), || {
                happenings::document(&row, segment, &places, event)
            })
        });
        match (written, first) {
            (Ok(()), Some(first)) => finish(self.go_on(&row, segment, events.count, first))?,
            (other, _) => finish(other)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }

    fn write(&self, unix_ns: u64, words: &str, document: impl FnOnce() -> Value) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            let mut line = json!({ "schema": SCHEMA });
            if let (Value::Object(line), Value::Object(document)) = (&mut line, document()) {
                line.extend(document);
            }
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{}  {words}", happenings::time(unix_ns))?;
        }
        out.flush()
    }

    /// Until nobody is attached any more, or the time is up.
    fn go_on(&self, row: &Row, segment: &LiveSegment, mut next: u64, first: Look) -> std::io::Result<()> {
        let end = self.duration.map(|duration| Instant::now() + duration);
        let mut seen = first;
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            std::thread::sleep(self.interval.min(left.unwrap_or(self.interval)));
            let is_over = left == Some(Duration::ZERO);
            // Before the events are read: what the last one wrote is still shown.
            let is_dead = segment.life() == cotenant::inspect::live::Life::Nobody;
            let events = segment.events().ok().flatten();
            let known: Vec<LiveEvent> = events.map(|it| it.list).unwrap_or_default();
            let places = Places::of(segment);
            let from = known.partition_point(|event| event.number < next);
            for event in &known[from..] {
                next = event.number.saturating_add(1);
                if self.wants(event.kind.name()) {
                    self.write(event.unix_ns, &happenings::words(row, segment, &places, event), || {
                        happenings::document(row, segment, &places, event)
                    })?;
                }
            }
            let look = Look::take(segment, self.wants(OWNER));
            self.differences(&seen, &look, &known)?;
            seen = look;
            if is_dead {
                complain(&format!("nobody is attached to {} any more", row.path()));
                return Ok(());
            }
            if is_over {
                return Ok(());
            }
        }
    }

    /// What nobody wrote down.
    fn differences(&self, before: &Look, after: &Look, known: &[LiveEvent]) -> std::io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        for ((slot, generation), who) in &before.living {
            let left = |event: &&LiveEvent| {
                event.kind == EventKind::Detached && (event.about.slot, event.about.generation) == (*slot, *generation)
            };
            if after.living.contains_key(&(*slot, *generation)) || known.iter().any(|event| left(&event)) {
                continue;
            }
            if self.wants(GONE) {
                let words = format!("{} {} is gone, and did not say so", who.pid, printable(&who.program));
                self.write(now, &words, || {
                    json!({ "unix_ns": now, "event": GONE, "pid_there": who.pid, "program": who.program,
                        "slot": slot, "generation": generation })
                })?;
            }
        }
        for (lock, owner) in &after.owners {
            let was = before.owners.get(lock).cloned().flatten();
            if !self.wants(OWNER) || was == *owner {
                continue;
            }
            let name = |owner: &Option<(u32, String)>| match owner {
                Some((pid, program)) => format!("{pid} {}", printable(program)),
                None => "nobody".to_owned(),
            };
            let words = format!("{}: held by {} (before: {})", printable(lock), name(owner), name(&was));
            let pid = |owner: &Option<(u32, String)>| owner.as_ref().map(|(pid, _)| *pid);
            self.write(now, &words, || {
                json!({ "unix_ns": now, "event": OWNER, "where": lock, "pid_there": pid(owner),
                    "before_pid_there": pid(&was) })
            })?;
        }
        Ok(())
    }
}

/// What one look at a segment shows.
struct Look {
    /// By slot and generation.
    living: BTreeMap<(u32, u32), LiveParticipant>,
    /// Of every lock that names its owner: who it is.
    owners: BTreeMap<String, Option<(u32, String)>>,
}

impl Look {
    fn take(segment: &LiveSegment, has_owners: bool) -> Look {
        let participants = segment.participants().unwrap_or_default();
        let mut owners = BTreeMap::new();
        let objects = if has_owners { segment.objects().unwrap_or_default() } else { Vec::new() };
        for object in objects.into_iter().flatten().filter(|object| object.state == ObjectState::Ready) {
            for lock in segment.locks(&object, &participants).unwrap_or_default() {
                let part = if lock.part == "lock" { String::new() } else { format!(" ({})", lock.part) };
                let owner = lock.owner.and_then(|owner| owner.participant);
                let owner = owner.map(|it| (it.pid, it.program));
                owners.insert(format!("{}{}{part}", object.name(), lock.path), owner);
            }
        }
        let living = participants.into_iter().filter(|it| it.lives == Some(true));
        Look { living: living.map(|it| ((it.slot, it.generation), it)).collect(), owners }
    }
}
