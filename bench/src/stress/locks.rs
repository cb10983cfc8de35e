//! The locks, each with an invariant that a lost or a double entry breaks.
//!
//! Every process chooses one after the other at random. What they tell each other about it goes through `words`, which
//! no lock guards; a counter that should agree with a guarded one is counted there after the lock was released, so a
//! kill makes them differ by at most one.

mod mutex;

use super::kind::Kind;
use super::options::Role;
use super::words::Words;
use super::worker::Worker;

/// Of so many, each with a bit.
const PROCESSES_MAX: u32 = super::words::BITS as u32;

/// A lock's part: how often it is chosen, what is done with it, what must hold in the end.
struct Part {
    weight: u64,
    act: fn(&mut Worker),
    look_at_the_end: fn(&Words, u64),
}

/// Their order is what a stuck process says it does.
const PARTS: [Part; 1] = [Part { weight: 4, act: mutex::act, look_at_the_end: mutex::look_at_the_end }];

pub(super) struct Locks;

impl Kind for Locks {
    fn name(&self) -> &'static str {
        "locks"
    }

    fn processes_max(&self) -> u32 {
        PROCESSES_MAX
    }

    fn attach(&self, role: &Role) -> anyhow::Result<()> {
        attach(role)
    }

    fn act(&self, worker: &mut Worker) {
        let mut choice = worker.random.below(PARTS.iter().map(|part| part.weight).sum());
        for (at, part) in PARTS.iter().enumerate() {
            if choice < part.weight {
                worker.place.does().store(at as u64, std::sync::atomic::Ordering::Relaxed);
                return (part.act)(worker);
            }
            choice -= part.weight;
        }
    }

    fn look_at_the_end(&self, words: &Words, kills: u64) {
        for part in PARTS {
            (part.look_at_the_end)(words, kills);
        }
    }
}

/// Attaches the locks, which wait for the call: a supervisor must not keep them.
pub(super) fn attach(role: &Role) -> anyhow::Result<()> {
    cotenant::__private::use_robust_list(!role.no_robust_list);
    Ok(cotenant::attach()?)
}
