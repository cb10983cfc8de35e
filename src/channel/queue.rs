//! `Queue`: where a queue lies, what it delivers, and how its ends are had.
//!
//! ```text
//! segment of its own:  object "queue"        create, open, open_or_create
//! any segment:         object of that name   ..._in(&segment, name)
//!
//! object:  | QueueHead | ring of units, a power of two |
//! ```

#![allow(unsafe_code)]

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::head::{HEAD_BYTES, QueueHead};
use super::places::Fate;
use super::receiver::Receiver;
use super::record::UNIT_BYTES;
use super::ring::{MAX_UNITS, MIN_UNITS, Ring};
use super::sender::Sender;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::atomic::Ordering::Relaxed;
use crate::segment::area::Area;
use crate::segment::options::SegmentOptions;
use crate::segment::segment::Segment;

/// The object's name in a segment of its own.
const OBJECT: &str = "queue";
/// For the directory's own pages, and the rounding to a page.
const ROOM_BESIDE: u64 = 64 << 10;
const DEFAULT_CAPACITY_BYTES: u64 = 1 << 20;
/// How long a role is waited for that another one may hold for some stores only.
const ROLE_PATIENCE: Duration = Duration::from_millis(200);

/// How often a message is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Delivery {
    /// Once, or, if its receiver dies, not at all. The default.
    #[default]
    AtMostOnce,
    /// Until a receiver says [`ack`](super::Message::ack). What comes again says so.
    AtLeastOnce,
}

impl Delivery {
    const fn number(self) -> u32 {
        match self {
            Delivery::AtMostOnce => 1,
            Delivery::AtLeastOnce => 2,
        }
    }

    const fn fate(self) -> Fate {
        match self {
            Delivery::AtMostOnce => Fate::Drop,
            Delivery::AtLeastOnce => Fate::Return,
        }
    }
}

/// How a [`Queue`] is made. Who finds one gets it as it is; another delivery than the one asked for is refused.
///
/// ```
/// use cotenant::channel::{Delivery, Queue};
/// use cotenant::{Backing, Segment};
///
/// let inherited = Segment::options().backing(Backing::Anonymous);
/// let options = Queue::options().capacity_bytes(1 << 16).delivery(Delivery::AtLeastOnce).segment(inherited);
/// let jobs = options.create("jobs")?; // for this process and those that it forks
/// # Ok::<(), cotenant::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "options do nothing until `create`, `open` or `open_or_create`"]
pub struct QueueOptions {
    capacity_bytes: Option<u64>,
    delivery: Option<Delivery>,
    segment: SegmentOptions,
}

