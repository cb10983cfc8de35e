//! `Segment`: memory that processes share, with named, typed objects in it.
//!
//! ```text
//! Segment --> Attached   what the system keeps: mapping, slot, locks of life
//!         --> Directory  which objects there are (shared, distrusted)
//!         --> Names      which of them this process has looked up (its own)
//! ```
//!
//! All references to objects borrow from the `Segment`, so none is left when it is dropped and its memory goes.

#![allow(unsafe_code)]

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Acquire;
use std::time::{Duration, Instant};

use super::directory::Directory;
use super::header::object_state;
use super::list::{self, PruneOptions, Pruned, SegmentInfo};
use super::make::{Claim, Maker, Making, Ready, Reserved};
use super::names::{KnownObject, Names};
use super::object::{Objects, TypeLayout};
use super::options::SegmentOptions;
use super::request::Opening;
use crate::error::Result;
use crate::process_sync::ProcessSync;
use crate::segment::participant::Participant;
use crate::sys::{self, Attached};

/// Memory that processes share, attached to this one.
///
/// Made by [`Segment::options`]. It holds *objects*: values with a name and a type, which the first process that asks
/// for one makes and all others find.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use cotenant::{Backing, Segment};
///
/// let segment = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20).create("example")?;
/// let done: &AtomicU64 = segment.get_or_init("done", || AtomicU64::new(0))?;
/// done.fetch_add(1, Relaxed);
/// assert_eq!(segment.get::<AtomicU64>("done")?.map(|done| done.load(Relaxed)), Some(1));
/// # Ok::<(), cotenant::Error>(())
/// ```
///
/// Threads may share a `Segment`. Dropping it detaches: this process gives its slot back, and the values stay for the
/// others (and, with [`Keep::UntilRemoved`](crate::Keep::UntilRemoved), for those who come later). References to
/// objects borrow from it; [`leak`](Segment::leak) gives a segment that lives as long as the process, for statics.
///
/// A process that is killed is detached by the system. What it was making is made by the next one who asks, and locks
/// that it held say `OwnerDied`.
pub struct Segment {
    attached: &'static Attached,
    directory: Directory,
    names: Names,
    reserved: Reserved,
}

impl Segment {
    /// The options of a segment that is to be created or opened.
    pub fn options() -> SegmentOptions {
        SegmentOptions::default()
    }

    /// Takes over what [`sys::segment::open`] gave.
    pub(crate) fn new(attached: &'static Attached) -> Segment {
        let header = attached.header();
        // SAFETY: the header was checked when it was opened, all `max_bytes` are mapped from `live`'s address on, and
        // stay so until `drop` calls `close`, when the directory and everything that borrows from it is not used any
        // more.
        let directory = unsafe { Directory::new(attached.live(), header, attached.path.clone()) };
        let names = Names::new(directory.objects_max);
        Segment { attached, directory, names, reserved: Reserved::default() }
    }

    /// The object of that name; if there is none, it is made with `init`, once however many processes ask at the same
    /// time.
    ///
    /// Waits while another process or thread runs its `init` for this name. If that one is killed or its `init` panics,
    /// one of those who wait runs its own `init` instead. After the first time in a process, the call takes some ten
    /// nanoseconds and no lock.
    ///
    /// `init` runs without any lock but the object's: it may ask for other objects of this segment, but two objects
    /// whose `init`s ask for each other wait for ever if two processes begin at opposite ends.
    ///
    /// A name has 1 to 128 bytes of UTF-8 without control characters. A type must have a layout that all programs agree
    /// on (`#[repr(C)]`), no destructor, and an alignment of at most 4,096 bytes; that is checked while compiling.
    ///
    /// ```
    /// use cotenant::{Backing, ProcessSync, Segment, sync::Mutex};
    ///
    /// #[derive(ProcessSync, Default)]
    /// #[repr(C)]
    /// struct Totals {
    ///     jobs: u64,
    ///     bytes: u64,
    /// }
    ///
    /// let segment = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20).create("example")?;
    /// let totals = segment.get_or_init("totals", Mutex::<Totals>::default)?;
    /// totals.lock_or_repair(|totals| *totals = Totals::default()).jobs += 1;
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `Mismatch`: there is an object of that name and of another type; the message tells the difference field by
    ///   field, and who is attached.
    /// - `NoSpace`: the table of objects, the segment or the system's memory is full; the message says which, and what
    ///   to do. Nothing was changed.
    /// - `WouldDeadlock`: `init` asked for the object that it makes.
    /// - `InvalidInput`: a name that an object cannot have.
    /// - `Full`, `PermissionDenied`: a child of a fork could not become a participant.
    /// - `Busy`: another process is stopped in the middle of adding or removing an object, for half a minute.
    /// - `Corrupt`: the segment's own bytes make no sense.
    pub fn get_or_init<T: ProcessSync>(&self, name: &str, init: impl FnOnce() -> T) -> Result<&T> {
        let layout = const { &TypeLayout::of::<T>() };
        if let Some(known) = self.known(name, layout) {
            return Ok(self.value(known));
        }
        self.make_or_wait(name, layout, None, init)
    }

