//! What happened in a segment: its ring of events, from the oldest that is still there.

use std::time::Duration;

use super::objects::LiveObject;
use super::segment::LiveSegment;
use crate::error::Result;
use crate::segment::events::{EVENT_BYTES, Event, Happened, hand_over_parts};

/// What a segment remembers of what happened in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Events {
    /// By their numbers. Those that are being written, or were written only half, are missing.
    pub list: Vec<LiveEvent>,
    /// How many events there ever were.
    pub count: u64,
}

/// Something that happened. All of it is its writer's word.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveEvent {
    /// Counts the segment's events, from 0.
    pub number: u64,
    /// When: nanoseconds since 1970.
    pub unix_ns: u64,
    /// What.
    pub kind: EventKind,
    /// The slot of the participant that wrote it down; 0: it had none.
    pub writer_slot: u32,
    /// Its process id, as it counts.
    pub writer_pid: u32,
    /// Where: of a lock the word's offset in the segment, of growth the end of what is there, of a removal the number
    /// of the object; else 0.
    pub place: u64,
    /// Of a hand-over: for how long the lock was waited for, to a hundredth of a second; 655 s stand for more.
    pub waited: Option<Duration>,
    /// Whom it is about; who came, who was found dead, who leads.
    pub about: EventSubject,
}

/// Whom an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventSubject {
    /// Its slot; 0: it had none, as a program that was refused.
    pub slot: u32,
    /// The how-manieth tenant of the slot it was.
    pub generation: u32,
    /// Its process id, as it counts; 0: the slot had another tenant already.
    pub pid: u32,
    /// The beginning of its program's name.
    pub program: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A participant came.
    Attached,
    /// A participant left in good order.
    Detached,
    /// A participant was found dead.
    Died,
    /// A lock's owner was found dead, and the lock taken over.
    OwnerDied,
    /// What a dead owner, or a panic, left was repaired, or called whole.
    Repaired,
    /// A thread panicked under a lock.
    LeftHalfChanged,
    /// A repairer gave up: nobody gets the lock before it is reset.
    GivenUp,
    /// What a dead reader, permit holder or leader had was given back.
    GivenBack,
    /// More memory was reserved.
    Grown,
    /// A program was refused because its types differ from the segment's.
    Refused,
    /// A process became the leader.
    Leads,
    /// An object's name was taken from it.
    Removed,
    /// A lock went from an owner who lived to one who had waited for it for 0.1 s or more; it is about the former, and
    /// told by the latter.
    HandedOver,
    /// A number that this version does not know.
    Unknown(u16),
}

impl EventKind {
    /// All that this version knows.
    pub const ALL: &[EventKind] = &[
        EventKind::Attached,
        EventKind::Detached,
        EventKind::Died,
        EventKind::OwnerDied,
        EventKind::Repaired,
        EventKind::LeftHalfChanged,
        EventKind::GivenUp,
        EventKind::GivenBack,
        EventKind::Grown,
        EventKind::Refused,
        EventKind::Leads,
        EventKind::Removed,
        EventKind::HandedOver,
    ];

    fn of(number: u16) -> EventKind {
        let known = EventKind::ALL.iter().find(|kind| kind.happened().is_some_and(|it| it as u16 == number));
        known.copied().unwrap_or(EventKind::Unknown(number))
    }

    fn happened(self) -> Option<Happened> {
        Some(match self {
            EventKind::Attached => Happened::Attached,
            EventKind::Detached => Happened::Detached,
            EventKind::Died => Happened::Died,
            EventKind::OwnerDied => Happened::OwnerDied,
            EventKind::Repaired => Happened::Repaired,
            EventKind::LeftHalfChanged => Happened::LeftHalfChanged,
            EventKind::GivenUp => Happened::GivenUp,
            EventKind::GivenBack => Happened::GivenBack,
            EventKind::Grown => Happened::Grown,
            EventKind::Refused => Happened::Refused,
            EventKind::Leads => Happened::Leads,
            EventKind::Removed => Happened::Removed,
            EventKind::HandedOver => Happened::HandedOver,
            EventKind::Unknown(_) => return None,
        })
    }

