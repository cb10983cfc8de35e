//! How objects are made and removed, so that a process may be killed at any instruction of it.
//!
//! ```text
//! directory lock:  look again -> reserve -> schema -> entry (BEING_MADE, init_lock = us) -> object_count -> unlock
//! init_lock:       run `init`, write the value -> READY -> unlock
//! ```
//!
//! | killed | what the others see, and who repairs it |
//! |---|---|
//! | before `object_count` | nothing: the next maker writes the same entry, schema and memory again |
//! | between `object_count` and `data_bytes` | the entry counts; memory is given out behind the last one, in any case |
//! | holding the directory lock | it is whole at each of these stores: the next one takes the lock over and goes on |
//! | before READY | BEING_MADE with a dead owner: the next one that asks makes the value, in the same memory |
//! | after READY | the object; nobody asks for `init_lock` any more |
//! | in `remove`, before REMOVED | the object; after it: it is removed |
//!
//! The directory lock is held for some stores and a reservation, never while a program's code runs. Who waits for an
//! `init_lock` holds no other; who holds one may take the directory lock for a moment. So these wait for each other in
//! a ring only if two `init`s wait for each other's objects.

#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

use super::compare::name_users;
use super::directory::{Directory, Found, OBJECT_ALIGN_BYTES, check_name, name_hash};
use super::events::Happened;
use super::header::{OBJECT_BYTES, object_state};
use super::object::TypeLayout;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{Locked, NotLocked, RawLock, Ticket};
use crate::sys::Attached;

/// How long an owner of the directory lock is waited for: it holds it for microseconds, unless it is stopped there.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A segment whose directory this process may change.
#[derive(Clone, Copy)]
pub(crate) struct Maker<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) attached: &'a Attached,
    pub(crate) reserved: &'a Reserved,
}

/// What this process has reserved itself: most objects need no page of their own. What others say that they reserved is
/// not believed, because touching what is not there is a signal.
#[derive(Default)]
pub(crate) struct Reserved {
    /// Of the objects, the schemas and the data.
    areas: [Span; 3],
}

/// Whole pages from `from` to `to`, from the start of the segment. Written by who holds the directory lock.
#[derive(Default)]
struct Span {
    from: AtomicU64,
    to: AtomicU64,
}

impl Span {
    /// From where on the pages up to `end` are yet to be reserved; `None`: they all are.
    fn missing(&self, start: u64, end: u64) -> Option<u64> {
        let (from, to) = (self.from.load(Relaxed), self.to.load(Relaxed));
        let missing = if (from..=to).contains(&start) { to } else { start };
        (missing < end).then_some(missing)
    }

    fn add(&self, start: u64, end: u64) {
        if start != self.to.load(Relaxed) {
            // A child of a fork that is made between these stores finds an empty span.
            self.to.store(0, Relaxed);
            self.from.store(start, Relaxed);
        }
        self.to.store(end, Relaxed);
    }
}

/// An object that was asked for.
pub(crate) enum Claim<'a> {
    Ready(Ready),
    /// Its value is to be made by this thread.
    Make(Making<'a>),
}

/// An object whose value is there.
#[derive(Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) index: u32,
    pub(crate) address: NonNull<u8>,
    /// Of the object, an area's included.
    pub(crate) bytes: u64,
}

/// The right to make an object's value: its `init_lock`. Dropped unfinished (a panic in `init`), it leaves that to the
/// next one who asks.
pub(crate) struct Making<'a> {
    /// Lets go of the lock when this is dropped.
    _held: Held<'a>,
    directory: &'a Directory,
    pub(crate) ready: Ready,
    /// Another one began, and died or panicked: the memory may not be zero any more.
    pub(crate) is_taken_over: bool,
}

impl Making<'_> {
    /// Says that the value is there. Gives `false` if the object's name was taken from it meanwhile.
    pub(crate) fn finish(self) -> bool {
        let state = &self.directory.entry(self.ready.index).state;
        // Release pairs with the Acquire in `Entry::read`: who sees READY sees the value.
        state.compare_exchange(object_state::BEING_MADE, object_state::READY, Release, Relaxed).is_ok()
    }
}

/// A lock word of the directory, held until dropped.
struct Held<'a> {
    lock: &'a RawLock,
    ticket: Ticket,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.lock.unlock(self.ticket);
    }
}

impl<'a> Maker<'a> {
    /// Looks for an object; gives it if it is there and ready. Waits for nobody.
    pub(crate) fn get(self, name: &str, layout: &TypeLayout) -> Result<Option<Ready>> {
        check_name(name)?;
        match self.directory.find(name)? {
            Some(found) if found.entry.state == object_state::READY => self.ready(&found, name, layout).map(Some),
            _ => Ok(None),
        }
    }

