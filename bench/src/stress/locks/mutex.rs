//! `Mutex`: an owner's mark that is set inside, and two counters changed one after the other.

use std::time::Duration;

use cotenant::sync::{LockError, Mutex, MutexGuard, OwnerDied, TryLockError};

use super::watched::Watched;
use super::{COUNT_MUTEX, MUTEX, MUTEXES};
use crate::stress::words::Words;
use crate::stress::worker::{Worker, violation};

type Locked = Result<MutexGuard<'static, Watched>, TryLockError<OwnerDied<'static, Watched>>>;

cotenant::shared! {
    #![shared(name = "cotenant.bench.mutexes", attach = by_call)]
    static WATCHED: [Mutex<Watched>; MUTEXES] = [const { Mutex::new(Watched::new()) }; MUTEXES];
}

pub(super) fn act(worker: &mut Worker) {
    let at = worker.random.below(MUTEXES as u64) as usize;
    let mutex: &'static Mutex<Watched> = &WATCHED[at];
    let (number, name) = ((MUTEX + at) as u64, format!("mutex {at}"));
    let (locked, began_ns) = worker.waiting(number, |worker, began_ns| (lock(worker, mutex), began_ns));
    let guard = match locked {
        Ok(guard) => {
            guard.expect_clean(worker, &name);
            guard
        }
        Err(TryLockError::Lock(LockError::OwnerDied(died))) => {
            died.value().expect_half_done(worker, number, began_ns, &name);
            died.repair(|watched| watched.repair(worker.me))
        }
        Err(TryLockError::WouldBlock | TryLockError::TimedOut) => return,
        Err(TryLockError::Lock(error)) => return worker.violation(&format!("lock {name}: {error}")),
    };
    worker.inside(number, |worker| guard.change(worker, &name));
    drop(guard);
    worker.count(COUNT_MUTEX + at);
}

/// In all the ways that there are.
fn lock(worker: &mut Worker, mutex: &'static Mutex<Watched>) -> Locked {
    match worker.random.below(8) {
        0 => mutex.try_lock(),
        1 => mutex.lock_timeout(Duration::from_micros(worker.random.below(2000))),
        _ => mutex.lock().map_err(TryLockError::Lock),
    }
}

/// A killed process may have counted in the mutex and not in its place.
pub(super) fn look_at_the_end(words: &Words, kills: u64) {
    for (at, mutex) in WATCHED.iter().enumerate() {
        let guard = mutex.lock_or_repair(|watched| watched.repair(0));
        let (counted, told) = (guard.entries(), words.sum(COUNT_MUTEX + at));
        if counted < told || counted > told + kills {
            violation(words, &format!("mutex {at} counted {counted} entries; {told} were told, {kills} killed"));
        }
    }
}
