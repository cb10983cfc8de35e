//! Linux.

pub(crate) mod by_hand;
mod counter;
mod crowd;
mod lifeline;
mod machine;
mod memory;
mod peers;
mod pin;
mod run;
mod single_step;
mod stores;
mod two_processes;
mod victim;
mod ways;

pub(crate) use counter::map_counter;
pub(crate) use crowd::{Crowd, on_a_terminal};
pub(crate) use lifeline::Lifeline;
pub(crate) use machine::{machine, memory_folder};
pub(crate) use memory::{map_anonymous, map_words, shared_words};
pub(crate) use peers::*;
pub(crate) use pin::{pin, unpin};
pub(crate) use run::{cpu_seconds, end_with_parent, now_ns, stop, thread_ns, was_killed};
pub(crate) use single_step::instructions;
pub(crate) use stores::add_stores;
pub(crate) use two_processes::{computes_alone, in_two_processes};
pub(crate) use victim::Victim;
pub(crate) use ways::{add_ways, kernel_ways};

/// Why programs' starts are not measured here.
pub(crate) const NO_STARTS: Option<&str> = None;