    /// Finds the object, or makes it this thread's to make. Waits while another makes it, until `deadline`.
    pub(crate) fn get_or_claim(self, name: &str, layout: &TypeLayout, deadline: Option<Instant>) -> Result<Claim<'a>> {
        check_name(name)?;
        loop {
            let claim = match self.directory.find(name)? {
                Some(found) if found.entry.state == object_state::READY => {
                    return self.ready(&found, name, layout).map(Claim::Ready);
                }
                Some(found) => self.wait_for_maker(found.index, name, layout, deadline)?,
                None => self.add(name, layout)?,
            };
            if let Some(making) = claim {
                return Ok(Claim::Make(making));
            }
        }
    }

    /// Takes the name from an object, if there is one.
    pub(crate) fn remove(self, name: &str) -> Result<bool> {
        check_name(name)?;
        let _held = self.lock_directory(name)?;
        let Some(found) = self.directory.find(name)? else { return Ok(false) };
        self.retire(found.index);
        Ok(true)
    }

    /// The object, if its type is the one that is asked for.
    fn ready(self, found: &Found, name: &str, layout: &TypeLayout) -> Result<Ready> {
        if found.entry.fingerprint != layout.fingerprint {
            return Err(self.mismatch(found, name, layout));
        }
        self.existing(found, layout)
    }

    /// Where an object lies that another process may have written into the directory.
    fn existing(self, found: &Found, layout: &TypeLayout) -> Result<Ready> {
        let (directory, entry) = (self.directory, &found.entry);
        let address = directory.place(entry, layout)?;
        // Its maker reserved it; but damaged bytes may name a place without memory, and touching that is a signal. Who
        // may not reserve, because the segment lost its name or by a limit of its own process, has only the directory's
        // word. Any other reason (no room) says that the memory is not there.
        if let Err(error) = self.attached.reserve_data(entry.data_at, entry.bytes) {
            let why = error.os_error().map(|number| io::Error::from_raw_os_error(number).kind());
            let may_not = matches!(
                why,
                Some(io::ErrorKind::NotFound | io::ErrorKind::FileTooLarge | io::ErrorKind::PermissionDenied)
            );
            if !may_not || entry.data_at + entry.bytes > directory.live().data_bytes().load(Acquire) {
                return Err(error);
            }
        }
        Ok(Ready { index: found.index, address, bytes: entry.bytes })
    }

    /// Waits until the maker of an object has made it, or takes its place if it died or its `init` panicked. `None`:
    /// look again.
    fn wait_for_maker(
        self,
        index: u32,
        name: &str,
        layout: &TypeLayout,
        deadline: Option<Instant>,
    ) -> Result<Option<Making<'a>>> {
        let entry = self.directory.entry(index);
        let deadlock =
            || format!("make the object `{name}` of {}: this thread is making it already", self.directory.path());
        let held = self.lock(&entry.init_lock, deadline, deadlock).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => self.is_being_made(&entry.init_lock, name),
            _ => error,
        })?;
        // Who holds the lock of an object that is being made decides what becomes of it.
        let found = Found { index, entry: entry.read() };
        if found.entry.state != object_state::BEING_MADE {
            return Ok(None);
        }
        if found.entry.fingerprint == layout.fingerprint {
            let ready = self.existing(&found, layout)?;
            return Ok(Some(Making { _held: held, directory: self.directory, ready, is_taken_over: true }));
        }
        // Somebody wanted another type, and did not get to making it: nobody has seen a value, so there is no mismatch.
        let _directory = self.lock_directory(name)?;
        self.retire(index);
        Ok(None)
    }

    /// Writes a new object and gives it to this thread to make. `None`: somebody else was first, look again.
    fn add(self, name: &str, layout: &TypeLayout) -> Result<Option<Making<'a>>> {
        let _held = self.lock_directory(name)?;
        if self.directory.find(name)?.is_some() {
            return Ok(None);
        }
        let schema = layout.schema(name);
        let room = self.room_for(name, layout, schema.len() as u64)?;
        self.directory.write_schema(room.schema_at, &schema);
        let entry = self.directory.entry(room.index);
        entry.schema_at.store(room.schema_at, Relaxed);
        entry.schema_bytes.store(schema.len() as u32, Relaxed);
        entry.data_at.store(room.data_at, Relaxed);
        entry.bytes.store(room.bytes, Relaxed);
        entry.fingerprint.store(layout.fingerprint, Relaxed);
        entry.initial_hash.store(0, Relaxed);
        entry.name_hash.store(name_hash(name), Relaxed);
        entry.state.store(object_state::BEING_MADE, Relaxed);
        // A maker that was killed here before may have left its name in the lock.
        // SAFETY: `RawLock` is one 64-bit atomic, which nobody but the holder of the directory lock looks at yet.
        unsafe { AtomicU64::from_ptr((&raw const entry.init_lock).cast_mut().cast()) }.store(0, Relaxed);
        let held =
            self.lock(&entry.init_lock, None, || format!("make the object `{name}`: its new entry is locked"))?;
        let address = self.directory.place(&entry.read(), layout)?;
        // Release pairs with the Acquire in `Directory::count`: who sees the count sees the entry. This is the commit.
        self.directory.live().object_count().store(room.index + 1, Release);
        self.directory.live().data_bytes().store(room.data_end, Release);
        let ready = Ready { index: room.index, address, bytes: room.bytes };
        Ok(Some(Making { _held: held, directory: self.directory, ready, is_taken_over: false }))
    }

    /// Finds and reserves the places of a new object. The directory lock is held.
    fn room_for(self, name: &str, layout: &TypeLayout, schema_bytes: u64) -> Result<Room> {
        let directory = self.directory;
        let index = directory.count()?;
        let full = |what: String, remedy: &str| {
            let what = format!("no room for the object `{name}` in the segment {}: {what}", directory.path());
            Error::new(ErrorKind::NoSpace, what).hint(remedy)
        };
        if index >= directory.objects_max {
            let removed =
                (0..index).filter(|index| directory.entry(*index).state.load(Relaxed) == object_state::REMOVED);
            return Err(full(
                format!("its table of {index} objects is full ({} of them removed)", removed.count()),
                "make it anew with a larger `max_objects`; places of removed objects are free again when nobody is \
                 attached",
            ));
        }
        // Each area is given out in the order of the entries, so the last one says how far.
        let (schemas_end, last_data_end) = match index.checked_sub(1).map(|last| directory.entry(last).read()) {
            Some(last) => {
                (last.schema_at.saturating_add(last.schema_bytes.into()), last.data_at.saturating_add(last.bytes))
            }
            None => (0, 0),
        };
        // A maker killed after its commit left `data_bytes` behind.
        let data_bytes = directory.live().data_bytes().load(Acquire).max(last_data_end);
        if schemas_end > directory.schemas_max_bytes || data_bytes > directory.data_max_bytes {
            return Err(directory.corrupt("it claims to use more than it has"));
        }
        if schema_bytes > directory.schemas_max_bytes - schemas_end {
            return Err(full(
                format!(
                    "its {} bytes for descriptions of types are full, and this one's takes {schema_bytes}",
                    directory.schemas_max_bytes
                ),
                "make it anew with a larger `max_objects`",
            ));
        }
        let data_at = data_bytes.next_multiple_of(layout.object_align_bytes());
        let bytes = layout.object_bytes().unwrap_or(u64::MAX);
        let data_end = bytes.checked_next_multiple_of(OBJECT_ALIGN_BYTES).and_then(|it| it.checked_add(data_at));
        let Some(data_end) = data_end.filter(|end| *end <= directory.data_max_bytes) else {
            return Err(full(
                format!("{data_bytes} of its {} bytes are used, and it takes {bytes}", directory.data_max_bytes),
                "make it anew with a larger `max_bytes`",
            ));
        };
        let object_at = u64::from(index) * u64::from(OBJECT_BYTES);
        let [objects, schemas, data] = &self.reserved.areas;
        self.reserve(objects, directory.objects_at, object_at, object_at + u64::from(OBJECT_BYTES))?;
        self.reserve(schemas, directory.schemas_at, schemas_end, schemas_end + schema_bytes)?;
        self.reserve(data, directory.data_at, data_at, data_end)?;
        let pages = |bytes: u64| (directory.data_at + bytes).next_multiple_of(directory.page_bytes);
        if pages(data_end) > pages(data_bytes) {
            self.record(Happened::Grown, pages(data_end));
        }
        Ok(Room { index, schema_at: schemas_end, data_at, data_end, bytes })
    }

    /// Makes sure that whole pages of memory hold the bytes from `start` to `end` of an area. The directory lock is
    /// held.
    fn reserve(self, area: &Span, area_at: u64, start: u64, end: u64) -> Result<()> {
        let page = self.directory.page_bytes;
        let (start, end) = ((area_at + start) / page * page, (area_at + end).next_multiple_of(page));
        let Some(start) = area.missing(start, end) else { return Ok(()) };
        self.attached.reserve(start, end - start)?;
        area.add(start, end);
        Ok(())
    }

    /// Takes the name from the object. The directory lock is held.
    fn retire(self, index: u32) {
        // Release pairs with the Acquire in `Entry::read`. Killed here: it is removed, and the one who takes the
        // directory lock over counts it.
        self.directory.entry(index).state.store(object_state::REMOVED, Release);
        self.directory.live().removals().fetch_add(1, AcqRel);
        self.record(Happened::Removed, index.into());
    }

    fn record(self, what: Happened, place: u64) {
        self.attached.live().record(self.attached.slot(), what, place, None);
    }

    fn lock_directory(self, name: &str) -> Result<Held<'a>> {
        let lock = self.directory.lock();
        let locked = match lock.lock_until(Instant::now() + LONGEST_WAIT) {
            // Nobody gives this lock up; damaged bytes may say so.
            Err(NotLocked::NotRecoverable) => lock.lock_given_up(),
            other => other,
        };
        let (ticket, locked) = locked.map_err(|why| match why {
            NotLocked::TimedOut => self.directory_is_busy(name),
            why => self.not_locked(why, || format!("add or remove the object `{name}`: this thread is at it already")),
        })?;
        if let Locked::Inconsistent(_) = locked {
            // Whole as it is; but the dead one may have removed an object without counting it.
            self.directory.live().removals().fetch_add(1, AcqRel);
            lock.mark_consistent(ticket);
        }
        Ok(Held { lock, ticket })
    }

    /// Takes a lock of the directory, also after a dead owner.
    fn lock(self, lock: &'a RawLock, deadline: Option<Instant>, deadlock: impl FnOnce() -> String) -> Result<Held<'a>> {
        let locked = match deadline.map(|deadline| lock.lock_until(deadline)) {
            // Nobody gives these locks up; damaged bytes may say so.
            None | Some(Err(NotLocked::NotRecoverable)) => lock.lock_given_up(),
            Some(locked) => locked,
        };
        let (ticket, locked) = locked.map_err(|why| self.not_locked(why, deadlock))?;
        if let Locked::Inconsistent(_) = locked {
            lock.mark_consistent(ticket);
        }
        Ok(Held { lock, ticket })
    }

    fn not_locked(self, why: NotLocked, deadlock: impl FnOnce() -> String) -> Error {
        match why {
            NotLocked::NoSlot(error) => *error,
            NotLocked::WouldDeadlock => Error::new(ErrorKind::WouldDeadlock, format!("cannot {}", deadlock()))
                .hint("an object's `init` must not ask for the object that it makes"),
            NotLocked::TimedOut => Error::new(ErrorKind::TimedOut, "a lock of the directory was held all the time"),
            NotLocked::WouldBlock | NotLocked::NotRecoverable => {
                self.directory.corrupt("a lock word contradicts itself")
            }
        }
    }

    #[cold]
    fn is_being_made(self, lock: &RawLock, name: &str) -> Error {
        let path = self.directory.path();
        let what = format!(
            "the object `{name}` of the segment {path} was not ready in time: {} makes it, and has not finished",
            owner_of(lock)
        );
        Error::new(ErrorKind::TimedOut, what).hint("wait longer, or look at what that one does")
    }

    #[cold]
    fn directory_is_busy(self, name: &str) -> Error {
        let who = owner_of(self.directory.lock());
        let path = self.directory.path();
        Error::new(
            ErrorKind::Busy,
            format!(
                "cannot add or remove the object `{name}` of the segment {path}: {who} is at it and does not finish"
            ),
        )
        .hint("it may be stopped: let it go on, or end it")
    }

    #[cold]
    fn mismatch(self, found: &Found, name: &str, layout: &TypeLayout) -> Error {
        let place = self.directory.data_at.saturating_add(found.entry.data_at);
        self.record(Happened::Refused, place);
        let error = layout.mismatch(self.directory, &found.entry, name);
        let users = self.attached.participants();
        name_users(error, users.iter().map(|user| (user.pid, user.program.as_str()))).line(
            "to go on: ask for the object under another name; or run programs that agree on the type; or have the name \
             taken from it (`Segment::remove`): who uses it goes on with it, and the next one makes it anew",
        )
    }
}

/// Who holds the lock, for people.
fn owner_of(lock: &RawLock) -> String {
    let owner = lock.owner().and_then(|half| lock.describe_owner(half));
    owner.map_or("another process".into(), |(pid, program)| format!("process {pid} ({program})"))
}

/// The places of a new object, each from the start of its area.
struct Room {
    index: u32,
    schema_at: u64,
    data_at: u64,
    data_end: u64,
    /// Of the object, without the rest of its last line.
    bytes: u64,
}
