//! `Living`: which tenants live, each asked about once for a whole snapshot.

use std::collections::HashMap;

use crate::lock::ranges;

/// Answers to "does this tenant live, and which process is it?"
pub(crate) struct Living<'a> {
    ask: Box<dyn Fn(u32) -> Option<u32> + 'a>,
    answers: HashMap<u32, Option<u32>>,
}

impl<'a> Living<'a> {
    /// `ask` gives the process id of a tenant that lives, or 0 if only that is known.
    pub(crate) fn new(ask: impl Fn(u32) -> Option<u32> + 'a) -> Living<'a> {
        Living { ask: Box::new(ask), answers: HashMap::new() }
    }

    /// Of the segment that `place` lies in; this process, where it is memory of none.
    pub(crate) fn here<T>(place: &'a T) -> Living<'a> {
        Living::new(move |tenant| match tenant {
            0 => Some(std::process::id()),
            _ if ranges::is_dead(place, tenant, false) => None,
            _ => Some(ranges::describe(place, tenant).map_or(0, |(pid, _)| pid)),
        })
    }

    /// The process id of a tenant, if it lives.
    pub(crate) fn process(&mut self, tenant: u32) -> Option<u32> {
        *self.answers.entry(tenant).or_insert_with(|| (self.ask)(tenant))
    }
}