impl QueueOptions {
    /// Bytes of its ring, rounded up to a power of two, 1 KiB to 4 GiB; 1 MiB without this. A message takes its bytes
    /// and 16, rounded up to 16; the longest has half of the ring. All of it is reserved when the queue is made.
    pub fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.capacity_bytes = Some(bytes);
        self
    }

    /// How often a message is delivered; at most once without this.
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = Some(delivery);
        self
    }

    /// What the segment of the queue is to be: backing, mode, group, scope, how long it lives. Its size is the queue's
    /// business.
    pub fn segment(mut self, segment: SegmentOptions) -> Self {
        self.segment = segment;
        self
    }

    /// Makes a queue in a segment of its own.
    ///
    /// # Errors
    /// As [`SegmentOptions::create`]; `InvalidInput` for a capacity that no queue can have.
    pub fn create(&self, name: &str) -> Result<Queue<'static>> {
        self.check()?;
        self.own(self.segment_options().create(name)?)
    }

    /// Opens a queue that is there.
    ///
    /// # Errors
    /// As [`SegmentOptions::open`]; `NotFound` if the segment has no queue, `Mismatch` if it delivers otherwise.
    pub fn open(&self, name: &str) -> Result<Queue<'static>> {
        self.check()?;
        let segment = self.segment_options().open(name)?;
        let queue = self.find(&segment, OBJECT)?;
        let found = queue.ok_or_else(|| not_found(OBJECT, segment.path()))?;
        Ok(found.at(Home::Own(segment)))
    }

    /// Opens the queue of that name, and makes it if there is none.
    ///
    /// # Errors
    /// As of [`create`](QueueOptions::create) and [`open`](QueueOptions::open), without `NotFound` and `AlreadyExists`;
    /// `Mismatch` also if the segment of that name was made for something else.
    pub fn open_or_create(&self, name: &str) -> Result<Queue<'static>> {
        self.check()?;
        self.own(self.segment_options().open_or_create(name)?)
    }

    /// The queue of that name in a segment; if there is none, it is made. The segment must have room for it.
    ///
    /// # Errors
    /// As [`Segment::get_or_init`]; `Mismatch` also if it delivers otherwise.
    pub fn open_or_create_in<'s>(&self, segment: &'s Segment, name: &str) -> Result<Queue<'s>> {
        self.check()?;
        Ok(self.find_or_make(segment, name)?.at(Home::Borrowed(segment)))
    }

    /// The queue of that name in a segment.
    ///
    /// # Errors
    /// `NotFound`; else as [`open_or_create_in`](QueueOptions::open_or_create_in).
    pub fn open_in<'s>(&self, segment: &'s Segment, name: &str) -> Result<Queue<'s>> {
        self.check()?;
        let found = self.find(segment, name)?.ok_or_else(|| not_found(name, segment.path()))?;
        Ok(found.at(Home::Borrowed(segment)))
    }

    fn unit_count(&self) -> Result<u64> {
        let bytes = self.capacity_bytes.unwrap_or(DEFAULT_CAPACITY_BYTES);
        let units = bytes.div_ceil(UNIT_BYTES).checked_next_power_of_two().filter(|units| *units <= MAX_UNITS);
        match units {
            Some(units) if bytes > 0 => Ok(units.max(MIN_UNITS)),
            _ => {
                let what = format!("a queue cannot have a capacity of {bytes} bytes");
                Err(Error::new(ErrorKind::InvalidInput, what).hint("1 KiB to 4 GiB are possible"))
            }
        }
    }

    /// Refuses, before any system call, what cannot be had.
    fn check(&self) -> Result<()> {
        self.unit_count().map(drop)
    }

    fn segment_options(&self) -> SegmentOptions {
        let ring_bytes = self.unit_count().unwrap_or(MIN_UNITS) * UNIT_BYTES;
        self.segment.clone().max_bytes(HEAD_BYTES as u64 + ring_bytes + ROOM_BESIDE)
    }

    fn own(&self, segment: Segment) -> Result<Queue<'static>> {
        let found = self.find_or_make(&segment, OBJECT);
        let why = |error| segment.why_not_made("queue", OBJECT, self.unit_count().unwrap_or(0) * UNIT_BYTES, error);
        Ok(found.map_err(why)?.at(Home::Own(segment)))
    }

    fn find_or_make(&self, segment: &Segment, name: &str) -> Result<Found> {
        let bytes = self.unit_count()? * UNIT_BYTES;
        let delivery = self.delivery.unwrap_or_default();
        let area = segment.get_or_init_area(name, bytes, |_, byte_count| {
            // All marks are EMPTY: the bytes are zero. A maker that died before may have chosen another size.
            let most = byte_count as u64 / UNIT_BYTES / 2 * UNIT_BYTES;
            QueueHead::new(delivery.number(), most)
        })?;
        self.ring_of(&area, name, segment.path())
    }

    fn find(&self, segment: &Segment, name: &str) -> Result<Option<Found>> {
        let area = segment.get_area::<QueueHead>(name)?;
        area.map(|area| self.ring_of(&area, name, segment.path())).transpose()
    }

    fn ring_of(&self, area: &Area<'_, QueueHead>, name: &str, path: &str) -> Result<Found> {
        // A queue in a segment of its own is known by that.
        let name = if name == OBJECT { String::new() } else { format!("`{name}` ") } + "of the segment " + path;
        let name = Arc::<str>::from(name);
        let damaged = |why: &str| {
            let what = format!("the queue {name} is damaged: {why}");
            Error::new(ErrorKind::Corrupt, what).hint("end the programs that use it and make it anew")
        };
        if u64::from(area.head.unit_bytes.load(Relaxed)) != UNIT_BYTES {
            return Err(damaged("it is counted in units that this program does not know"));
        }
        let units = area.byte_count as u64 / UNIT_BYTES;
        if !units.is_power_of_two() || !(MIN_UNITS..=MAX_UNITS).contains(&units) {
            return Err(damaged("its ring has a size that none can have"));
        }
        let delivery = match area.head.delivery.load(Relaxed) {
            1 => Delivery::AtMostOnce,
            2 => Delivery::AtLeastOnce,
            _ => return Err(damaged("it does not say how it delivers")),
        };
        if let Some(wanted) = self.delivery.filter(|wanted| *wanted != delivery) {
            let what = format!("the queue {name} delivers {delivery:?}, not {wanted:?}");
            return Err(Error::new(ErrorKind::Mismatch, what)
                .hint("ask for what it does, or end its programs and make it anew"));
        }
        // SAFETY: the area has so many bytes behind its head, on a boundary of 64, mapped and reserved as long as the
        // segment is attached: `Queue` keeps or borrows it, and the name, and its ends borrow the queue.
        let ring = unsafe { Ring::new(area.head, area.bytes, units, &name) };
        Ok(Found { ring, delivery, name })
    }
}

struct Found {
    ring: Ring,
    delivery: Delivery,
    name: Arc<str>,
}

