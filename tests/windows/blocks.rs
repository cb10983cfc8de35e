//! The variables, and what a process answers about them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cotenant::sync::{LockError, Mutex, OwnerDied, TryLockError};
use cotenant::{BlockState, attachment, shared};

shared! {
    static COUNT: AtomicU64 = AtomicU64::new(41);
    static GUARDED: Mutex<u64> = Mutex::new(0);
}

mod other {
    use super::*;

    shared! { pub static COUNT: AtomicU64 = AtomicU64::new(7); }
}

shared! {
    #![shared(name = "test.windows")]
    static NAMED: AtomicU64 = AtomicU64::new(100);
    static NAMED_GUARDED: Mutex<u64> = Mutex::new(0);
}

shared! {
    #![shared(attach = by_call)]
    static LATE: AtomicU64 = AtomicU64::new(0);
}

shared! {
    #![shared(name = "test.kept", keep = until_removed, on_failure = private)]
    static KEPT: AtomicU64 = AtomicU64::new(0);
}

shared! {
    #![shared(name = "test.readable", mode = 0o644, on_failure = private)]
    static READABLE: AtomicU64 = AtomicU64::new(0);
}

pub(crate) fn answer(line: &str) -> String {
    match line {
        "add" => COUNT.fetch_add(1, Relaxed).to_string(),
        "other module" => other::COUNT.fetch_add(1, Relaxed).to_string(),
        "named" => NAMED.fetch_add(1, Relaxed).to_string(),
        "late" => LATE.fetch_add(1, Relaxed).to_string(),
        "attach" => cotenant::attach().map_or_else(|error| error.to_string(), |()| "attached".to_owned()),
        "states" => format!("{:?}", attachment().blocks),
        "created" => of_the_unnamed(|_, created| created.to_string()),
        "participants" => of_the_unnamed(|participants, _| names(participants)),
        "add 200" => {
            (0..200).for_each(|_| *GUARDED.lock().unwrap() += 1);
            "done".to_owned()
        }
        "threads" => {
            std::thread::scope(|scope| {
                let count = || (0..1000).for_each(|_| *GUARDED.lock().unwrap() += 1);
                (0..4).for_each(|_| drop(scope.spawn(count)));
            });
            about(&GUARDED, "lock")
        }
        _ => match line.strip_prefix("named ") {
            Some(command) => about(&NAMED_GUARDED, command),
            None => about(&GUARDED, line),
        },
    }
}

/// What `tell` says of the unnamed blocks that were attached at load, which is the same of all.
fn of_the_unnamed(tell: impl Fn(Vec<cotenant::Participant>, bool) -> String) -> String {
    let mut told: Vec<_> = attachment()
        .blocks
        .into_iter()
        .filter(|block| block.name.is_none())
        .filter_map(|block| match block.state {
            BlockState::Shared { participants, created, .. } => Some(tell(participants, created)),
            _ => None,
        })
        .collect();
    told.dedup();
    told.join(" but ")
}

fn names(mut participants: Vec<cotenant::Participant>) -> String {
    participants.sort_by_key(|it| it.pid);
    participants.iter().map(|it| format!("{} {}", it.pid, it.program)).collect::<Vec<_>>().join(", ")
}

fn about(mutex: &'static Mutex<u64>, command: &str) -> String {
    match command {
        "hold" => {
            std::mem::forget(mutex.lock().unwrap());
            "held".to_owned()
        }
        "lock" => match mutex.lock() {
            Ok(value) => format!("clean {}", *value),
            Err(error) => describe(error),
        },
        "try" => match mutex.try_lock() {
            Ok(value) => format!("clean {}", *value),
            Err(TryLockError::WouldBlock | TryLockError::TimedOut) => "would block".to_owned(),
            Err(TryLockError::Lock(error)) => describe(error),
        },
        "twice" => {
            let _guard = mutex.lock().unwrap();
            let second = mutex.lock().map_or_else(describe, |_| "locked twice".to_owned());
            let third = match mutex.try_lock() {
                Err(TryLockError::Lock(error)) => describe(error),
                _ => "locked twice".to_owned(),
            };
            format!("{second}, {third}")
        }
        "repair" => format!("clean {}", *mutex.lock_or_repair(|value| *value = 1000)),
        "give up" => match mutex.lock() {
            Err(LockError::OwnerDied(died)) => {
                died.give_up();
                "given up".to_owned()
            }
            _ => "nobody died".to_owned(),
        },
        "panic" => {
            let under_guard = || {
                let _guard = mutex.lock().unwrap();
                panic!("on purpose");
            };
            catch_unwind(AssertUnwindSafe(under_guard)).map_or("panicked", |()| "no panic").to_owned()
        }
        "leak in a thread" => {
            std::thread::spawn(move || std::mem::forget(mutex.lock().unwrap())).join().unwrap();
            "leaked".to_owned()
        }
        unknown => panic!("no such command: {unknown}"),
    }
}

/// Says it, and leaves the lock as it was found.
fn describe<T>(error: LockError<OwnerDied<'_, T>>) -> String {
    match error {
        LockError::OwnerDied(died) => {
            let owner = died.owner();
            owner.map_or("owner died".to_owned(), |owner| format!("owner died {} {}", owner.pid, owner.program))
        }
        LockError::WouldDeadlock => "would deadlock".to_owned(),
        LockError::NotRecoverable => "not recoverable".to_owned(),
        LockError::NotParticipant(error) => error.to_string(),
    }
}
