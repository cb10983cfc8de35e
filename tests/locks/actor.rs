//! The peer of these tests: one process that does to the shared locks what a test tells it to.
//!
//! A command is a lock, a verb, and arguments: `rw read`, `permit acquire 100`. What is had is kept until `drop`, which
//! lets go of the latest, or `drop-first`. A verb that waits answers when it is over.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use cotenant::shared;
use cotenant::sync::{
    Barrier, BarrierWait, Condvar, Event, Leader, Leadership, LockError, Mutex, MutexGuard, Once, OnceCell, Permit,
    RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SetError, TryLockError, WriterDied,
};

use crate::support::sandbox::Sandbox;
use crate::support::serve;
use crate::{rwlock_commands, stress};

shared! {
    pub(crate) static RW: RwLock<[u64; 2]> = RwLock::new([1, 1]);
    pub(crate) static FEW: RwLock<[u64; 2], 3> = RwLock::new([1, 1]);
    pub(crate) static JOBS: Mutex<u64> = Mutex::new(0);
    pub(crate) static CHANGED: Condvar = Condvar::new();
    static ONCE: Once = Once::new();
    static CELL: OnceCell<[u64; 3]> = OnceCell::new();
    pub(crate) static PERMITS: Semaphore<4> = Semaphore::new(2);
    static MANY: Semaphore<100> = Semaphore::new(100);
    static NO_PERMIT: Semaphore<1> = Semaphore::new(0);
    pub(crate) static BARRIER: Barrier<3> = Barrier::new();
    pub(crate) static EVENT: Event = Event::new(false);
    static LEADER: Leader = Leader::new();
    /// What is counted without protection, or to see who is inside.
    pub(crate) static COUNTS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
    /// What `stress` is told, and tells of itself.
    pub(crate) static STRESS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
}