impl Found {
    fn at(self, home: Home<'_>) -> Queue<'_> {
        let Found { ring, delivery, name } = self;
        Queue { ring, delivery, name, home }
    }
}

fn not_found(name: &str, path: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no queue `{name}` in the segment {path}"))
        .hint("start the program that makes it")
}

/// Messages of any length between any number of senders and receivers, in shared memory: in the order in which they
/// were reserved, each to one receiver.
///
/// ```
/// use cotenant::channel::Queue;
/// use cotenant::{Backing, Segment};
///
/// let queue = Queue::options().segment(Segment::options().backing(Backing::Anonymous)).create("example")?;
/// let (mut sender, receiver) = (queue.sender()?, queue.receiver()?);
///
/// sender.send(b"copied")?;
/// let mut place = sender.reserve(8)?; // written where it will be read
/// place.copy_from_slice(b"in place");
/// place.commit();
///
/// assert_eq!(&*receiver.recv()?, b"copied");
/// assert_eq!(&*receiver.recv()?, b"in place");
/// assert!(receiver.try_recv()?.is_none());
/// # Ok::<(), cotenant::Error>(())
/// ```
///
/// A process that is killed at any instruction loses the message that it was sending, and nothing that was accepted;
/// nobody waits for it. See docs/channels.md for who finds what.
pub struct Queue<'s> {
    ring: Ring,
    delivery: Delivery,
    /// As `ring` tells it. Not a `Box`, which nothing may point into while it moves.
    name: Arc<str>,
    home: Home<'s>,
}

/// What keeps the ring mapped.
enum Home<'s> {
    Own(Segment),
    Borrowed(&'s Segment),
    #[cfg(any(test, cotenant_model))]
    Private(#[allow(dead_code)] Box<super::private::Memory>),
}

// SAFETY: what it points to is shared by atomics and stays mapped as long as the queue.
unsafe impl Send for Queue<'_> {}
// SAFETY: as above.
unsafe impl Sync for Queue<'_> {}

impl Queue<'_> {
    /// The options of a queue that is to be made or opened.
    pub fn options() -> QueueOptions {
        QueueOptions::default()
    }

    /// An end that sends; any number of them may be there. Each `send` takes a lock for some stores.
    ///
    /// # Errors
    /// This process cannot become a participant of the segment.
    pub fn sender(&self) -> Result<Sender<'_>> {
        Sender::new(self.ring, self.delivery.fate())
    }

    /// The only end that sends: while it is there, others wait. It needs no lock for each message, which makes it two
    /// to three times as fast.
    ///
    /// # Errors
    /// `Busy`: another process or thread is the sole sender, or was stopped while it sent; the message names it.
    /// `WouldDeadlock`: this thread is.
    pub fn sole_sender(&self) -> Result<Sender<'_>> {
        self.sole_sender_timeout(ROLE_PATIENCE)
    }

    /// As [`sole_sender`](Queue::sole_sender); waits at most `timeout` until the one that is ends, or dies.
    ///
    /// # Errors
    /// As [`sole_sender`](Queue::sole_sender).
    pub fn sole_sender_timeout(&self, timeout: Duration) -> Result<Sender<'_>> {
        Sender::sole(self.ring, self.delivery.fate(), timeout)
    }

    /// An end that receives; any number of them may be there, and each message goes to one.
    ///
    /// # Errors
    /// This process cannot become a participant of the segment.
    pub fn receiver(&self) -> Result<Receiver<'_>> {
        Receiver::new(self.ring, self.delivery.fate())
    }

    /// The only end that receives: while it is there, others find nothing. It needs no lock for each message. What an
    /// earlier one that died had not acknowledged comes first.
    ///
    /// # Errors
    /// As [`sole_sender`](Queue::sole_sender).
    pub fn sole_receiver(&self) -> Result<Receiver<'_>> {
        self.sole_receiver_timeout(ROLE_PATIENCE)
    }

    /// As [`sole_receiver`](Queue::sole_receiver); waits at most `timeout` until the one that is ends, or dies.
    ///
    /// # Errors
    /// As [`sole_sender`](Queue::sole_sender).
    pub fn sole_receiver_timeout(&self, timeout: Duration) -> Result<Receiver<'_>> {
        Receiver::sole(self.ring, self.delivery.fate(), timeout)
    }

    /// How often a message is delivered.
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// Bytes of the ring.
    pub fn capacity_bytes(&self) -> u64 {
        self.ring.unit_count() * UNIT_BYTES
    }

    /// The longest message that it takes.
    pub fn max_message_bytes(&self) -> u64 {
        self.ring.message_max_bytes()
    }

    /// Bytes of the ring that are taken at the moment, by messages and what lies between them. For people.
    pub fn used_bytes(&self) -> u64 {
        self.ring.used_units() * UNIT_BYTES
    }

    /// The segment that it lies in.
    pub fn segment(&self) -> &Segment {
        match &self.home {
            Home::Own(segment) => segment,
            Home::Borrowed(segment) => segment,
            #[cfg(any(test, cotenant_model))]
            Home::Private(_) => unreachable!("a queue in private memory has no segment"),
        }
    }

    #[cfg(test)]
    pub(super) fn ring(&self) -> Ring {
        self.ring
    }

    #[cfg(any(test, cotenant_model))]
    pub(super) fn with_memory(memory: Box<super::private::Memory>, delivery: Delivery) -> Queue<'static> {
        let name = Arc::<str>::from("in private memory");
        let ring = memory.ring(&name);
        Queue { ring, delivery, name, home: Home::Private(memory) }
    }
}

impl fmt::Debug for Queue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("name", &self.name)
            .field("delivery", &self.delivery)
            .field("capacity_bytes", &self.capacity_bytes())
            .field("used_bytes", &self.used_bytes())
            .finish_non_exhaustive()
    }
}
