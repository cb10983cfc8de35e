//! Linux.

pub(crate) mod by_hand;
mod counter;
mod lifeline;
mod machine;
mod memory;
mod peers;
mod run;
mod single_step;
mod two_processes;

pub(crate) use counter::map_counter;
pub(crate) use lifeline::Lifeline;
pub(crate) use machine::{machine, memory_folder};
pub(crate) use memory::{map_anonymous, map_words};
pub(crate) use peers::*;
pub(crate) use run::{cpu_seconds, end_with_parent, now_ns, stop, was_killed};
pub(crate) use single_step::instructions;
pub(crate) use two_processes::{computes_alone, in_two_processes};

/// Why programs' starts are not measured here.
pub(crate) const NO_STARTS: Option<&str> = None;
