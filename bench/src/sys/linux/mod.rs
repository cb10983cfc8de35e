//! Linux.

mod counter;
mod lifeline;
mod machine;
mod single_step;

pub(crate) use counter::map_counter;
pub(crate) use lifeline::Lifeline;
pub(crate) use machine::{machine, memory_folder};
pub(crate) use single_step::instructions;

/// Why programs' starts are not measured here.
pub(crate) const NO_STARTS: Option<&str> = None;
