//! `RwLock`: readers see no writer and no half change; a writer is alone.

use std::time::Duration;

use cotenant::sync::{LockError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError, WriterDied};

use super::watched::Watched;
use super::{COUNT_RW_LOCK, IS_READING, IS_WRITING, RW_LOCK};
use crate::stress::words::Words;
use crate::stress::worker::{Worker, violation};

/// Fewer than there are processes, so that readers wait for room, too.
const READERS: usize = 8;
const NUMBER: u64 = RW_LOCK as u64;
const NAME: &str = "the read-write lock";

type Died = WriterDied<'static, Watched, READERS>;
type Reading = Result<RwLockReadGuard<'static, Watched, READERS>, TryLockError<Died>>;
type Writing = Result<RwLockWriteGuard<'static, Watched, READERS>, TryLockError<Died>>;

cotenant::shared! {
    #![shared(name = "cotenant.bench.rw_lock", attach = by_call)]
    static WATCHED: RwLock<Watched, READERS> = RwLock::new(Watched::new());
}

pub(super) fn act(worker: &mut Worker) {
    if worker.random.below(4) > 0 {
        let (locked, began_ns) = worker.waiting(NUMBER, |worker, began_ns| (lock_to_read(worker), began_ns));
        match locked {
            Ok(guard) => read(worker, guard),
            Err(error) => after_error(worker, error, began_ns),
        }
    } else {
        let (locked, began_ns) = worker.waiting(NUMBER, |worker, began_ns| (lock_to_write(worker), began_ns));
        match locked {
            Ok(guard) => {
                guard.expect_clean(worker, NAME);
                write(worker, guard);
            }
            Err(error) => after_error(worker, error, began_ns),
        }
    }
}

fn lock_to_read(worker: &mut Worker) -> Reading {
    let lock: &'static RwLock<Watched, READERS> = &WATCHED;
    match worker.random.below(8) {
        0 => lock.try_read(),
        1 => lock.read_timeout(Duration::from_micros(worker.random.below(2000))),
        _ => lock.read().map_err(TryLockError::Lock),
    }
}

fn lock_to_write(worker: &mut Worker) -> Writing {
    let lock: &'static RwLock<Watched, READERS> = &WATCHED;
    match worker.random.below(8) {
        0 => lock.try_write(),
        1 => lock.write_timeout(Duration::from_micros(worker.random.below(2000))),
        _ => lock.write().map_err(TryLockError::Lock),
    }
}

fn after_error(worker: &mut Worker, error: TryLockError<Died>, began_ns: u64) {
    match error {
        TryLockError::Lock(LockError::OwnerDied(died)) => {
            died.value().expect_half_done(worker, NUMBER, began_ns, NAME);
            let guard = died.repair(|watched| watched.repair(worker.me));
            write(worker, guard);
        }
        TryLockError::WouldBlock | TryLockError::TimedOut => {}
        TryLockError::Lock(error) => worker.violation(&format!("lock {NAME}: {error}")),
    }
}

fn read(worker: &mut Worker, guard: RwLockReadGuard<'_, Watched, READERS>) {
    worker.come_inside(IS_READING);
    if let Some(writers @ 1..) = worker.look_inside(IS_WRITING) {
        worker.violation(&format!("reads beside the writers {writers:#b}"));
    }
    worker.inside(NUMBER, |worker| guard.expect_quiet(worker, NAME));
    worker.go_outside(IS_READING);
}

fn write(worker: &mut Worker, guard: RwLockWriteGuard<'_, Watched, READERS>) {
    if let Some(writers @ 1..) = worker.come_inside(IS_WRITING) {
        worker.violation(&format!("writes beside the writers {writers:#b}"));
    }
    if let Some(readers @ 1..) = worker.look_inside(IS_READING) {
        worker.violation(&format!("writes beside the readers {readers:#b}"));
    }
    worker.inside(NUMBER, |worker| guard.change(worker, NAME));
    worker.go_outside(IS_WRITING);
    if worker.random.once_in(4) {
        read(worker, RwLockWriteGuard::downgrade(guard));
    } else {
        drop(guard);
    }
    worker.count(COUNT_RW_LOCK);
}

pub(super) fn look_at_the_end(words: &Words, kills: u64) {
    let guard = WATCHED.write_or_repair(|watched| watched.repair(0));
    let (counted, told) = (guard.entries(), words.sum(COUNT_RW_LOCK));
    if counted < told || counted > told + kills {
        violation(words, &format!("{NAME} counted {counted} entries; {told} were told, {kills} killed"));
    }
}
