//! `Mutex`: an owner's mark that is set inside, and two counters changed one after the other.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use cotenant::ProcessSync;
use cotenant::sync::{LockError, Mutex, MutexGuard, OwnerDied, TryLockError};

use crate::stress::words::Words;
use crate::stress::worker::{Worker, violation};

const MUTEXES: usize = 3;
/// Where entries are counted: one counter for each.
const ENTRIES: usize = 0;

/// Atomics, so that two who are in at once do what they did, and are found out.
#[derive(ProcessSync)]
#[repr(C)]
struct Watched {
    /// Who is inside; 0: nobody.
    owner: AtomicU64,
    /// Equal while nobody is inside.
    first: AtomicU64,
    second: AtomicU64,
}

impl Watched {
    const NEW: Watched = Watched { owner: AtomicU64::new(0), first: AtomicU64::new(0), second: AtomicU64::new(0) };

    fn counters(&self) -> [u64; 2] {
        [self.first.load(Relaxed), self.second.load(Relaxed)]
    }
}

type Locked = Result<MutexGuard<'static, Watched>, TryLockError<OwnerDied<'static, Watched>>>;

cotenant::shared! {
    #![shared(name = "cotenant.bench.mutexes", attach = by_call)]
    static WATCHED: [Mutex<Watched>; MUTEXES] = [const { Mutex::new(Watched::NEW) }; MUTEXES];
}

pub(super) fn act(worker: &mut Worker) {
    let at = worker.random.below(MUTEXES as u64) as usize;
    let mutex: &'static Mutex<Watched> = &WATCHED[at];
    let (locked, began_ns) = worker.waiting(at as u64, |worker, began_ns| (lock(worker, mutex), began_ns));
    let guard = match locked {
        Ok(guard) => {
            let (owner, [first, second]) = (guard.owner.load(Relaxed), guard.counters());
            if owner != 0 || first != second {
                worker.violation(&format!("entered mutex {at} clean, with {owner} inside and {first}, {second}"));
            }
            guard
        }
        Err(TryLockError::Lock(LockError::OwnerDied(died))) => {
            let victim = died.value().owner.load(Relaxed);
            let [first, second] = died.value().counters();
            if first != second && first != second + 1 {
                worker.violation(&format!("{victim} left mutex {at} with {first}, {second}"));
            }
            worker.recovered(victim, began_ns);
            died.repair(|watched| {
                // First, so that whoever repairs after this process knows whom it follows.
                watched.owner.store(worker.me, Relaxed);
                watched.second.store(watched.first.load(Relaxed), Relaxed);
            })
        }
        Err(TryLockError::WouldBlock | TryLockError::TimedOut) => return,
        Err(TryLockError::Lock(error)) => return worker.violation(&format!("lock mutex {at}: {error}")),
    };
    worker.inside(at as u64, |worker| change(worker, &guard));
    drop(guard);
    worker.count(ENTRIES + at);
}

/// In all the ways that there are.
fn lock(worker: &mut Worker, mutex: &'static Mutex<Watched>) -> Locked {
    match worker.random.below(8) {
        0 => mutex.try_lock(),
        1 => mutex.lock_timeout(Duration::from_micros(worker.random.below(2000))),
        _ => mutex.lock().map_err(TryLockError::Lock),
    }
}

fn change(worker: &mut Worker, watched: &MutexGuard<'_, Watched>) {
    watched.owner.store(worker.me, Relaxed);
    let [first, second] = watched.counters();
    watched.first.store(first + 1, Relaxed);
    worker.linger();
    watched.second.store(second + 1, Relaxed);
    if let Err(owner) = watched.owner.compare_exchange(worker.me, 0, Relaxed, Relaxed) {
        worker.violation(&format!("{owner} came in, too"));
    }
}

/// A killed process may have counted in the mutex and not in its place.
pub(super) fn look_at_the_end(words: &Words, kills: u64) {
    for (at, mutex) in WATCHED.iter().enumerate() {
        let guard = mutex.lock_or_repair(|watched| watched.second.store(watched.first.load(Relaxed), Relaxed));
        let (counted, told) = (guard.first.load(Relaxed), words.sum(ENTRIES + at));
        if counted < told || counted > told + kills {
            violation(words, &format!("mutex {at} counted {counted} entries; {told} were told, {kills} killed"));
        }
    }
}