/// What this process holds. A fork copies it.
#[allow(dead_code)] // Some are kept only to be dropped.
pub(crate) enum Held {
    Read(RwLockReadGuard<'static, [u64; 2]>),
    Write(RwLockWriteGuard<'static, [u64; 2]>),
    Died(WriterDied<'static, [u64; 2]>),
    FewRead(RwLockReadGuard<'static, [u64; 2], 3>),
    FewWrite(RwLockWriteGuard<'static, [u64; 2], 3>),
    FewDied(WriterDied<'static, [u64; 2], 3>),
    Jobs(MutexGuard<'static, u64>),
    Permit(Permit<'static, 4>),
    OneOfMany(Permit<'static, 100>),
    Leadership(Leadership<'static>),
}

thread_local! {
    pub(crate) static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

/// Time for a thief to show himself. A test passes however long things take.
pub(crate) const A_WHILE: Duration = Duration::from_millis(300);

/// A sandbox and so many actors.
pub(crate) fn actors<const N: usize>() -> (Sandbox, [crate::support::peer::Peer; N]) {
    let sandbox = Sandbox::new();
    let peers = std::array::from_fn(|_| sandbox.start("actor"));
    (sandbox, peers)
}

/// Names tests after their functions.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[crate::support::Named] = &[$((concat!(stringify!($name)), $name)),*];
    };
}
pub(crate) use tests;

pub(crate) fn play() {
    serve::stdin(answer);
}

/// One command; the answer is one line.
pub(crate) fn answer(line: &str) -> String {
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (lock, verb, argument) = (word(), word(), word());
    let number = || argument.parse::<u64>().expect("a number");
    match (lock, verb) {
        ("drop", _) => {
            drop(HELD.with_borrow_mut(Vec::pop).expect("something held"));
            "dropped".into()
        }
        ("drop-first", _) => {
            drop(HELD.with_borrow_mut(|held| held.remove(0)));
            "dropped".into()
        }
        ("panic", _) => {
            let held = HELD.with_borrow_mut(Vec::pop).expect("something held");
            panicking(move || {
                let _held = held;
                resume_unwind(Box::new("as the test asked"));
            })
        }
        ("leak", _) => {
            std::mem::forget(HELD.with_borrow_mut(Vec::pop));
            "leaked".into()
        }
        #[cfg(target_os = "linux")]
        ("fork", _) => crate::fork::fork(),
        #[cfg(target_os = "linux")]
        ("cell", "fork-inside") => {
            crate::fork::make_inside(&CELL, [number(); 3]).map_or_else(refused, |value| format!("{value:?}"))
        }
        ("count", _) => COUNTS[0].load(SeqCst).to_string(),
        ("rw", _) => rwlock_commands::rw(verb, argument),
        ("few", _) => rwlock_commands::few(verb, argument),
        ("jobs", _) => jobs(verb, argument),
        ("once", _) => once(verb),
        ("cell", _) => cell(verb, argument),
        ("permit", _) => permit(verb, argument),
        ("many", _) => many(verb, argument),
        ("barrier", "wait") => arrived(BARRIER.wait().map_err(TryLockError::Lock)),
        ("barrier", "timeout") => arrived(BARRIER.wait_timeout(Duration::from_millis(number()))),
        ("event", _) => event(verb, argument),
        ("leader", _) => leader(verb, argument),
        ("stress", _) => stress::answer(verb, argument, word()),
        _ => panic!("no such command: {line}"),
    }
}

pub(crate) fn keep(held: Held) {
    HELD.with_borrow_mut(|all| all.push(held));
}

pub(crate) fn panicking<R>(f: impl FnOnce() -> R) -> String {
    if catch_unwind(AssertUnwindSafe(f)).is_err() { "panicked".into() } else { "went on".into() }
}

pub(crate) fn refused<D>(error: TryLockError<D>) -> String {
    match error {
        TryLockError::WouldBlock => "would block".into(),
        TryLockError::TimedOut => "timed out".into(),
        TryLockError::Lock(LockError::WouldDeadlock) => "deadlock".into(),
        TryLockError::Lock(LockError::NotRecoverable) => "not recoverable".into(),
        TryLockError::Lock(LockError::NotParticipant(error)) => format!("no participant: {error}"),
        TryLockError::Lock(LockError::OwnerDied(_)) => "owner died".into(),
    }
}

/// The mutex and its condition: `wait`, `wait-timeout MS`, `wait-while-timeout MS` for a job, `add N`, notifications.
fn jobs(verb: &str, argument: &str) -> String {
    let number = || argument.parse::<u64>().expect("a number");
    let lock = || JOBS.lock().expect("a clean lock");
    match verb {
        "lock" => {
            keep(Held::Jobs(lock()));
            "locked".into()
        }
        "get" => lock().to_string(),
        "add" => {
            *lock() += number();
            "added".into()
        }
        "notify-one" => {
            CHANGED.notify_one();
            "notified".into()
        }
        "notify-all" => {
            CHANGED.notify_all();
            "notified".into()
        }
        "take" => match CHANGED.wait_while(lock(), |jobs| *jobs == 0) {
            Ok(mut jobs) => {
                *jobs -= 1;
                "took".into()
            }
            Err(LockError::OwnerDied(died)) => format!("died {}", died.owner().map_or(0, |owner| owner.pid)),
            Err(error) => refused(TryLockError::Lock(error)),
        },
        "wait-once" => {
            let jobs = CHANGED.wait(lock()).expect("a clean lock");
            format!("woke {}", *jobs)
        }
        "wait-timeout" => {
            let waited = CHANGED.wait_timeout_while(lock(), Duration::from_millis(number()), |jobs| *jobs == 0);
            let (jobs, result) = waited.expect("a clean lock");
            format!("{} {}", if result.timed_out() { "timed out" } else { "woke" }, *jobs)
        }
        _ => panic!("no such command: jobs {verb}"),
    }
}

/// `call`: says who did it. `hold`: begins and waits inside until the event. `panic`, `again` (inside of itself).
fn once(verb: &str) -> String {
    let mut did = false;
    let result = match verb {
        "call" => ONCE.call_once(|| did = true).map_err(TryLockError::Lock),
        "try" => ONCE.try_call_once(|| did = true),
        "timeout" => ONCE.call_once_timeout(Duration::from_millis(20), || did = true),
        "hold" => ONCE.call_once(|| inside(&mut did)).map_err(TryLockError::Lock),
        "again" => {
            let mut inner = None;
            let outer = ONCE.call_once(|| inner = Some(ONCE.call_once(|| ())));
            return format!("{:?} {:?}", outer.is_ok(), inner);
        }
        "panic" => return panicking(|| ONCE.call_once(|| resume_unwind(Box::new("as the test asked")))),
        "wait" => {
            ONCE.wait();
            return "done".into();
        }
        "wait-timeout" => {
            return ONCE.wait_timeout(Duration::from_millis(20)).map_or_else(|_| "timed out", |()| "done").into();
        }
        "is-done" => return ONCE.is_completed().to_string(),
        _ => panic!("no such command: once {verb}"),
    };
    match result {
        Ok(()) if did => "did it".into(),
        Ok(()) => "done before".into(),
        Err(error) => refused(error),
    }
}

/// Counts who is in, and waits for the event.
fn inside(did: &mut bool) {
    COUNTS[0].fetch_add(1, SeqCst);
    EVENT.wait();
    *did = true;
}

fn cell(verb: &str, argument: &str) -> String {
    let number = || argument.parse::<u64>().expect("a number");
    fn shown<D>(value: Result<&[u64; 3], TryLockError<D>>) -> String {
        value.map_or_else(refused, |value| format!("{value:?}"))
    }
    match verb {
        "get" => format!("{:?}", CELL.get()),
        "init" => shown(CELL.get_or_init(|| [number(); 3]).map_err(TryLockError::Lock)),
        "try-init" => shown(CELL.try_get_or_init(|| [number(); 3])),
        "init-timeout" => shown(CELL.get_or_init_timeout(Duration::from_millis(20), || [number(); 3])),
        "hold" => shown(
            CELL.get_or_init(|| {
                inside(&mut false);
                [number(); 3]
            })
            .map_err(TryLockError::Lock),
        ),
        "panic" => panicking(|| CELL.get_or_init(|| resume_unwind(Box::new("as the test asked"))).is_ok()),
        "set" => match CELL.set([number(); 3]) {
            Ok(()) => "set".into(),
            Err(SetError::AlreadySet(back)) => format!("back {back:?}"),
            Err(SetError::Lock(error)) => refused(TryLockError::Lock(error)),
        },
        "wait" => format!("{:?}", CELL.wait()),
        "wait-timeout" => format!("{:?}", CELL.wait_timeout(Duration::from_millis(20))),
        _ => panic!("no such command: cell {verb}"),
    }
}

fn permit(verb: &str, argument: &str) -> String {
    let had = match verb {
        "acquire" => PERMITS.acquire().map_err(TryLockError::Lock),
        "try" => PERMITS.try_acquire(),
        "timeout" => PERMITS.acquire_timeout(Duration::from_millis(argument.parse().expect("a number"))),
        "none" => return NO_PERMIT.acquire_timeout(Duration::from_millis(20)).map_or_else(refused, |_| "had".into()),
        "available" => return format!("{} of {}", PERMITS.available(), PERMITS.permits()),
        "drop-elsewhere" => {
            let Some(Held::Permit(permit)) = HELD.with_borrow_mut(Vec::pop) else { panic!("no permit is held") };
            std::thread::spawn(move || drop(permit)).join().expect("the thread");
            return "dropped".into();
        }
        _ => panic!("no such command: permit {verb}"),
    };
    match had {
        Ok(permit) => {
            keep(Held::Permit(permit));
            "had".into()
        }
        Err(error) => refused(error),
    }
}

/// Of a hundred permits: `take N`, `try`, `timeout MS`.
fn many(verb: &str, argument: &str) -> String {
    let had = match verb {
        "take" => {
            for _ in 0..argument.parse().expect("a number") {
                keep(Held::OneOfMany(MANY.try_acquire().expect("a permit")));
            }
            return format!("{} are left", MANY.available());
        }
        "try" => MANY.try_acquire(),
        "timeout" => MANY.acquire_timeout(Duration::from_millis(argument.parse().expect("a number"))),
        _ => panic!("no such command: many {verb}"),
    };
    had.map_or_else(refused, |permit| {
        keep(Held::OneOfMany(permit));
        "had".into()
    })
}

fn arrived(result: Result<cotenant::sync::BarrierWaitResult, TryLockError<BarrierWait>>) -> String {
    match result {
        Ok(result) if result.is_leader() => "led".into(),
        Ok(_) => "passed".into(),
        Err(error) => refused(error),
    }
}

fn event(verb: &str, argument: &str) -> String {
    match verb {
        "set" => EVENT.set(),
        "reset" => EVENT.reset(),
        "pulse" => {
            EVENT.set();
            EVENT.reset();
        }
        "wait" => {
            EVENT.wait();
            return "set".into();
        }
        "timeout" => {
            let waited = EVENT.wait_timeout(Duration::from_millis(argument.parse().expect("a number")));
            return waited.map_or("timed out", |()| "set").into();
        }
        "is-set" => return EVENT.is_set().to_string(),
        _ => panic!("no such command: event {verb}"),
    }
    "did".into()
}

fn leader(verb: &str, argument: &str) -> String {
    let had = match verb {
        "lead" => LEADER.lead().map_err(TryLockError::Lock),
        "try" => LEADER.try_lead(),
        "timeout" => LEADER.lead_timeout(Duration::from_millis(argument.parse().expect("a number"))),
        "current" => return LEADER.current().map_or("nobody".into(), |who| format!("{} {}", who.pid, who.program)),
        "term" => return LEADER.term().to_string(),
        "drop-elsewhere" => {
            let Some(Held::Leadership(leads)) = HELD.with_borrow_mut(Vec::pop) else { panic!("does not lead") };
            std::thread::spawn(move || leads.step_down()).join().expect("the thread");
            return "dropped".into();
        }
        "take-in-thread" => {
            let leads = std::thread::spawn(|| LEADER.lead().expect("a free leadership")).join().expect("the thread");
            keep(Held::Leadership(leads));
            return "leads".into();
        }
        _ => panic!("no such command: leader {verb}"),
    };
    match had {
        Ok(leadership) => {
            let term = leadership.term();
            keep(Held::Leadership(leadership));
            format!("term {term}")
        }
        Err(error) => refused(error),
    }
}
