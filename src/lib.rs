//! Variables that every process running the same program or library shares.
//!
//! Declared like a static, used like a static, safe when a process is killed, private to the user who runs it:
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
//!
//! cotenant::shared! {
//!     /// Requests served by every process that runs this program.
//!     static REQUESTS: AtomicU64 = AtomicU64::new(0);
//! }
//!
//! let so_far = REQUESTS.fetch_add(1, Relaxed); // no set-up, no handle, no unwrap
//! println!("{so_far} requests before this one, by all of us");
//! ```
//!
//! - [`shared!`] declares variables; [`ProcessSync`] says which types may be shared, [`value`] has stand-ins for those
//!   that may not;
//! - [`sync::Mutex`] guards a value between processes, and says when its owner died;
//! - [`published::Published`] is a value that one publishes and all see, whole, without a lock;
//! - [`Segment`] is memory that processes share by a name, a key, a path or a fork, with typed objects that are made
//!   while it is in use;
//! - [`cache::Cache`] is a cache that processes share, and that a killed process cannot spoil;
//! - [`metrics`] counts in all processes and tells one number, [`limit`] limits what they do together,
//!   [`per_process`] is what both are for values of your own;
//! - [`attachment()`] tells how this process is attached and with whom; [`attach()`] attaches blocks that wait for it.
//!
//! # Environment
//!
//! | variable | meaning |
//! |---|---|
//! | `COTENANT_DIR` | folder of the segments, an absolute path, instead of one in `/dev/shm`; Linux only |
//! | `COTENANT_SCOPE` | keeps programs of one scope from those of another: staging from production, test from test |
//! | `COTENANT_PRIVATE` | set to anything but `0`: this process shares nothing |
//!
//! All are ignored in a program whose privileges were raised (set-uid and the like).
//!
//! # When sharing is impossible
//!
//! The program ends before `main`, with one line on standard error (a mismatch has a line for each field) and status
//! [`EXIT_STATUS`], unless the block says
//! `on_failure = private`. docs/platform.md has what each system can do, SECURITY.md who is protected from whom.

mod attachment;
pub mod cache;
pub mod channel;
mod error;
mod image;
#[cfg(feature = "inspect")]
pub mod inspect;
pub mod limit;
mod lock;
pub mod metrics;
pub mod per_process;
mod process_sync;
pub mod published;
pub mod schema;
mod segment;
pub mod sync;
#[cfg_attr(cotenant_model, allow(dead_code))]
mod sys;
pub mod value;

pub use attachment::{Attachment, BlockInfo, BlockState, attachment};
pub use error::{EXIT_STATUS, Error, ErrorKind, Result};
pub use image::attach::attach;
pub use image::variable::SharedStatic;
pub use process_sync::ProcessSync;
pub use segment::backing::{Backing, Keep, SysVKey};
pub use segment::list::{Contents, Leftover, PruneOptions, Pruned, SegmentInfo};
pub use segment::object::{FieldInfo, ObjectInfo, ObjectState, Objects};
pub use segment::options::SegmentOptions;
pub use segment::participant::Participant;
pub use segment::reader::{ReadOnly, SegmentReader};
pub use segment::segment::Segment;

/// What the macros expand to. Not for use by hand, and without any promise.
#[doc(hidden)]
pub mod __private {
    #[cfg(cotenant_model)]
    pub use crate::cache::model::ModelCache;
    #[cfg(cotenant_model)]
    pub use crate::channel::private::queue as queue_in_private_memory;
    pub use crate::image::attach::{attach_at_load, detach_at_unload, register};
    pub use crate::image::block::{
        DESCRIPTOR_MAGIC, Descriptor, ObjectEntry, StaticSlice, StaticText, Status, Words, assert_variable,
        block_fingerprint, encode_schemas, objects, schemas_bytes,
    };
    pub use crate::image::variable::Declared;
    #[cfg(cotenant_model)]
    pub use crate::lock::model;
    pub use crate::process_sync::assert_shareable;
    pub use crate::sys::owner::use_robust_list;
    pub use crate::sys::place::*;
    pub use cotenant_macros::shared_impl;
}

/// What `capi/` makes C functions of. Not for use by hand, and without any promise.
#[doc(hidden)]
pub mod __c {
    pub use crate::image::attach::attach_at_load;
    pub use crate::image::declaration::{Declaration, Word, attach, outcome, register, unregister, word};
    pub use crate::per_process::thread_number;
    pub use crate::published::fixed::Fixed;
    pub use crate::schema::tables::{PartTable, TypeTable};
    pub use crate::segment::described::ObjectType;
    pub use crate::sync::unguarded::{
        Kept, NotOwner, Taken, UnguardedMutex, UnguardedRwLock, claim_cell, give_permit_back, is_own_cell,
        keep_leadership, keep_permit, release_cell, step_down, try_once,
    };
    pub use crate::sys::pipe::pipe_end;
}

// The examples of the pages for users run as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/segments.md")]
struct SegmentsPage;
#[cfg(doctest)]
#[doc = include_str!("../docs/locks.md")]
struct LocksPage;
#[cfg(doctest)]
#[doc = include_str!("../docs/channels.md")]
struct ChannelsPage;
#[cfg(doctest)]
#[doc = include_str!("../docs/published.md")]
struct PublishedPage;
#[cfg(doctest)]
#[doc = include_str!("../docs/cache.md")]
struct CachePage;
#[cfg(doctest)]
#[doc = include_str!("../docs/start.md")]
struct StartPage;
#[cfg(doctest)]
#[doc = include_str!("../docs/c.md")]
struct CPage;
#[cfg(doctest)]
#[doc = include_str!("../docs/metrics.md")]
struct MetricsPage;
