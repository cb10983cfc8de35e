//! A distrustful, read-only view of live segments, for tools: what a segment says of itself, who is in it, what its
//! values are, and who holds its locks.
//!
//! ```text
//! file, or /proc/PID/mem --pread--> LiveSegment   description, participants()
//!                                     objects() -> LiveObject   type, value(), locks()
//!                                     typed(), set()            a part of a value, by its path
//!                                     metrics() -> Snapshot     counters, gauges, histograms
//! ```
//!
//! But for `LiveSegment::set`, `LiveSegment::publish`, `LiveSegment::reset` and `unlink`, nothing is locked or written.
//! No file is mapped: a segment that is cut off while it is read is an error, and nobody who uses it notices. Every
//! number is the segment's word and checked; what is read is bounded by what its areas may hold. Values are read while
//! others write: fields of one value may be of different moments.
//!
//! Texts may hold anything: print them with [`printable`](super::printable).
//!
//! ```
//! use cotenant::inspect::live::LiveSegment;
//!
//! for found in cotenant::Segment::list().unwrap_or_default() {
//!     // Gone meanwhile, or damaged.
//!     let Ok(segment) = LiveSegment::open(&found.path) else { continue };
//!     for object in segment.objects().unwrap_or_default().into_iter().flatten() {
//!         println!("{}: {}", object.type_text(), segment.value(&object, 60).unwrap_or_default());
//!     }
//! }
//! ```

mod events;
mod features;
mod locks;
mod mend;
mod metrics;
mod objects;
mod part;
mod participants;
mod published;
mod segment;
mod set;
mod source;
mod things;

pub use events::{EventKind, EventSubject, Events, LiveEvent};
pub use features::{Feature, file_system_features, kernel_features};
pub use locks::{Lock, LockOwner, LockState, Waiter};
pub use mend::{Reset, ResetOutcome, unlink};
pub use objects::{LiveObject, ObjectState};
pub use participants::LiveParticipant;
pub use published::LiveSnapshot;
pub use segment::{Description, FileFacts, Life, LiveSegment, SegmentUse, check_scope};
pub use source::MappedPart;
pub use things::Thing;
