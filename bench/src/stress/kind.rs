//! A kind of work that a run does: what its processes do, and what must hold in the end.

use super::options::{Role, What};
use super::words::Words;
use super::worker::Worker;

pub(crate) trait Kind {
    /// As the closing object calls it.
    fn name(&self) -> &'static str;

    /// What a number that a process holds stands for, as people read it.
    fn name_of(&self, what: u64) -> &'static str;

    /// How many processes it can have.
    fn processes_max(&self) -> u32;

    /// Before the first operation, in each process.
    fn attach(&self, role: &Role) -> anyhow::Result<()>;

    /// One operation.
    fn act(&self, worker: &mut Worker);

    /// When all have ended but one, that one looks at what they left.
    fn look_at_the_end(&self, words: &Words);

    /// What else the closing object tells.
    fn counts(&self, _words: &Words) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

pub(super) fn of(what: What) -> &'static dyn Kind {
    match what {
        What::Locks => &super::locks::Locks,
        What::Published => &super::published::Published,
        What::Cache => &super::cache::SharedCache,
        What::Queue => &super::queue::Queues,
        What::Waiters => &super::waiters::Waiters,
        What::Metrics => &super::metrics::MetricsOfAll,
        What::Series => &super::series::Series,
    }
}
