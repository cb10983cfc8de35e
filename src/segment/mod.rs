//! Segments: their bytes, the same on every system (header, participants, objects; `docs/format.md` draws them), and
//! what programs do with those that hold objects ([`segment`]).
//!
//! Everything here distrusts what it reads: another process may have written it. Fixed fields are copied once and
//! checked ([`header`]); fields that change are atomics in the mapping ([`live`]). No reference to shared bytes is
//! made.

pub(crate) mod area;
pub(crate) mod backing;
pub(crate) mod compare;
#[allow(unreachable_pub)] // `__c` exports it.
pub mod described;
pub(crate) mod directory;
pub(crate) mod environment;
pub(crate) mod events;
pub(crate) mod header;
pub(crate) mod list;
pub(crate) mod live;
pub(crate) mod make;
pub(crate) mod names;
pub(crate) mod object;
pub(crate) mod options;
pub(crate) mod participant;
pub(crate) mod plan;
pub(crate) mod reader;
pub(crate) mod request;
#[allow(clippy::module_inception)] // A file is the noun that it exports.
pub(crate) mod segment;
