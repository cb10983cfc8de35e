//! The C ABI of Cotenant: `libcotenant` and, generated from the comments here, `cotenant.h`.
//!
//! ```text
//! cotenant.h: macros declare blocks and types as tables of constants, inline functions access variables
//!   |
//!   v   extern "C" functions of this crate: a status, an out-parameter, a message for each thread
//!   |
//!   v   the library: the same blocks, segments and locks as Rust's
//! ```
//!
//! docs/c.md is for users, and says under "Adding a function" how one is added. Comments of public items go into the
//! header, so they speak of C.

// Names are those of C, and every function is one that C calls.
#![allow(non_camel_case_types, unsafe_code)]
// The header is the documentation; rustdoc's rules are for Rust.
#![allow(clippy::missing_safety_doc)]

// In the order in which the header has them: what is between blank lines is sorted.
mod memory;
mod status;

mod block;
mod mutex;
mod segment;
mod text;

mod descriptor;

mod list;

mod locks;

mod published;

mod published_values;

mod flags;

mod queue;

mod ends;

mod frames;

mod metrics;

mod thread_metrics;

mod shared_metrics;

mod cells;

mod limits;

mod cache;

mod cache_read;

mod cache_write;

mod cache_compute;

pub use block::*;
pub use cache::*;
pub use cache_compute::*;
pub use cache_read::*;
pub use cache_write::*;
pub use cells::*;
pub use descriptor::*;
pub use ends::*;
pub use flags::*;
pub use frames::*;
pub use limits::*;
pub use list::*;
pub use locks::*;
pub use metrics::*;
pub use mutex::*;
pub use published::*;
pub use published_values::*;
pub use queue::*;
pub use segment::*;
pub use shared_metrics::*;
pub use status::*;
pub use text::*;
pub use thread_metrics::*;
