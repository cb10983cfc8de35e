//! A cache that all processes share: a fixed budget of memory, keys and values of bytes, reads without a lock.
//!
//! [`Cache`] is opened by name, in a [`Segment`](crate::Segment), or inherited over a fork. docs/cache.md in the
//! repository is its guide.
//!
//! ```text
//! cache        what programs call; compute, pinned, iter, counts, reader, options beside it
//! write        find, put, remove, under a shard's lock          flight  who computes what
//! evict        who must go                                      repair  what a death leaves
//! space        slabs and holes                                  pin     who looks at entries in place
//! shard        reading without a lock, and the lock               alone   one entry, whatever its neighbours do
//! index entry  buckets, and what their slots lead to
//! memory       the words of it all, as layout divides them      head    what says how
//! ```

mod alone;
mod compute;
mod copy;
mod counts;
mod entry;
mod evict;
mod flight;
mod hash;
mod head;
mod index;
mod iter;
#[cfg(feature = "json")]
mod json;
mod layout;
mod memory;
#[cfg(cotenant_model)]
#[allow(missing_docs, unreachable_pub)] // `__private` exports it.
pub mod model;
mod options;
mod pin;
mod pinned;
mod reader;
mod repair;
mod shard;
mod space;
mod words;
mod write;

#[allow(clippy::module_inception)] // A file is the noun that it exports.
mod cache;

pub use cache::{Cache, Stale, Swap, Versioned};
pub use counts::{CacheActivity, CacheStats};
pub use iter::{CacheEntry, Entries};
pub use options::CacheOptions;
pub use pinned::Pinned;
pub use reader::CacheReader;