    /// As [`get_or_init`](Segment::get_or_init), but waits at most `timeout` while another process or thread runs its
    /// `init` for this name. ([`get`](Segment::get) is the form that does not wait.) How long this one's own `init`
    /// takes is not bounded.
    ///
    /// ```
    /// use cotenant::{Backing, Segment};
    /// use std::sync::atomic::AtomicU64;
    /// use std::time::Duration;
    ///
    /// let segment = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20).create("example")?;
    /// let done = segment.get_or_init_timeout("done", Duration::from_secs(5), || AtomicU64::new(0))?;
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `TimedOut`: it is still being made; the message names the process that does. Else as of `get_or_init`.
    pub fn get_or_init_timeout<T: ProcessSync>(
        &self,
        name: &str,
        timeout: Duration,
        init: impl FnOnce() -> T,
    ) -> Result<&T> {
        let layout = const { &TypeLayout::of::<T>() };
        if let Some(known) = self.known(name, layout) {
            return Ok(self.value(known));
        }
        self.make_or_wait(name, layout, Instant::now().checked_add(timeout), init)
    }

    /// As [`get_or_init`](Segment::get_or_init), with all bytes zero as the first value: for objects that are too large
    /// to be made on the stack, where `init` makes its value.
    ///
    /// The type must be one of which all-zero bytes are a value ([`ProcessSync::ZERO_IS_VALID`]): integers, atomics,
    /// arrays and structs of them, locks over them. That is checked while compiling.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// use cotenant::{Backing, Segment};
    ///
    /// let segment = Segment::options().backing(Backing::Anonymous).max_bytes(32 << 20).create("example")?;
    /// let counts = segment.get_or_zeroed::<[AtomicU64; 2 << 20]>("counts")?; // 16 MiB
    /// assert_eq!(counts[77].fetch_add(1, Relaxed), 0);
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`get_or_init`](Segment::get_or_init).
    pub fn get_or_zeroed<T: ProcessSync>(&self, name: &str) -> Result<&T> {
        const { assert!(T::ZERO_IS_VALID, "zero bytes are no value of this type: use `get_or_init`") };
        // SAFETY: checked above.
        unsafe { self.get_or_zeroed_then(name, |_| ()) }
    }

    /// As [`get_or_zeroed`](Segment::get_or_zeroed), and `finish` makes the value what it is to be at first.
    ///
    /// # Safety
    /// Zero bytes are a `T`, if not one that its users are to see.
    pub(crate) unsafe fn get_or_zeroed_then<T: ProcessSync>(&self, name: &str, finish: impl FnOnce(&T)) -> Result<&T> {
        let layout = const { &TypeLayout::of::<T>() };
        if let Some(known) = self.known(name, layout) {
            return Ok(self.value(known));
        }
        match self.maker().get_or_claim(name, layout, None)? {
            Claim::Ready(ready) => Ok(self.remember(name, layout, ready)),
            Claim::Make(making) => {
                Ok(self.make(name, layout, making, |place: NonNull<T>| {
                    // Written although new memory is zero: one who died making it may have begun.
                    // SAFETY: the place that `make` passes is large enough for `T`, and nobody refers to it.
                    unsafe { place.write_bytes(0, 1) };
                    // SAFETY: zero bytes are a `T`, says the caller.
                    finish(unsafe { place.as_ref() });
                }))
            }
        }
    }

    /// The object of that name; `None` if there is none, or if its value is still being made.
    ///
    /// Waits for nobody. After the first time in a process, the call takes some ten nanoseconds and no lock. A name
    /// that is not there is looked for in the whole table each time.
    ///
    /// ```
    /// # use cotenant::{Backing, Segment};
    /// # use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// let segment = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20).create("example")?;
    /// assert!(segment.get::<AtomicU64>("done")?.is_none());
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get_or_init`](Segment::get_or_init), without `NoSpace`, `WouldDeadlock` and `Busy`.
    pub fn get<T: ProcessSync>(&self, name: &str) -> Result<Option<&T>> {
        let layout = const { &TypeLayout::of::<T>() };
        if let Some(known) = self.known(name, layout) {
            return Ok(Some(self.value(known)));
        }
        Ok(self.maker().get(name, layout)?.map(|ready| self.remember(name, layout, ready)))
    }

    /// Takes the name from an object; gives whether there was one. Who holds a reference goes on with the value, and
    /// the next [`get_or_init`](Segment::get_or_init) of that name makes another object.
    ///
    /// The memory and the place in the table stay taken: another process may hold a reference. They are free again with
    /// the segment, when nobody is attached (of a segment that is kept, when it is removed). An object that is being
    /// made loses its name, too; its maker gets it all the same.
    ///
    /// Waits for processes that add or remove at the same moment, some microseconds each.
    ///
    /// ```
    /// # use cotenant::{Backing, Segment};
    /// # use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// let segment = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20).create("example")?;
    /// let first = segment.get_or_init("n", || AtomicU64::new(1))?;
    /// assert!(segment.remove("n")?);
    /// let second = segment.get_or_init("n", || AtomicU64::new(2))?;
    /// assert_eq!((first.load(Relaxed), second.load(Relaxed)), (1, 2));
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `InvalidInput`, `Busy`, `Corrupt`, `Full` and `PermissionDenied`, as of [`get_or_init`](Segment::get_or_init).
    pub fn remove(&self, name: &str) -> Result<bool> {
        self.maker().remove(name)
    }

    /// The objects that have names, those that others add meanwhile included. For diagnostics: it reads every object's
    /// description. Waits for nobody.
    ///
    /// ```
    /// # use cotenant::{Backing, Segment};
    /// # let segment = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20).create("example")?;
    /// segment.get_or_init("threshold", || 0.5_f64)?;
    /// for object in segment.objects() {
    ///     println!("{}: {}, {} bytes, {}", object.name, object.type_name, object.bytes, object.state);
    /// }
    /// # assert_eq!(segment.objects().map(|it| it.type_name).collect::<Vec<_>>(), ["f64"]);
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    pub fn objects(&self) -> Objects<'_> {
        Objects::new(&self.directory)
    }

    /// Where the segment is found, for people: a path, a key, or what stands for a segment without a name.
    pub fn path(&self) -> &str {
        &self.attached.path
    }

    /// Bytes that objects can take, as the creator chose it.
    pub fn max_bytes(&self) -> u64 {
        self.directory.data_max_bytes
    }

    /// Bytes that objects take, those whose names were removed included.
    pub fn used_bytes(&self) -> u64 {
        self.directory.live().data_bytes().load(Acquire)
    }

    /// Whether this call of `create` or `open_or_create` made the segment.
    pub fn is_created(&self) -> bool {
        self.attached.created
    }

    /// Whether the segment's name is gone (removed by hand, or by systemd's `RemoveIPC`): processes that start now
    /// share with each other, and not with this one. Asks the system.
    pub fn is_unlinked(&self) -> bool {
        self.attached.is_unlinked()
    }

    /// The processes that are attached and hold a slot, this one included. Asks the system; for diagnostics.
    pub fn participants(&self) -> Vec<Participant> {
        self.attached.participants()
    }

    /// The segments of this user (and, if they can be seen, those that others let us read), of blocks, too. For
    /// people and tools: it asks the system about each.
    ///
    /// ```
    /// # use cotenant::Segment;
    /// for segment in Segment::list()? {
    ///     println!("{}: {} bytes, {} attached", segment.name, segment.used_bytes, segment.participants.len());
    /// }
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A folder of segments cannot be read.
    pub fn list() -> Result<Vec<SegmentInfo>> {
        list::list(None)
    }

    /// Takes the name from a segment of the default backing, in use or not: [`SegmentOptions::unlink`].
    ///
    /// # Errors
    ///
    /// As of [`SegmentOptions::unlink`].
    pub fn unlink(name: &str) -> Result<()> {
        Segment::options().unlink(name)
    }

    /// Removes what nobody is attached to: segments of programs that were killed, halves of segments, locks without a
    /// segment. Safe at any moment, also while programs start.
    ///
    /// # Errors
    ///
    /// A folder of segments cannot be read, or something in it not be removed.
    pub fn prune(options: &PruneOptions) -> Result<Vec<Pruned>> {
        list::prune(options)
    }

    /// Writes the values to the disk, and waits for it: those of a [`Backing::File`](crate::Backing::File) survive a
    /// fall of the machine from then on, as they were when this was called. Without it the system writes them when it
    /// likes; a crash of programs alone loses nothing. For the other backings there is nothing to do.
    ///
    /// Others may write meanwhile; what they write may be on the disk or not.
    ///
    /// ```
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("totals");
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// use cotenant::{Backing, Segment};
    ///
    /// # if cfg!(target_os = "linux") {
    /// let file = Segment::options().backing(Backing::File).max_bytes(1 << 20).open_or_create(path.to_str().unwrap())?;
    /// file.get_or_init("runs", || AtomicU64::new(0))?.fetch_add(1, Relaxed);
    /// file.sync()?;
    /// # }
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What the system says of the disk.
    pub fn sync(&self) -> Result<()> {
        self.attached.sync()
    }

    /// Keeps the segment attached for as long as the process lives, for statics and threads that need `'static`.
    ///
    /// ```
    /// use std::sync::OnceLock;
    /// use cotenant::{Backing, Segment};
    ///
    /// fn segment() -> &'static Segment {
    ///     static SEGMENT: OnceLock<&'static Segment> = OnceLock::new();
    ///     SEGMENT.get_or_init(|| {
    ///         let segment = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20).create("example");
    ///         segment.expect("a segment").leak()
    ///     })
    /// }
    ///
    /// let threshold: &'static f64 = segment().get_or_init("threshold", || 0.5)?;
    /// # assert_eq!(*threshold, 0.5);
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    pub fn leak(self) -> &'static Segment {
        Box::leak(Box::new(self))
    }

    /// What the system keeps of it, for what only some systems can do with it.
    #[allow(dead_code)]
    pub(crate) fn attached(&self) -> &'static Attached {
        self.attached
    }

    /// In which run of the machine its slots were last taken; 0: not known.
    pub(crate) fn boot(&self) -> u64 {
        // As it is now: who attached first may have changed it since the header was copied.
        self.directory.live().boot().load(Acquire)
    }

    pub(crate) fn maker(&self) -> Maker<'_> {
        Maker { directory: &self.directory, attached: self.attached, reserved: &self.reserved }
    }

    /// What this process remembers of the object, if it still has its name and is of that type.
    #[inline]
    pub(super) fn known(&self, name: &str, layout: &TypeLayout) -> Option<KnownObject> {
        let known = self.names.get(name, |known| {
            // Acquire pairs with the Release of `retire`.
            self.directory.entry(known.index).state.load(Acquire) == object_state::READY
        })?;
        (known.fingerprint == layout.fingerprint).then_some(known)
    }

    fn remember<T: ProcessSync>(&self, name: &str, layout: &TypeLayout, ready: Ready) -> &T {
        self.value(self.note(name, layout, ready))
    }

    /// Has [`known`](Segment::known) find the object from here on.
    pub(super) fn note(&self, name: &str, layout: &TypeLayout, ready: Ready) -> KnownObject {
        let address = ready.address.as_ptr() as usize;
        let object = KnownObject { index: ready.index, fingerprint: layout.fingerprint, address };
        self.names.add(name, object);
        object
    }

    #[inline]
    fn value<T: ProcessSync>(&self, known: KnownObject) -> &T {
        let value = std::ptr::with_exposed_provenance::<T>(known.address);
        // SAFETY: mapped as long as `self` lives, aligned, and a `T`: the place was checked, the fingerprint is `T`'s,
        // and who wrote it ran sound code of that fingerprint (docs/safety.md). `T: ProcessSync` may be shared.
        unsafe { &*value }
    }

    fn make_or_wait<T: ProcessSync>(
        &self,
        name: &str,
        layout: &TypeLayout,
        deadline: Option<Instant>,
        init: impl FnOnce() -> T,
    ) -> Result<&T> {
        match self.maker().get_or_claim(name, layout, deadline)? {
            Claim::Ready(ready) => Ok(self.remember(name, layout, ready)),
            Claim::Make(making) => {
                // SAFETY: the place that `make` passes is large enough and aligned for `T`, and nobody refers to it.
                Ok(self.make(name, layout, making, |place| unsafe { place.write(init()) }))
            }
        }
    }

    /// `write` puts a value into the place, which is reserved, aligned and large enough for `T`. Nobody has a reference
    /// to it before it is said to be ready: the lock on making it is held.
    #[cold]
    fn make<T>(&self, name: &str, layout: &TypeLayout, making: Making<'_>, write: impl FnOnce(NonNull<T>)) -> &T
    where
        T: ProcessSync,
    {
        let ready = making.ready;
        // A panic drops `making`, which leaves it to the next one.
        write(ready.address.cast::<T>());
        if making.finish() {
            return self.remember(name, layout, ready);
        }
        // Its name was taken from it while it was made; it is this caller's alone.
        // SAFETY: as in `value`; just written.
        unsafe { ready.address.cast::<T>().as_ref() }
    }
}