    /// In one word, as `cotenant trace --json` has it.
    pub const fn name(self) -> &'static str {
        match self {
            EventKind::Attached => "attached",
            EventKind::Detached => "detached",
            EventKind::Died => "died",
            EventKind::OwnerDied => "owner-died",
            EventKind::Repaired => "repaired",
            EventKind::LeftHalfChanged => "left-half-changed",
            EventKind::GivenUp => "given-up",
            EventKind::GivenBack => "given-back",
            EventKind::Grown => "grown",
            EventKind::Refused => "refused",
            EventKind::Leads => "leads",
            EventKind::Removed => "removed",
            EventKind::HandedOver => "handed-over",
            EventKind::Unknown(_) => "unknown",
        }
    }
}

impl LiveSegment {
    /// What happened in the segment, as far as its ring remembers. `None`: it has no ring, as those of older versions
    /// and those of a Windows program's section.
    ///
    /// ```
    /// use cotenant::Segment;
    /// use cotenant::inspect::live::{EventKind, LiveSegment};
    ///
    /// # if !cfg!(target_os = "linux") { return Ok(()) }
    /// # let folder = std::env::temp_dir().join(format!("cotenant-doc-events-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).ok();
    /// let segment = Segment::options().folder(&folder).max_bytes(1 << 20).create("acme.traced")?;
    /// let events = LiveSegment::open(segment.path().as_ref())?.events()?.expect("it has a ring");
    /// assert_eq!(events.list[0].kind, EventKind::Attached);
    /// assert_eq!(events.list[0].about.pid, std::process::id());
    /// # drop(segment);
    /// # std::fs::remove_dir_all(&folder).ok();
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The ring cannot be read.
    pub fn events(&self) -> Result<Option<Events>> {
        let header = &self.header;
        if header.events_at == 0 {
            return Ok(None);
        }
        let failed = |cause| self.cannot_read("events", &cause);
        let mut count = [0; 8];
        let next_at = std::mem::offset_of!(crate::segment::header::Header, event_next);
        self.source.read(&mut count, next_at as u64).map_err(failed)?;
        let mut bytes = vec![0; header.events_max as usize * EVENT_BYTES as usize];
        self.source.read(&mut bytes, header.events_at).map_err(failed)?;
        let places = bytes.chunks_exact(EVENT_BYTES as usize).filter_map(|place| place.first_chunk());
        let mut list: Vec<_> = places.filter_map(Event::decode).map(event).collect();
        list.sort_by_key(|event| event.number);
        Ok(Some(Events { list, count: u64::from_le_bytes(count) }))
    }
}

impl LiveObject {
    /// Whether a place in the segment, such as [`LiveEvent::place`] of a lock, lies in this object.
    pub fn holds(&self, place: u64) -> bool {
        (self.at..self.at.saturating_add(self.size_bytes)).contains(&place)
    }
}

fn event(event: Event) -> LiveEvent {
    let end = event.program.iter().position(|byte| *byte == 0).unwrap_or(event.program.len());
    let kind = EventKind::of(event.what);
    let (place, waited) = match kind {
        EventKind::HandedOver => {
            let (place, waited_ms) = hand_over_parts(event.place);
            (place, Some(Duration::from_millis(waited_ms)))
        }
        _ => (event.place, None),
    };
    LiveEvent {
        number: event.number,
        unix_ns: event.unix_ns,
        kind,
        writer_slot: event.slot.into(),
        writer_pid: event.pid,
        place,
        waited,
        about: EventSubject {
            slot: event.about_half >> 20,
            generation: event.about_half >> 1 & 0x7_ffff,
            pid: event.about_pid,
            program: String::from_utf8_lossy(&event.program[..end]).into_owned(),
        },
    }
}
