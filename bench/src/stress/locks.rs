//! The locks, each with an invariant that a lost or a double entry breaks.
//!
//! Every process chooses one after the other at random. What they tell each other about it goes through `words`, which
//! no lock guards; a counter that should agree with a guarded one is counted there after the lock was released, so a
//! kill makes them differ by at most one.

mod barrier;
mod leader;
mod mutex;
mod once;
mod queue;
mod rw_lock;
mod semaphore;
mod watched;

use std::sync::atomic::Ordering::Relaxed;

use super::kind::Kind;
use super::options::Role;
use super::words::Words;
use super::worker::Worker;

/// Of so many, each with a bit.
const PROCESSES_MAX: u32 = super::words::BITS as u32;

/// A lock's part: how often it is chosen, what is done with it, what must hold in the end, after so many were killed at
/// it.
struct Part {
    weight: u64,
    act: fn(&mut Worker),
    look_at_the_end: fn(&Words, u64),
}

/// Their order is what a stuck process says it does.
const PARTS: [Part; 7] = [
    Part { weight: 8, act: mutex::act, look_at_the_end: mutex::look_at_the_end },
    Part { weight: 6, act: rw_lock::act, look_at_the_end: rw_lock::look_at_the_end },
    Part { weight: 3, act: semaphore::act, look_at_the_end: semaphore::look_at_the_end },
    Part { weight: 2, act: leader::act, look_at_the_end: leader::look_at_the_end },
    Part { weight: 4, act: queue::act, look_at_the_end: queue::look_at_the_end },
    Part { weight: 2, act: once::act, look_at_the_end: once::look_at_the_end },
    Part { weight: 1, act: barrier::act, look_at_the_end: barrier::look_at_the_end },
];

/// Numbers of what can be waited for and held.
const MUTEX: usize = 0;
const MUTEXES: usize = 3;
const RW_LOCK: usize = 3;
const SEMAPHORE: usize = 4;
const LEADER: usize = 5;
const QUEUE: usize = 6;
const ONCE: usize = 7;

/// What the bits say.
const IS_READING: usize = 0;
const IS_WRITING: usize = 1;
const HAS_PERMIT: usize = 2;
const LEADS: usize = 3;

/// Counters of a place.
const COUNT_MUTEX: usize = 0;
const COUNT_RW_LOCK: usize = 3;
const COUNT_PUSHES: usize = 4;
const COUNT_POPS: usize = 5;
const COUNT_ONCE: usize = 6;
const COUNT_ROUNDS: usize = 7;
const COUNT_LEADERS: usize = 8;

/// A word of our own.
const HIGHEST_TERM: usize = 0;

pub(super) struct Locks;

impl Kind for Locks {
    fn name(&self) -> &'static str {
        "locks"
    }

    fn name_of(&self, what: u64) -> &'static str {
        match what as usize {
            ..RW_LOCK => "Mutex",
            RW_LOCK => "RwLock",
            SEMAPHORE => "Semaphore",
            LEADER => "Leader",
            QUEUE => "Mutex with Condvar",
            _ => "OnceCell",
        }
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
                worker.place.does().store(at as u64, Relaxed);
                return (part.act)(worker);
            }
            choice -= part.weight;
        }
    }

    fn look_at_the_end(&self, words: &Words) {
        for (at, part) in PARTS.iter().enumerate() {
            (part.look_at_the_end)(words, words.killed_at(at as u64).load(Relaxed));
        }
    }
}

/// Attaches the locks, which wait for the call: a supervisor must not keep them.
pub(super) fn attach(role: &Role) -> anyhow::Result<()> {
    cotenant::__private::use_robust_list(!role.no_robust_list);
    Ok(cotenant::attach()?)
}
