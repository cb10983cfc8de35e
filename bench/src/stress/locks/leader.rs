//! `Leader`: one leads at a time, each in a higher term.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use cotenant::sync::{Leader, TryLockError};

use super::{HIGHEST_TERM, LEADER, LEADS};
use crate::stress::words::Words;
use crate::stress::worker::{Worker, violation};

const NUMBER: u64 = LEADER as u64;

cotenant::shared! {
    #![shared(name = "cotenant.bench.leader", attach = by_call)]
    static OFFICE: Leader = Leader::new();
}

pub(super) fn act(worker: &mut Worker) {
    let elected = worker.waiting(NUMBER, |worker, _| match worker.random.below(4) {
        0 => OFFICE.lead().map_err(TryLockError::Lock),
        1 => OFFICE.lead_timeout(Duration::from_micros(worker.random.below(2000))),
        _ => OFFICE.try_lead(),
    });
    let leadership = match elected {
        Ok(leadership) => leadership,
        Err(TryLockError::WouldBlock | TryLockError::TimedOut) => return,
        Err(TryLockError::Lock(error)) => return worker.violation(&format!("lead: {error}")),
    };
    if let Some(others @ 1..) = worker.come_inside(LEADS) {
        worker.violation(&format!("leads beside {others:#b}"));
    }
    let (term, before) = (leadership.term(), worker.words.own(HIGHEST_TERM).fetch_max(leadership.term(), SeqCst));
    if before >= term {
        worker.violation(&format!("leads in term {term} after {before}"));
    }
    worker.inside(NUMBER, Worker::linger);
    worker.go_outside(LEADS);
    leadership.step_down();
}

pub(super) fn look_at_the_end(words: &Words, _kills: u64) {
    match OFFICE.try_lead() {
        Ok(leadership) if leadership.term() > words.own(HIGHEST_TERM).load(SeqCst) => {}
        Ok(leadership) => violation(words, &format!("term {} is not the highest", leadership.term())),
        Err(error) => violation(words, &format!("nobody is left, and the leadership is not free: {error}")),
    }
}
