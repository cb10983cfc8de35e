//! What an actor does to the two read-write locks: one of 64 readers, one of 3.

use std::panic::resume_unwind;
use std::time::Duration;

use cotenant::sync::{LockError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError, WriterDied};

use crate::actor::{FEW, HELD, Held, RW, keep, panicking, refused};

type Value = [u64; 2];
type Died<const READERS: usize> = WriterDied<'static, Value, READERS>;

/// How what is had of a lock is kept.
struct Keep<const READERS: usize> {
    read: fn(RwLockReadGuard<'static, Value, READERS>) -> Held,
    write: fn(RwLockWriteGuard<'static, Value, READERS>) -> Held,
    died: fn(Died<READERS>) -> Held,
}

pub(crate) fn rw(verb: &str, argument: &str) -> String {
    let keep = Keep { read: Held::Read, write: Held::Write, died: Held::Died };
    had(&RW, verb, argument, &keep).unwrap_or_else(|| held(verb, argument))
}

pub(crate) fn few(verb: &str, argument: &str) -> String {
    let keep = Keep { read: Held::FewRead, write: Held::FewWrite, died: Held::FewDied };
    had(&FEW, verb, argument, &keep).expect("a command of both locks")
}

/// Verbs that take the lock.
fn had<const READERS: usize>(
    lock: &'static RwLock<Value, READERS>,
    verb: &str,
    argument: &str,
    keep: &Keep<READERS>,
) -> Option<String> {
    let timeout = || Duration::from_millis(argument.parse().expect("a number of milliseconds"));
    let number = || argument.parse::<u64>().expect("a number");
    Some(match verb {
        "read" => reads(lock.read().map_err(TryLockError::Lock), keep),
        "try-read" => reads(lock.try_read(), keep),
        "read-timeout" => reads(lock.read_timeout(timeout()), keep),
        "read-or-repair" => reads(Ok(lock.read_or_repair(|value| *value = [number(); 2])), keep),
        "write" => writes(lock.write().map_err(TryLockError::Lock), keep),
        "try-write" => writes(lock.try_write(), keep),
        "write-timeout" => writes(lock.write_timeout(timeout()), keep),
        "write-or-repair" => writes(Ok(lock.write_or_repair(|value| *value = [number(); 2])), keep),
        "reset" => {
            lock.reset([number(); 2]).map_or_else(|error| refused(TryLockError::Lock(error)), |()| "reset".into())
        }
        _ => return None,
    })
}

fn reads<const READERS: usize>(
    had: Result<RwLockReadGuard<'static, Value, READERS>, TryLockError<Died<READERS>>>,
    kept: &Keep<READERS>,
) -> String {
    match had {
        Ok(guard) => {
            let answer = format!("read {}", shown(&guard));
            keep((kept.read)(guard));
            answer
        }
        Err(error) => not_clean(error, kept),
    }
}

fn writes<const READERS: usize>(
    had: Result<RwLockWriteGuard<'static, Value, READERS>, TryLockError<Died<READERS>>>,
    kept: &Keep<READERS>,
) -> String {
    match had {
        Ok(guard) => {
            let answer = format!("write {}", shown(&guard));
            keep((kept.write)(guard));
            answer
        }
        Err(error) => not_clean(error, kept),
    }
}

fn not_clean<const READERS: usize>(error: TryLockError<Died<READERS>>, kept: &Keep<READERS>) -> String {
    let TryLockError::Lock(LockError::OwnerDied(died)) = error else { return refused(error) };
    let owner = died.owner().map_or("unknown".into(), |owner| owner.pid.to_string());
    assert!(died.noticed_at().elapsed().is_ok(), "noticed in the future");
    let answer = format!("died {owner} {}", shown(died.value()));
    keep((kept.died)(died));
    answer
}

fn shown(value: &Value) -> String {
    format!("{} {}", value[0], value[1])
}

/// Verbs about what is held of the lock of 64 readers.
fn held(verb: &str, argument: &str) -> String {
    let number = || argument.parse::<u64>().expect("a number");
    let latest = || HELD.with_borrow_mut(Vec::pop).expect("something held");
    match verb {
        // The first half of a change of both.
        "half-set" => with_write(|value| value[0] = number()),
        "set" => with_write(|value| *value = [number(); 2]),
        "downgrade" => {
            let Held::Write(guard) = latest() else { panic!("no write lock is held") };
            reads(Ok(guard.downgrade()), &Keep { read: Held::Read, write: Held::Write, died: Held::Died })
        }
        "repair" => {
            let Held::Died(died) = latest() else { panic!("nothing to repair") };
            keep(Held::Write(died.repair(|value| *value = [number(); 2])));
            "repaired".into()
        }
        "repair-panics" => {
            let Held::Died(died) = latest() else { panic!("nothing to repair") };
            panicking(|| drop(died.repair(|_| resume_unwind(Box::new("as the test asked")))))
        }
        "give-up" => {
            let Held::Died(died) = latest() else { panic!("nothing to give up") };
            died.give_up();
            "gave up".into()
        }
        _ => panic!("no such command: rw {verb}"),
    }
}

fn with_write(change: impl FnOnce(&mut Value)) -> String {
    HELD.with_borrow_mut(|held| match held.last_mut() {
        Some(Held::Write(guard)) => change(guard),
        _ => panic!("no write lock is held"),
    });
    "set".into()
}
