//! `Semaphore`: never more inside than there are permits, and all of them come back.

use std::time::Duration;

use cotenant::sync::{Semaphore, TryLockError};

use super::{HAS_PERMIT, SEMAPHORE};
use crate::stress::words::Words;
use crate::stress::worker::{Worker, violation};

const PERMITS: usize = 3;
const NUMBER: u64 = SEMAPHORE as u64;

cotenant::shared! {
    #![shared(name = "cotenant.bench.semaphore", attach = by_call)]
    static PLACES: Semaphore<8> = Semaphore::new(PERMITS);
}

pub(super) fn act(worker: &mut Worker) {
    let acquired = worker.waiting(NUMBER, |worker, _| match worker.random.below(8) {
        0 => PLACES.try_acquire(),
        1 => PLACES.acquire_timeout(Duration::from_micros(worker.random.below(2000))),
        _ => PLACES.acquire().map_err(TryLockError::Lock),
    });
    let permit = match acquired {
        Ok(permit) => permit,
        Err(TryLockError::WouldBlock | TryLockError::TimedOut) => return,
        Err(TryLockError::Lock(error)) => return worker.violation(&format!("take a permit: {error}")),
    };
    if let Some(others) = worker.come_inside(HAS_PERMIT) {
        if others.count_ones() as usize >= PERMITS {
            worker.violation(&format!("has a permit of {PERMITS} beside {others:#b}"));
        }
    }
    worker.inside(NUMBER, Worker::linger);
    worker.go_outside(HAS_PERMIT);
    drop(permit);
}

pub(super) fn look_at_the_end(words: &Words, _kills: u64) {
    let permits: Vec<_> = (0..PERMITS).filter_map(|_| PLACES.try_acquire().ok()).collect();
    if permits.len() != PERMITS {
        violation(words, &format!("of {PERMITS} permits only {} came back", permits.len()));
    }
    if PLACES.try_acquire().is_ok() {
        violation(words, &format!("there are more than {PERMITS} permits"));
    }
}
