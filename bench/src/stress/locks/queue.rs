//! `Condvar`, with a mutex: a queue that is handed on in order, with nothing lost and nothing twice.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Duration;

use cotenant::ProcessSync;
use cotenant::sync::{Condvar, LockError, Mutex, MutexGuard, OwnerDied};

use super::{COUNT_POPS, COUNT_PUSHES, QUEUE};
use crate::stress::words::Words;
use crate::stress::worker::{Worker, violation};

const ROOM: u64 = 4;
const NUMBER: u64 = QUEUE as u64;
/// How long one waits for the other side before it gives up: all may be on the same one.
const PATIENCE: Duration = Duration::from_millis(3);

/// Items are numbered, so each must be found at its own number.
#[derive(ProcessSync)]
#[repr(C)]
struct Queue {
    /// Who is inside; 0: nobody.
    owner: AtomicU64,
    pushed: AtomicU64,
    popped: AtomicU64,
    items: [AtomicU64; ROOM as usize],
}

cotenant::shared! {
    #![shared(name = "cotenant.bench.queue", attach = by_call)]
    static WAITING: Mutex<Queue> = Mutex::new(Queue {
        owner: AtomicU64::new(0),
        pushed: AtomicU64::new(0),
        popped: AtomicU64::new(0),
        items: [const { AtomicU64::new(0) }; ROOM as usize],
    });
    static NOT_EMPTY: Condvar = Condvar::new();
    static NOT_FULL: Condvar = Condvar::new();
}

type Guard = MutexGuard<'static, Queue>;
type Locked = Result<Guard, LockError<OwnerDied<'static, Queue>>>;

impl Queue {
    fn length(&self) -> u64 {
        self.pushed.load(Relaxed) - self.popped.load(Relaxed)
    }

    fn push(&self, worker: &mut Worker) {
        let number = self.pushed.load(Relaxed);
        self.items[(number % ROOM) as usize].store(number, Relaxed);
        worker.linger();
        // Release: the commit, and so not before the item.
        self.pushed.store(number + 1, Release);
    }

    fn pop(&self, worker: &mut Worker) {
        let number = self.popped.load(Relaxed);
        let item = self.items[(number % ROOM) as usize].load(Relaxed);
        if item != number {
            worker.violation(&format!("item {item} came out of the queue, after {number} others"));
        }
        worker.linger();
        self.popped.store(number + 1, Release);
    }
}

pub(super) fn act(worker: &mut Worker) {
    let pushes = worker.random.once_in(2);
    let (locked, began_ns) = worker.waiting(NUMBER, |_, began_ns| (WAITING.lock(), began_ns));
    let Some(mut guard) = inside(worker, locked, began_ns) else { return };
    let must_wait = |queue: &mut Queue| if pushes { queue.length() == ROOM } else { queue.length() == 0 };
    if must_wait(&mut guard) {
        guard.owner.store(0, Relaxed);
        let condition: &Condvar = if pushes { &NOT_FULL } else { &NOT_EMPTY };
        let waited = condition.wait_timeout_while(guard, PATIENCE, |queue| must_wait(queue));
        // Most of the time it did not wait for the lock: not measured.
        let Some(locked) = inside(worker, waited.map(|(guard, _)| guard), u64::MAX) else { return };
        guard = locked;
        if must_wait(&mut guard) {
            return guard.owner.store(0, Relaxed);
        }
    }
    worker.inside(NUMBER, |worker| if pushes { guard.push(worker) } else { guard.pop(worker) });
    guard.owner.store(0, Relaxed);
    if worker.random.once_in(2) {
        drop(guard);
        wake(worker, pushes);
    } else {
        wake(worker, pushes);
        drop(guard);
    }
    worker.count(if pushes { COUNT_PUSHES } else { COUNT_POPS });
}

fn wake(worker: &mut Worker, pushed: bool) {
    let condition: &Condvar = if pushed { &NOT_EMPTY } else { &NOT_FULL };
    if worker.random.once_in(4) { condition.notify_all() } else { condition.notify_one() }
}

/// The lock, with this process's mark.
fn inside(worker: &Worker, locked: Locked, began_ns: u64) -> Option<Guard> {
    let guard = match locked {
        Ok(guard) => {
            let owner = guard.owner.load(Relaxed);
            if owner != 0 {
                worker.violation(&format!("came to the queue with {owner} at it"));
            }
            guard
        }
        Err(LockError::OwnerDied(died)) => {
            worker.recovered(NUMBER, died.value().owner.load(Relaxed), began_ns);
            // A half-done change was not committed.
            died.repair(|queue| queue.owner.store(worker.me, Relaxed))
        }
        Err(error) => {
            worker.violation(&format!("lock the queue: {error}"));
            return None;
        }
    };
    guard.owner.store(worker.me, Relaxed);
    if guard.length() > ROOM {
        worker.violation(&format!("{} items in a queue of {ROOM}", guard.length()));
    }
    Some(guard)
}

pub(super) fn look_at_the_end(words: &Words, kills: u64) {
    let guard = WAITING.lock_or_repair(|_| {});
    for (what, done, counter) in [("pushed", &guard.pushed, COUNT_PUSHES), ("popped", &guard.popped, COUNT_POPS)] {
        let (done, told) = (done.load(Relaxed), words.sum(counter));
        if done < told || done > told + kills {
            violation(words, &format!("{done} items were {what}; {told} were told, {kills} killed"));
        }
    }
}
