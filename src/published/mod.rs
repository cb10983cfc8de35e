//! One publishes, all see it: values that every process reads whole, at once, without a lock and without a store.
//!
//! ```
//! use cotenant::{ProcessSync, published::Published, shared};
//!
//! #[derive(Clone, Copy, Debug, ProcessSync)]
//! #[repr(C)]
//! struct Limits {
//!     requests_per_second: u32,
//!     burst: u32,
//! }
//!
//! shared! {
//!     static LIMITS: Published<Limits> = Published::new(Limits { requests_per_second: 100, burst: 20 });
//! }
//!
//! let limits = LIMITS.load()?; // both numbers are of one publish, whoever publishes at the same moment
//! println!("{} a second", limits.requests_per_second);
//! LIMITS.update(|old| Limits { burst: old.burst * 2, ..old })?;
//! assert_eq!(LIMITS.load_if_newer(limits.sequence)?.map(|newer| newer.burst), Some(40));
//! # Ok::<(), cotenant::Error>(())
//! ```
//!
//! **The promise.** A load gives a snapshot that was published as a whole, never one older than this reader saw before.
//! It waits for nobody: a writer that is slow, stopped or killed leaves the snapshot before whole. It is repeated only
//! if as many publishes as there are buffers (8 by default) happen during one copy; repeats are counted
//! ([`Snapshot::repeats`]) and bounded (1,000, then an error). Readers write nothing, so they may map the memory
//! read-only, and one that is killed leaves nothing behind. docs/published.md has the rest.

mod bytes;
mod copy;
#[allow(unreachable_pub)] // `__c` exports it.
pub(crate) mod fixed;
mod flag;
#[cfg(feature = "json")]
mod json;
mod named;
#[allow(clippy::module_inception)]
mod published;
mod reader;
mod ring;
mod snapshot;
mod stamp;
#[cfg(feature = "inspect")]
pub(crate) mod untyped;
mod wait;

#[cfg(test)]
mod tests;

pub use bytes::{BytesReader, PublishedBytes};
pub use flag::{Flag, Rollout};
pub use named::{Named, NamedReader, OBJECT_NAME};
pub use published::Published;
pub use snapshot::{HistoryEntry, Snapshot};
pub use stamp::Publisher;
