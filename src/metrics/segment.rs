//! What every segment knows of itself, as metrics.

use std::sync::atomic::Ordering::Relaxed;

use super::snapshot::{Snapshot, Value};
use crate::segment::live::Live;
use crate::segment::segment::Segment;
use crate::sys::Attached;

impl Segment {
    /// What the segment knows of itself: participants, deaths and recoveries, bytes in use, whether its name is gone.
    /// Each with the label `segment`. Asks the system who lives, and writes deaths that nobody has told of down among
    /// the events.
    ///
    /// ```
    /// # use cotenant::{Backing, Segment, metrics::Format};
    /// let segment = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20).create("example")?;
    /// let text = segment.facts().render(Format::Prometheus);
    /// assert!(text.contains("cotenant_participants{segment="));
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    pub fn facts(&self) -> Snapshot {
        facts(self.attached())
    }
}

/// Of a segment that this process is attached to.
pub(crate) fn facts(attached: &Attached) -> Snapshot {
    let live = attached.live();
    attached.tell_deaths();
    of(&Facts {
        segment: &attached.path,
        participants: attached.participants().len() as u64,
        tenancies: tenancies(live),
        deaths: live.participant_deaths().load(Relaxed),
        recoveries: live.deaths().load(Relaxed),
        used_bytes: live.data_bytes().load(Relaxed),
        is_unlinked: attached.is_unlinked(),
    })
}

/// How often slots were taken.
fn tenancies(live: Live) -> u64 {
    let reserved = live.participants_reserved().load(Relaxed).min(live.participants_max());
    (1..=reserved)
        .filter_map(|slot| live.participant(slot))
        .map(|entry| u64::from(entry.generation.load(Relaxed)))
        .sum()
}

/// What is told of a segment.
pub(crate) struct Facts<'a> {
    pub(crate) segment: &'a str,
    pub(crate) participants: u64,
    pub(crate) tenancies: u64,
    pub(crate) deaths: u64,
    pub(crate) recoveries: u64,
    pub(crate) used_bytes: u64,
    pub(crate) is_unlinked: bool,
}

pub(crate) fn of(facts: &Facts<'_>) -> Snapshot {
    let mut snapshot = Snapshot::new();
    let mut tell = |name: &str, help: &str, value: Value| {
        snapshot.add_help(name, help);
        snapshot.push(name, vec![("segment".to_owned(), facts.segment.to_owned())], value);
    };
    tell(
        "cotenant_participants",
        "Processes that are attached and hold a slot.",
        Value::Gauge(facts.participants as f64),
    );
    tell("cotenant_attached", "Processes that have ever taken a slot.", Value::Counter(facts.tenancies));
    tell(
        "cotenant_deaths",
        "Participants that ended without letting go: killed, crashed, or by _exit.",
        Value::Counter(facts.deaths),
    );
    tell(
        "cotenant_recoveries",
        "Locks and cells that were taken from an owner that had died.",
        Value::Counter(facts.recoveries),
    );
    tell("cotenant_used_bytes", "Bytes of the segment that are in use.", Value::Gauge(facts.used_bytes as f64));
    let unlinked = f64::from(u8::from(facts.is_unlinked));
    tell("cotenant_unlinked", "1 if the segment's name is gone while it is in use.", Value::Gauge(unlinked));
    snapshot
}
