//! Every kind of lock as an object of a segment: one process waits for what another one does.

use std::cell::RefCell;

use cotenant::sync::{
    Barrier, Condvar, Event, Leader, Leadership, Mutex, Once, OnceCell, Permit, RwLock, RwLockReadGuard, Semaphore,
};
use cotenant::{ProcessSync, Segment};

use crate::support::peer::Peer;
use crate::support::sandbox::Sandbox;
use crate::support::{Named, serve};

pub(crate) const TESTS: &[Named] = &[("every_kind_of_lock_works_as_an_object_of_a_segment", every_kind_works)];

/// What a process holds between two commands.
#[allow(dead_code)] // Only kept, and dropped.
enum Held {
    Read(RwLockReadGuard<'static, u64>),
    Permit(Permit<'static, 2>),
    Leadership(Leadership<'static>),
}

thread_local! {
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn play() {
    let segment = Segment::options().max_bytes(1 << 20).open_or_create("kinds").expect("a segment").leak();
    serve::stdin(move |line| answer(segment, line));
}

fn object<T: ProcessSync>(segment: &'static Segment, name: &str, make: fn() -> T) -> &'static T {
    segment.get_or_init(name, make).expect("an object")
}

fn hold(held: Held) -> String {
    HELD.with_borrow_mut(|all| all.push(held));
    "held".into()
}

/// `KIND-VERB`; the answer is one line.
fn answer(segment: &'static Segment, line: &str) -> String {
    let rw: fn() -> RwLock<u64> = || RwLock::new(1);
    let semaphore: fn() -> Semaphore<2> = || Semaphore::new(1);
    let jobs = || object(segment, "jobs", || Mutex::new(0_u64));
    let changed = || object(segment, "changed", Condvar::new);
    match line {
        "drop" => {
            HELD.with_borrow_mut(Vec::clear);
            "dropped".into()
        }
        "rwlock-read" => match object(segment, "rwlock", rw).read() {
            Ok(guard) => {
                let value = *guard;
                hold(Held::Read(guard));
                format!("read {value}")
            }
            Err(_) => "not had".into(),
        },
        "rwlock-write" => {
            *object(segment, "rwlock", rw).write().expect("the lock") += 1;
            "written".into()
        }
        "rwlock-try-write" => object(segment, "rwlock", rw).try_write().is_ok().to_string(),
        "condvar-wait" => {
            let guard = jobs().lock().expect("the mutex");
            let mut jobs = changed().wait_while(guard, |jobs| *jobs == 0).expect("the mutex");
            *jobs -= 1;
            "took".into()
        }
        "condvar-notify" => {
            *jobs().lock().expect("the mutex") += 1;
            changed().notify_one();
            "notified".into()
        }
        "once-call" => {
            let mut did = false;
            object(segment, "once", Once::new).call_once(|| did = true).expect("done");
            did.to_string()
        }
        "cell-init" => {
            let own = u64::from(std::process::id());
            object(segment, "cell", OnceCell::new).get_or_init(|| own).expect("a value").to_string()
        }
        "semaphore-acquire" => hold(Held::Permit(object(segment, "semaphore", semaphore).acquire().expect("one"))),
        "semaphore-available" => object(segment, "semaphore", semaphore).available().to_string(),
        "barrier-wait" => object(segment, "barrier", Barrier::<2>::new).wait().expect("both").is_leader().to_string(),
        "event-wait" => {
            object(segment, "event", || Event::new(false)).wait();
            "set".into()
        }
        "event-set" => {
            object(segment, "event", || Event::new(false)).set();
            "did".into()
        }
        "leader-lead" => hold(Held::Leadership(object(segment, "leader", Leader::new).lead().expect("it"))),
        "leader-current" => object(segment, "leader", Leader::new).current().map_or(0, |who| who.pid).to_string(),
        _ => panic!("no such command: {line}"),
    }
}

fn every_kind_works() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("kinds"), sandbox.start("kinds"));

    assert_eq!((one.ask("rwlock-read"), two.ask("rwlock-read")), ("read 1".into(), "read 1".into()));
    assert_eq!(one.ask("rwlock-try-write"), "false");
    one.ask("drop");
    waits_until(&mut one, "rwlock-write", &mut two, "drop", "written");
    assert_eq!(two.ask("rwlock-read"), "read 2");
    two.ask("drop");

    waits_until(&mut one, "condvar-wait", &mut two, "condvar-notify", "took");
    waits_until(&mut one, "event-wait", &mut two, "event-set", "set");
    assert_eq!((one.ask("once-call"), two.ask("once-call")), ("true".into(), "false".into()));
    assert_eq!((one.ask("cell-init"), two.ask("cell-init")), (one.pid.to_string(), one.pid.to_string()));

    assert_eq!((two.ask("semaphore-acquire"), one.ask("semaphore-available")), ("held".into(), "0".into()));
    waits_until(&mut one, "semaphore-acquire", &mut two, "drop", "held");

    one.tell("barrier-wait");
    let led = [two.ask("barrier-wait"), one.answer("barrier-wait")];
    assert!(led.contains(&"true".into()) && led.contains(&"false".into()), "one of two leads: {led:?}");

    assert_eq!((two.ask("leader-lead"), one.ask("leader-current")), ("held".into(), two.pid.to_string()));
    // The dead step down, too.
    one.tell("leader-lead");
    one.expect_silence(A_WHILE, "another one leads");
    two.kill();
    assert_eq!((one.answer("leader-lead"), one.ask("leader-current")), ("held".into(), one.pid.to_string()));
}

const A_WHILE: std::time::Duration = std::time::Duration::from_millis(100);

/// `waiter` is not answered before `other` has done its part.
#[track_caller]
fn waits_until(waiter: &mut Peer, waits: &str, other: &mut Peer, does: &str, answer: &str) {
    waiter.tell(waits);
    waiter.expect_silence(A_WHILE, waits);
    other.ask(does);
    assert_eq!(waiter.answer(waits), answer, "{waits}");
}
