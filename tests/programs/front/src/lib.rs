//! A crate that hands `shared!` on, under its own name and under another.

#![forbid(unsafe_code)]
#![deny(missing_docs, warnings)]

pub use cotenant;
pub use cotenant::{ProcessSync, shared, shared as common};
