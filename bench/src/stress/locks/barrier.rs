//! `Barrier`: two go on together, or nobody does.

use std::time::Duration;

use cotenant::sync::{Barrier, TryLockError};

use super::{COUNT_LEADERS, COUNT_ROUNDS};
use crate::stress::words::Words;
use crate::stress::worker::{Worker, violation};

/// Nobody comes in time, as a rule, when few processes are left.
const PATIENCE: Duration = Duration::from_millis(2);

cotenant::shared! {
    #![shared(name = "cotenant.bench.barrier", attach = by_call)]
    static PAIR: Barrier<2> = Barrier::new();
}

pub(super) fn act(worker: &mut Worker) {
    match PAIR.wait_timeout(PATIENCE) {
        Ok(result) => {
            worker.count(COUNT_ROUNDS);
            if result.is_leader() {
                worker.count(COUNT_LEADERS);
            }
        }
        Err(TryLockError::WouldBlock | TryLockError::TimedOut) => {}
        Err(TryLockError::Lock(error)) => worker.violation(&format!("wait at the barrier: {error}")),
    }
}

/// Each round has one leader and another one; of those that were killed at it nothing may have been told.
pub(super) fn look_at_the_end(words: &Words, kills: u64) {
    let (leaders, went_on) = (words.sum(COUNT_LEADERS), words.sum(COUNT_ROUNDS));
    if went_on + kills < 2 * leaders || went_on > 2 * (leaders + kills) {
        violation(words, &format!("{went_on} went on in {leaders} rounds of two, {kills} killed"));
    }
}