/// The ends of the options.
impl SegmentOptions {
    /// Makes a segment, and attaches to it.
    ///
    /// What only the dead left under that name is removed first. For `Anonymous` and `Memfd` the name is a label for
    /// people, for `File` a path.
    ///
    /// ```
    /// # use cotenant::{ErrorKind, Segment};
    /// # let name = &format!("example.create.{}", std::process::id());
    /// let segment = Segment::options().max_bytes(1 << 20).create(name)?;
    /// let second = Segment::options().create(name);
    /// assert_eq!(second.map_err(|error| error.kind()).err(), Some(ErrorKind::AlreadyExists));
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `AlreadyExists`: a process is attached to a segment of that name, or it is kept.
    /// - `InvalidInput`, `Unsupported`: an option, or a name, that is not allowed or that the backing cannot have.
    /// - `NoSpace`, `PermissionDenied`, `System`: what the system said, and what to do.
    /// - `Foreign`: something that is not ours lies there; it is left alone.
    /// - `Private`: sharing was switched off for this process.
    pub fn create(&self, name: &str) -> Result<Segment> {
        self.attach(name, Opening::Create).map(Segment::new)
    }

    /// Attaches to a segment that is there.
    ///
    /// ```
    /// # use cotenant::{ErrorKind, Segment};
    /// # let name = &format!("example.open.{}", std::process::id());
    /// let none = Segment::options().open(name);
    /// assert_eq!(none.map_err(|error| error.kind()).err(), Some(ErrorKind::NotFound));
    /// ```
    ///
    /// # Errors
    ///
    /// - `NotFound`: there is none of that name, or only what the dead left.
    /// - `Full`: as many participants as it was made for are attached.
    /// - `Mismatch`: variables of a block, or another version's format; `Corrupt`: its bytes make no sense.
    /// - Else as [`create`](SegmentOptions::create).
    pub fn open(&self, name: &str) -> Result<Segment> {
        self.attach(name, Opening::Open).map(Segment::new)
    }

    /// Attaches to the segment of that name, and makes it if there is none; one of those who try at the same time makes
    /// it. [`Segment::is_created`] tells.
    ///
    /// # Errors
    ///
    /// As [`open`](SegmentOptions::open) and [`create`](SegmentOptions::create), without `NotFound` and
    /// `AlreadyExists`.
    pub fn open_or_create(&self, name: &str) -> Result<Segment> {
        self.attach(name, Opening::OpenOrCreate).map(Segment::new)
    }
}

// A panic in `init` leaves the object to be made by the next one who asks; no lock of the directory is held then. What
// the objects' own values bear is said where they are borrowed.
impl UnwindSafe for Segment {}
impl RefUnwindSafe for Segment {}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: `new` was given it by `open`; references to objects borrow from `self`, so none is left, and the
        // directory and the names are not used again.
        unsafe { sys::segment::close(self.attached) };
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("path", &self.path())
            .field("used_bytes", &self.used_bytes())
            .field("max_bytes", &self.max_bytes())
            .finish_non_exhaustive()
    }
}
